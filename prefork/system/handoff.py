"""What an old master hands its successor: one environment variable, versioned JSON, and open descriptors.

The descriptors keep their numbers through the exec. The value is checked like any input: what an older or newer
version wrote and this one does not understand is refused by name, before anything is touched.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass

from prefork import __version__
from prefork.errors import HandoffError

VARIABLE = "PREFORK_HANDOFF"
VERSION = 1

# They speak to the process that systemd started, and would mislead one that it did not (sd_listen_fds(3),
# sd_watchdog_enabled(3)).
NOT_INHERITED = (VARIABLE, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")


@dataclass(frozen=True)
class Handoff:
    """``listeners``: configured address -> descriptor. ``report``: where the successor says ready, or why not.

    ``stderr``: the old master's standard error, for the successor to take when it has understood this.
    """

    master: int  # the old master's pid
    listeners: Mapping[str, int]
    report: int
    stderr: int

    def descriptors(self) -> tuple[int, ...]:
        """What the successor must be started with."""
        return (*self.listeners.values(), self.report, self.stderr)

    def environment(self, before: Mapping[str, str]) -> dict[str, str]:
        """The successor's environment."""
        kept = {name: value for name, value in before.items() if name not in NOT_INHERITED}
        value = {
            "version": VERSION,
            "master": self.master,
            "listeners": dict(self.listeners),
            "report": self.report,
            "stderr": self.stderr,
        }
        return {**kept, VARIABLE: json.dumps(value)}

    def take_stderr(self) -> None:
        """Until now the old master has read what was said there. In the successor, once."""
        os.dup2(self.stderr, 2)
        os.close(self.stderr)


def take(environment: MutableMapping[str, str]) -> Handoff | None:
    """What was handed to this process, taken out of its environment; None if it is no successor.

    Raises HandoffError if the value is not one that this version understands. In the master, at its start.
    """
    if environment is os.environ:
        _erase(VARIABLE)
    text = environment.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        value = json.loads(text)
        version = value["version"]
        if version != VERSION:
            hint = "start the new version instead of upgrading to it"
            raise HandoffError(f"the old master hands over in version {version}, this one knows {VERSION}", hint=hint)
        handoff = Handoff(
            int(value["master"]),
            {str(k): int(v) for k, v in value["listeners"].items()},
            int(value["report"]),
            int(value["stderr"]),
        )
        for descriptor in handoff.descriptors():
            os.set_inheritable(descriptor, False)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise HandoffError(f"{VARIABLE} cannot be understood: {error!r}") from error
    return handoff


def _erase(name: str) -> None:
    """Blank a variable's value in the memory that /proc/PID/environ shows: workers have a copy of that memory."""
    prefix = f"{name}=".encode()
    try:
        entries = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    except (OSError, ValueError):  # a platform that keeps its environment elsewhere
        return
    index = 0
    while entry := entries[index]:
        text = ctypes.string_at(entry)
        if text.startswith(prefix):
            ctypes.memset(entry + len(prefix), 0, len(text) - len(prefix))
        index += 1


def report_ready(descriptor: int) -> None:
    """Tell the old master that this one serves, and what it runs on. In the successor, once."""
    _report(descriptor, b"R" + runs_on().encode(errors="replace"))


def runs_on() -> str:
    """The version of prefork and of Python that this process is, and its interpreter: an upgrade may change each."""
    return f"prefork {__version__}, Python {platform.python_version()} ({sys.executable})"


def report_failed(descriptor: int, reason: str) -> None:
    """Tell the old master why this one ends. In the successor, once."""
    _report(descriptor, b"F" + reason.encode(errors="replace")[:4000])


def _report(descriptor: int, message: bytes) -> None:
    with suppress(BrokenPipeError):  # the old master has gone meanwhile: nobody is left to be told
        os.write(descriptor, message)
    os.close(descriptor)


def read_report(descriptor: int) -> tuple[bool, str] | None:
    """The successor's report: whether it is ready, and what it runs on, or else the reason. None: it ended without one.

    In the old master, when readable. A successor of a former version does not say what it runs on.
    """
    message = os.read(descriptor, 8192)
    if not message:
        return None
    return message[:1] == b"R", message[1:].decode(errors="replace")
