"""Processes that the tests have left behind, found by what they hold: a file or a directory below the tests' own.

A daemon runs in its test's directory, or has its pidfile or a log there open; one whose parent has gone is found as
well. Parents and sessions say nothing, because daemons leave both.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def holders(place: Path) -> dict[int, str]:
    """The processes that work below a directory or hold something there open, without this one: pid -> command."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended just now, or is somebody else's
                if any(place in Path(target).parents or target == str(place) for target in _held(process)):
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ").strip()
    return found


def clean(place: Path) -> list[str]:
    """Kill them; what they were."""
    found = holders(place)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)
    return [f"{pid} {command}" for pid, command in found.items()]


def _held(process: Path) -> list[str]:
    links = [process / "cwd", *(process / "fd").iterdir()]
    held = []
    for link in links:
        with contextlib.suppress(FileNotFoundError):  # closed since
            held.append(os.readlink(link).removesuffix(" (deleted)"))
    return held
