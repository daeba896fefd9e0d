"""What an import has left behind that does not survive a fork: threads, and sockets that workers would share.

In a template, around the import of the application.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress


class ForkSafety:
    """Looks for what does not survive a fork: made before the import; ``threads`` and ``sockets`` are for after it."""

    def __init__(self) -> None:
        self._before = _sockets()

    def findings(self) -> Iterator[str]:
        """A sentence for each thread, and each socket that was not there before."""
        yield from threads()
        yield from self.sockets()

    def sockets(self, ours: Collection[int] = ()) -> Iterator[str]:
        """A sentence for each socket that was not there before, and is not one of these descriptors."""
        for descriptor in sorted(_sockets() - self._before - {*ours}):
            yield f"a socket is open: {_described(descriptor)}"


def threads() -> Iterator[str]:
    """A sentence for each thread beside the main one."""
    known = threading.enumerate()
    for thread in known:
        if thread is not threading.main_thread():
            yield f"the thread {thread.name!r} is running"
    foreign = _thread_count() - len(known)
    if foreign > 0:
        yield f"{foreign} threads that Python did not start are running"


def _thread_count() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:  # no Linux
        return 0


def _sockets() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself, closed by now
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.add(int(name))
    return found


def _described(descriptor: int) -> str:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        for what, name in (("to", sock.getpeername), ("on", sock.getsockname)):
            with suppress(OSError):  # it is not connected
                if address := name():
                    return f"{what} {address}"
    return f"descriptor {descriptor}"
