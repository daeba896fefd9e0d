"""The pidfile: which process is the master, and that there is one only.

Rules. The lock (flock(2)) says whether a daemon lives, the number in the file only who it is: so a number that
another process has by now does no harm. A file is written and locked under a temporary name before it gets its own:
nobody ever sees one that is empty or unlocked. Workers close the descriptor; the lock is the master's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import time
from contextlib import suppress

from prefork.errors import AlreadyRunning, PreforkError

TAKEOVER = 1.0  # seconds that another start may need to replace a stale file
BOUND = 64  # bytes of a pidfile that are looked at


def read(path: str) -> int | None:
    """The pid in a pidfile; None if there is none to be read. It may be stale."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _pid_in(descriptor)
    finally:
        os.close(descriptor)


class Pidfile:
    """In the master, from after it daemonized until its end; a change of the working directory does it no harm."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.oldbin = self.path + ".oldbin"
        self._place = self.path  # where our file is now
        self._descriptor = -1

    def acquire(self) -> None:
        """Become the only one. Raises AlreadyRunning if another lives, PreforkError if the file cannot be written."""
        try:
            self._publish(self.path)
        except OSError as error:
            hint = "the directory must exist and be writable for the user that starts prefork"
            raise PreforkError(f"the pidfile {self.path} cannot be written: {error.strerror}", hint=hint) from error

    def rename_to_oldbin(self) -> None:
        """Make room for a successor's file. Raises AlreadyRunning if a former master still lives there, OSError."""
        self._move(self.oldbin)

    def restore(self) -> None:
        """Take the name back, over what a dead successor left. Raises AlreadyRunning if one lives there, OSError."""
        self._move(self.path)

    def release(self, *, leave: bool = False) -> OSError | None:
        """Remove the file, if it is ours, and let the lock go. What hindered the removal is returned, to be logged.

        ``leave`` it, stale, to a former master that is about to ``restore`` its own over it.
        """
        hindrance: OSError | None = None
        try:
            if leave:
                pass
            elif self._is_ours(self._place):
                os.unlink(self._place)
            else:
                hindrance = FileNotFoundError(errno.ENOENT, "it has been removed or replaced", self._place)
        except OSError as error:
            hindrance = error
        self._let_go()
        return hindrance

    def _move(self, place: str) -> None:
        if self._place == place:
            return
        if not self._is_ours(self._place):
            self._publish(place)  # somebody removed it; the lock of the new file takes over
            return
        rival = _stale(place)
        try:
            os.rename(self._place, place)
        finally:
            _close(rival)
        self._place = place

    def _publish(self, place: str) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=os.path.basename(place) + ".", dir=os.path.dirname(place))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(descriptor, 0o644)
            os.write(descriptor, b"%d\n" % os.getpid())
            _name(temporary, place)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):  # it has the other name already, or the directory has gone
                os.unlink(temporary)
            raise
        self._let_go()
        self._descriptor, self._place = descriptor, place

    def _let_go(self) -> None:
        _close(self._descriptor)
        self._descriptor = -1

    def _is_ours(self, place: str) -> bool:
        return self._descriptor >= 0 and _is_at(self._descriptor, place)


def _name(temporary: str, place: str) -> None:
    """Give a finished file its name, which is free or a stale file's. Raises AlreadyRunning."""
    while True:
        try:
            os.link(temporary, place)
        except FileExistsError:
            rival = _stale(place)
        else:
            os.unlink(temporary)
            return
        if rival >= 0:  # its lock is ours now: whoever else found it stale has to wait, and then finds ours
            try:
                os.rename(temporary, place)
            finally:
                os.close(rival)
            return


def _stale(place: str) -> int:
    """The stale file at a place, locked by us until its descriptor is closed; -1 if there is none.

    Raises AlreadyRunning if it is locked by a living daemon, OSError if it is no pidfile at all.
    """
    latest = time.monotonic() + TAKEOVER
    while True:
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return -1
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _insist_on_pidfile(descriptor, place)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            # The lock of a dead master's file is held by another start that is replacing it, and that one is who runs.
            if _lives(pid) or time.monotonic() >= latest:
                raise AlreadyRunning(_sentence(pid, place), hint=f"'kill -TERM {pid}' stops it") from None
            time.sleep(0.01)
        except BaseException:
            os.close(descriptor)
            raise
        else:
            if _is_at(descriptor, place):
                return descriptor
            os.close(descriptor)  # it was replaced between the open and the lock


def _sentence(pid: int | None, place: str) -> str:
    return f"prefork is running already: process {pid or 'unknown'} holds {place}"


def _insist_on_pidfile(descriptor: int, place: str) -> None:
    """A typing error in the configuration must not cost a file that is something else."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EEXIST, "it is no regular file", place)
    if os.fstat(descriptor).st_size and _pid_in(descriptor) is None:
        raise OSError(errno.EEXIST, "the file there is no pidfile", place)


def _pid_in(descriptor: int) -> int | None:
    try:
        text = os.pread(descriptor, BOUND, 0).strip()
    except OSError:  # no regular file
        return None
    return int(text) if text.isdigit() and len(text) < 20 else None


def _lives(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's process is one too; a number too large for a pid is none
        return pid < 2**31
    return True


def _is_at(descriptor: int, place: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(place))
    except OSError:
        return False


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
