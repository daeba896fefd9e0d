"""Root directories to boot machines from, made by mmdebstrap and kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
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


def root_of(suite: str) -> Path:
    """The directory of a suite; made now, if it has not been before with the same packages. Its archive is beside it."""
    packages = SUITES[suite]
    kind = hashlib.sha256(packages.encode()).hexdigest()[:8]
    directory = place() / f"{suite}-{kind}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once make it once
        if not directory.exists():
            _make(suite, packages, directory)
    return directory


def archive_of(directory: Path) -> Path:
    """The same as one file."""
    return directory.with_suffix(".tar.gz")


def _make(suite: str, packages: str, directory: Path) -> None:
    archive = archive_of(directory)
    made = directory.with_suffix(".new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    bootstrap = [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        f"--include={packages}",
        suite,
        str(archive),
    ]
    subprocess.run(bootstrap, check=True)
    subprocess.run(["tar", "-C", str(made), "-xf", str(archive)], check=True)
    made.rename(directory)
