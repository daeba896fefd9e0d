"""Make the tree of libraries that the packages bundle: ``python3 packaging/bundle/bundle.py OUT``.

Distributions ship these libraries too old or not at all, so the packages carry them: one tree for every supported
version of Python, because the ``.py`` files of a wheel are the same for all of them and the names of compiled modules
say which they are for. Everything comes as a wheel whose hash is in requirements.txt; two files of one name that differ
end the build.
"""

from __future__ import annotations

import argparse
import filecmp
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
GLIBC = ("2_17", "2_28", "2_34")  # wheels for a C library this old or older run on every distribution that is meant
# Of an installation, not of a library: they say for which Python it was made.
LEFT_OUT = frozenset({"RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "sboms", "__pycache__"})

DESCRIPTIONS = frozenset({"METADATA"})  # of a library: any one will do


def main() -> int:
    """Make it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("out", type=Path, help="the directory to make; it must not exist")
    parser.add_argument("--python", action="append", metavar="VERSION", help=f"default: {', '.join(VERSIONS)}")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        for version in options.python or VERSIONS:
            part = Path(scratch, version)
            install(part, version, platform.machine())
            merge(part, options.out)
    return 0


def install(target: Path, version: str, machine: str) -> None:
    """What pip would install for this Python on this kind of machine, from wheels alone."""
    platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBC]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check"),
        *("--root-user-action", "ignore", "--no-compile", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        *("--target", str(target), "--implementation", "cp", "--python-version", version, *platforms),
        *("--requirement", str(HERE / "requirements.txt")),
    ]
    subprocess.run(command, check=True)


def merge(part: Path, whole: Path) -> None:
    """Add one version's files. Raises SystemExit if a file is there with another content."""
    for source in sorted(part.rglob("*")):
        place = whole / source.relative_to(part)
        if source.is_dir() or LEFT_OUT & {*source.relative_to(part).parts}:
            continue
        if place.exists():
            if source.name not in DESCRIPTIONS and not filecmp.cmp(source, place, shallow=False):
                sys.exit(f"{source.relative_to(part)} differs between two versions of Python")
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


if __name__ == "__main__":
    sys.exit(main())
