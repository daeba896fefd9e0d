"""What is kept between runs: root directories to boot machines from, made by mmdebstrap, and the bundled libraries."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

EVERYWHERE = "systemd,systemd-sysv,dbus,python3,procps,iproute2,logrotate,adduser"
SUITES = {
    "bookworm": EVERYWHERE,  # systemd 252, Python 3.11
    "trixie": f"{EVERYWHERE},rpm,zstd,python3-venv,jq,curl",  # systemd 257, Python 3.13
}


def place() -> Path:
    """Where they are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("PREFORK_ROOTS") or Path(cache, "prefork", "roots"))


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The directory of that name; made now, if it has not been before."""
    directory = place() / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once make it once
        if not directory.exists():
            made = directory.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            make(made)
            made.rename(directory)
    return directory


def digest(*contents: bytes) -> str:
    """By which what was made of the same is known again."""
    return hashlib.sha256(b"\n".join(contents)).hexdigest()[:8]


def root_of(suite: str) -> Path:
    """The directory of a suite with its packages. Its archive is beside it."""
    name = f"{suite}-{digest(SUITES[suite].encode())}"
    return kept(name, partial(_make, suite, archive_of(place() / name)))


def archive_of(directory: Path) -> Path:
    """The same as one file."""
    return directory.with_suffix(".tar.gz")


def _make(suite: str, archive: Path, made: Path) -> None:
    made.mkdir()
    bootstrap = [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        f"--include={SUITES[suite]}",
        suite,
        str(archive),
    ]
    subprocess.run(bootstrap, check=True)
    subprocess.run(["tar", "-C", str(made), "-xf", str(archive)], check=True)
