"""Where log lines go: a file, standard error, syslog or the journal, each behind one descriptor.

Rules. Logging costs lines, never a request: nothing raises once the log is open, and nothing waits longer than a
blink for a reader that is stuck. The descriptor keeps its number for life: a log that is opened anew is put in its
place, by the master, which passes it on to workers that may not open it themselves.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from select import PIPE_BUF, POLLOUT, poll  # bound now: monkey patches replace them
from typing import Protocol

from prefork.errors import FileError
from prefork.observe import secure_open
from prefork.observe.journal import Journal
from prefork.observe.syslog import Syslog

MODE = 0o640  # of a log file; the umask takes away from it
PATIENCE = 100  # milliseconds that a full pipe or terminal is waited for; not again until it has taken a line
PIECE = PIPE_BUF  # what a pipe that polls as writable takes without blocking (pipe(7))
GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)  # a logging daemon that was restarted

Fields = Mapping[str, object]


class Target(Protocol):
    """One kind of place for lines."""

    def open(self) -> int:
        """A fresh descriptor, close-on-exec. Raises OSError."""

    def frame(self, lines: bytes, level: str, fields: Fields) -> Iterable[bytes]:
        """What is written for these lines, each part by one system call."""


class File:
    """A file, a fifo or a terminal, by its path."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)  # the master may change directory

    def open(self) -> int:
        """Made anew if it has gone. Raises OSError."""
        # Non-blocking for the sake of a fifo; a disk does not know it.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        return secure_open.open_log(self._path, flags, MODE)

    def frame(self, lines: bytes, level: str, fields: Fields) -> Iterable[bytes]:
        """As they are."""
        return (lines,)


class Stderr(File):
    """Descriptor 2 itself: whoever started us chose what it is, so there is nothing to open anew."""

    def __init__(self) -> None:
        super().__init__(os.devnull)

    def open(self) -> int:
        """2. Raises OSError if it is closed."""
        os.fstat(2)
        return 2


class Sink:
    """One log. Made by the master; a worker goes on with it after the fork."""

    def __init__(self, target: Target, name: str, place: str = "", descriptor: int | None = None) -> None:
        """Raises OSError if the target cannot be opened; ``descriptor``: it is open already."""
        self.name = name
        self.place = place  # as the configuration says it
        self.lost = 0  # lines that could not be written, since the start
        self._target = target
        self._descriptor = target.open() if descriptor is None else descriptor
        self._owed = 0  # of those lost, how many have not been told of
        self._torn = False  # the last line is there in part only: the next must not be glued to it
        self._patience = PATIENCE
        self._learn_kind()

    @classmethod
    def open(cls, target: str, *, name: str) -> Sink:
        """``target``: a path, ``stderr``, ``syslog`` or ``journal``. Raises PreforkError if it cannot be opened."""
        try:
            return cls(_target(target, name), name, target)
        except OSError as error:
            hint = secure_open.hint(error, os.path.abspath(target))
            raise FileError(f"the log {target} cannot be opened: {error.strerror}", hint=hint) from error

    @classmethod
    def inherit(cls, target: str, *, name: str, descriptor: int) -> Sink:
        """The same, open already. In a program that was executed with the descriptor."""
        return cls(_target(target, name), name, target, descriptor)

    def fileno(self) -> int:
        """The same for life."""
        return self._descriptor

    def write(self, data: bytes) -> None:
        """Append whole lines, each ended by a newline. Never raises; what cannot be written is counted in ``lost``."""
        self.send(data, "info", {})

    def send(self, data: bytes, level: str, fields: Fields) -> None:
        """The same, with the level and the fields of the event for the targets that keep them apart."""
        for part in self._target.frame(data, level, fields):
            if not self._put(part):
                count = max(1, part.count(b"\n"))
                self.lost += count
                self._owed += count

    def recovered(self) -> int:
        """How many lines were lost before the last one that was written; 0 if none, or while it still fails. Once."""
        if self._torn or not self._patience:
            return 0
        owed, self._owed = self._owed, 0
        return owed

    def reopen(self) -> OSError | None:
        """Open the log anew, under the same descriptor. What hindered it is returned; then the old one stays."""
        try:
            fresh = self._target.open()
        except OSError as error:
            return error
        if fresh != self._descriptor:
            self.adopt(fresh)
        return None

    def adopt(self, fd: int) -> None:
        """Go on with a descriptor that the master opened anew; ``fd`` is closed. In the worker."""
        os.dup2(fd, self._descriptor, inheritable=False)
        os.close(fd)
        self._torn = False
        self._learn_kind()

    def close(self) -> None:
        """Give the descriptor back; standard error is not ours to close."""
        if self._descriptor > 2:
            os.close(self._descriptor)

    def _learn_kind(self) -> None:
        mode = os.fstat(self._descriptor).st_mode
        self._can_block = not stat.S_ISREG(mode)
        self._datagrams = not isinstance(self._target, File)

    def _put(self, part: bytes) -> bool:
        """Write one part, and say whether all of it went."""
        if self._torn:
            part = b"\n" + part
        try:
            done = self._write(part)
        except OSError as error:
            done = self._retry(part) if error.errno in GONE and self._datagrams else 0
        whole = done == len(part)
        self._torn = not whole and (done > 0 or self._torn)
        self._patience = PATIENCE if whole else 0
        return whole

    def _retry(self, part: bytes) -> int:
        """Once more, on a new connection: the logging daemon was restarted."""
        if self.reopen() is not None:
            return 0
        try:
            return self._write(part)
        except OSError:
            return 0  # it has gone again: the line is lost, and counted

    def _write(self, part: bytes) -> int:
        """How many bytes went. Raises OSError if none could."""
        if not self._can_block:
            return os.write(self._descriptor, part)
        if self._datagrams:
            return os.write(self._descriptor, part) if self._is_writable() else 0
        done = 0
        while done < len(part) and self._is_writable():
            try:
                done += os.write(self._descriptor, part[done : done + PIECE])
            except OSError:
                break
        return done

    def _is_writable(self) -> bool:
        waiting = poll()
        waiting.register(self._descriptor, POLLOUT)
        return bool(waiting.poll(self._patience))


def _target(place: str, name: str) -> Target:
    ident = "prefork" if name == "log" else f"prefork-{name}"
    if place == "stderr":
        return Stderr()
    if place == "syslog":
        return Syslog(ident)
    return Journal(ident) if place == "journal" else File(place)
