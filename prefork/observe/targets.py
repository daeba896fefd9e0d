"""The kinds of places that a log can be at: a file, standard error; ``syslog.py`` and ``journal.py`` have the others.

Rules. A target gives descriptors and frames, and writes nothing. Nobody shares an open file description with the
master: a worker could make it block, point it elsewhere or take its append mode away, and with it the master's log.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from prefork.observe import secure_open
from prefork.observe.journal import Journal
from prefork.observe.syslog import Syslog

MODE = 0o640  # of a log file; the umask takes away from it
# Non-blocking for the sake of a pipe or a terminal; a disk does not know it.
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

Fields = Mapping[str, object]


class Target(Protocol):
    """One kind of place for lines."""

    limit: int  # bytes of a line that is a datagram of its own; 0: lines are a stream

    def open(self) -> int:
        """A new descriptor of the place, close-on-exec. Raises OSError."""

    def separate(self, descriptor: int) -> int:
        """Another open file description of what is open already, close-on-exec. Raises OSError."""

    def frame(self, lines: bytes, level: str, fields: Fields) -> Iterable[bytes]:
        """The bytes for these lines, in parts that are each written by one system call."""


class File:
    """A file, a fifo or a terminal, by its path."""

    limit = 0

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)  # the master may change directory

    def open(self) -> int:
        """Open the file at the path, made if there is none. Raises OSError."""
        return secure_open.open_log(self._path, FLAGS | os.O_CREAT, MODE)

    def separate(self, descriptor: int) -> int:
        """Another open file description of the same file, wherever it has been moved to.

        Raises OSError where there is none to be had.
        """
        return secure_open.open_again(descriptor, FLAGS)

    def frame(self, lines: bytes, level: str, fields: Fields) -> Iterable[bytes]:
        """The lines as they are, in one part."""
        return (lines,)


class Stderr(File):
    """Standard error: whatever descriptor 2 is, chosen by the process that started prefork."""

    def __init__(self) -> None:
        super().__init__(os.devnull)

    def open(self) -> int:
        """A description of our own of what 2 is; a duplicate of 2 where that cannot be. Raises OSError if 2 is closed.

        A socket cannot be opened anew, nor a pipe that another user made.
        """
        if stat.S_ISREG(os.fstat(2).st_mode):
            # What an application prints goes there by 2 itself, and must not be written over our lines.
            with suppress(OSError):  # it is open for reading alone, or the file system forbids it
                fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) | os.O_APPEND)
        try:
            return self.separate(2)
        except OSError:
            return fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)


def target_of(place: str, name: str) -> Target:
    """The target that the configuration names: a path, ``stderr``, ``syslog`` or ``journal``."""
    ident = "prefork" if name == "log" else f"prefork-{name}"
    if place == "stderr":
        return Stderr()
    if place == "syslog":
        return Syslog(ident)
    return Journal(ident) if place == "journal" else File(place)
