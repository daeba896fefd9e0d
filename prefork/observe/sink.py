"""Where log lines go: a file, standard error, syslog or the journal, each behind one descriptor.

Rules. A line is there whole or not at all, whoever else writes: to a pipe it goes in one piece of at most PIPE_BUF
bytes (pipe(7)), so a line must not be longer than ``limit``; to a terminal or a socket it goes under a lock. Logging
costs lines, never a request: nothing raises once the log is open, and nothing waits longer than a blink for a reader
that is stuck. The descriptor keeps its number for life: a log that is opened anew is put in its place, by the master,
which passes it on to workers that may not open it themselves.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from select import PIPE_BUF, POLLOUT, poll  # these are bound now: monkey patches replace them
from socket import MSG_DONTWAIT, MSG_NOSIGNAL, socket
from time import monotonic, sleep

from prefork.errors import FileError
from prefork.observe import secure_open
from prefork.observe.targets import Target, target_of

PATIENCE = 100  # milliseconds that a full pipe or terminal is waited for; not again until it has taken a line
FINISH = 1.0  # seconds in which a terminal has to take the rest of a line that it has begun
LOCK_LOOK = 0.001  # seconds between looks at a lock
GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)  # a logging daemon that was restarted
# What a system says that cannot write without blocking by a flag of the call (pwritev2(2), RWF_NOWAIT; macOS has none).
NO_FLAG = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE)

Fields = Mapping[str, object]


class Sink:
    """One log. Made by the master; a worker goes on with it after the fork."""

    def __init__(self, target: Target, name: str, place: str = "", descriptor: int | None = None) -> None:
        """Raises OSError if the target cannot be opened; ``descriptor``: it is open already."""
        self.name = name
        self.place = place  # as the configuration says it
        self.lost = 0  # lines that could not be written, since the start
        self.limit = 0  # bytes that a line may have at most; 0: any number
        self._target = target
        self._descriptor = target.open() if descriptor is None else descriptor
        self._owed = 0  # of those lost, how many have not been told of
        self._torn = False  # the last line is there in part only: the next must not be glued to it
        self._patience = PATIENCE
        self._lock_stuck = self._without_lock = False
        self._by_flag = hasattr(os, "RWF_NOWAIT")
        self._learn_kind()

    @classmethod
    def open(cls, target: str, *, name: str) -> Sink:
        """``target``: a path, ``stderr``, ``syslog`` or ``journal``. Raises FileError if it cannot be opened."""
        try:
            return cls(target_of(target, name), name, target)
        except OSError as error:
            hint = secure_open.hint(error, os.path.abspath(target))
            raise FileError(f"the log {target} cannot be opened: {error.strerror}", hint=hint) from error

    @classmethod
    def inherit(cls, target: str, *, name: str, descriptor: int) -> Sink:
        """A log that is open already. In a program that was executed with the descriptor."""
        return cls(target_of(target, name), name, target, descriptor)

    def fileno(self) -> int:
        """The descriptor, whose number is the same for life."""
        return self._descriptor

    def write(self, data: bytes) -> None:
        """Append whole lines, each ended by a newline. Never raises; what cannot be written is counted in ``lost``."""
        self.send(data, "info", {})

    def send(self, data: bytes, level: str, fields: Fields) -> None:
        """Append lines with the level and the fields of their event, for the targets that keep them apart."""
        for part in self._target.frame(data, level, fields):
            for piece in self._pieces(part) if self._stream else (part,):
                if not self._put(piece):
                    count = max(1, piece.count(b"\n"))
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
            self.adopt(self._target.open())
        except OSError as error:
            return error
        return None

    def separate(self) -> None:
        """Go on with an open file description that nobody else has. In a child, before it runs an application.

        Where there is none to be had, the old one stays: a socket, or a pipe that another user made.
        """
        try:
            fresh = self._target.separate(self._descriptor)
        except OSError:
            return
        self.adopt(fresh)

    def lend(self) -> int:
        """A descriptor for a worker to adopt, with a description of its own where one is to be had.

        The caller closes it when it has been passed on. Raises OSError. In the master.
        """
        try:
            return self._target.separate(self._descriptor)
        except OSError:
            return fcntl.fcntl(self._descriptor, fcntl.F_DUPFD_CLOEXEC, 3)

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
        self._datagrams = bool(self._target.limit)
        self._stream = not self._datagrams and not stat.S_ISREG(mode)
        self._pipe = stat.S_ISFIFO(mode)
        self._is_socket = stat.S_ISSOCK(mode)
        self.limit = PIPE_BUF if self._stream else self._target.limit

    def _pieces(self, part: bytes) -> Iterator[bytes]:
        """Whole lines, as many at once as a pipe takes in one piece; a line that is longer is one piece."""
        if len(part) <= self.limit:
            yield part
            return
        gathered = b""
        for line in part.splitlines(keepends=True):
            if gathered and len(gathered) + len(line) > self.limit:
                yield gathered
                gathered = b""
            gathered += line
        yield gathered

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
        if self._pipe:
            return self._write_at_once(part)
        if self._stream:
            return self._write_locked(part)
        if self._datagrams:
            return self._try(part) if self._is_writable(self._patience) else 0
        return os.write(self._descriptor, part)

    def _write_at_once(self, part: bytes) -> int:
        """All of it or nothing, to a pipe: nothing that is longer than PIPE_BUF, which would be torn by others."""
        if len(part) > PIPE_BUF:
            return 0
        latest = monotonic() + self._patience / 1000
        while self._is_writable(max(0, int((latest - monotonic()) * 1000))):
            try:
                return self._try(part)
            except BlockingIOError:  # somebody else was there first
                if monotonic() >= latest:
                    break
        return 0

    def _write_locked(self, part: bytes) -> int:
        """To a terminal or a stream socket, which take a line in parts: nobody of ours writes between them."""
        locked = self._lock()
        # Unlocked, who holds the lock may be in the middle of a line: ours does not begin there.
        text = part if locked or self._without_lock else b"\n" + part
        latest = monotonic() + self._patience / 1000
        done = 0
        try:
            while done < len(text) and self._is_writable(max(0, int((latest - monotonic()) * 1000))):
                latest += 0 if done else FINISH
                done += self._try(text[done:])
        except OSError:
            return max(0, done - len(text) + len(part))  # what has gone decides whether the line is torn
        finally:
            if locked:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        return max(0, done - len(text) + len(part))

    def _lock(self) -> bool:
        """Hold the log's lock (fcntl(2): a process that dies lets it go).

        One that is stopped does not: it is waited for once, and then lines are written all the same, until the lock is
        free. False: it is not held.
        """
        latest = monotonic() + (0 if self._lock_stuck else FINISH + self._patience / 1000)
        while True:
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
                self._lock_stuck = monotonic() >= latest
                if self._lock_stuck:
                    return False
                sleep(LOCK_LOOK)
            except OSError:  # a device without locks
                self._without_lock = True
                return False
            else:
                self._lock_stuck = False
                return True

    def _try(self, part: bytes) -> int:
        """One system call that never blocks, whatever flags others have set. Raises OSError."""
        if self._is_socket:
            sock = socket(fileno=self._descriptor)
            try:
                return sock.send(part, MSG_DONTWAIT | MSG_NOSIGNAL)
            finally:
                sock.detach()
        if self._by_flag:
            try:
                return os.pwritev(self._descriptor, [part], -1, os.RWF_NOWAIT)
            except OSError as error:
                if error.errno not in NO_FLAG:
                    raise
                self._by_flag = False
        return os.write(self._descriptor, part)

    def _is_writable(self, patience: int) -> bool:
        waiting = poll()
        waiting.register(self._descriptor, POLLOUT)
        return bool(waiting.poll(patience))
