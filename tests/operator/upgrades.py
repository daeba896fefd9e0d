"""The parts of a master that an upgrade must leave as they are, and installations that a test can break or replace."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import prefork
from tests.operator.daemon import Preforkd, children, until

PACKAGE = Path(prefork.__file__).parent


@dataclass(frozen=True)
class State:
    """What a master has: its open files, by what they lead to, its workers, and what its pidfiles say."""

    files: tuple[str, ...]
    workers: frozenset[int]
    pidfile: str
    oldbin: bool


def state_of(daemon: Preforkd) -> State:
    files = []
    for entry in Path(f"/proc/{daemon.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed just now
            files.append(os.readlink(entry))
    oldbin = daemon.pidfile.with_name(daemon.pidfile.name + ".oldbin")
    pidfile = daemon.pidfile.read_text() if daemon.pidfile.exists() else ""
    return State(tuple(sorted(files)), frozenset(children(daemon.pid)), pidfile, oldbin.exists())


@contextlib.contextmanager
def unchanged(daemon: Preforkd) -> Iterator[None]:
    """Whatever happens to the successor: afterwards the old master is as it was, and the next upgrade succeeds."""
    before = state_of(daemon)
    yield
    until(lambda: state_of(daemon) == before, f"{state_of(daemon)} to be {before}")
    assert daemon.get() == (200, b"hello")


def upgrade_succeeds(daemon: Preforkd) -> int:
    """The whole dance; the pid of the new master."""
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    assert daemon.stop() == 0
    daemon.expect("upgrade_completed")
    assert daemon.pidfile.read_text() == f"{successor}\n"
    assert daemon.get() == (200, b"hello")
    return successor


class Installation:
    """prefork in a virtual environment of its own, where ``current`` says which version: as people deploy it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
        self.python = home / "venv/bin/python"
        site = Path(sysconfig.get_path("purelib", vars={"base": str(home / "venv")}))
        (site / "test.pth").write_text(f"{home}/current\n{sysconfig.get_path('purelib')}\n")
        self.install("0.1.0")
        self.activate("0.1.0")

    def install(self, version: str, **changes: tuple[str, str]) -> None:
        """A copy that calls itself so; ``changes``: module -> what to write there instead of what."""
        place = self.home / version / "prefork"
        shutil.copytree(PACKAGE, place, ignore=shutil.ignore_patterns("__pycache__"))
        init = place / "__init__.py"
        init.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', init.read_text()))
        for module, (old, new) in changes.items():
            file = place.joinpath(*module.split("__")).with_suffix(".py")
            text = file.read_text()
            assert text.count(old) == 1
            file.write_text(text.replace(old, new))

    def activate(self, version: str) -> None:
        link = self.home / "current.new"
        link.symlink_to(self.home / version)
        link.rename(self.home / "current")
