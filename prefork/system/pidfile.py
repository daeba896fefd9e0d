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

from prefork.errors import AlreadyRunning, FileError

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
        self.was_stale = False  # there was one, of a master that did not live to remove it
        self._descriptor = -1

    def acquire(self, *, succeeding: bool = False) -> None:
        """Become the only one; ``succeeding``, beside the old master whose file has been named ``.oldbin`` as well.

        Raises AlreadyRunning if another lives, PreforkError if the file cannot be written.
        """
        try:
            self._publish(self.path, over=self.oldbin if succeeding else None)
        except OSError as error:
            hint = "the directory must exist and be writable for the user that starts prefork"
            raise FileError(f"the pidfile {self.path} cannot be written: {error.strerror}", hint=hint) from error

    def name_oldbin(self) -> None:
        """Give our file its second name; the first is the successor's to take, so that it is never absent.

        Raises AlreadyRunning if a former master still lives there, OSError.
        """
        if not self._is_ours(self.path):
            self._publish(self.oldbin)  # somebody removed it; the lock of the new file takes over
            return
        rival = _stale(self.oldbin)
        try:
            if rival >= 0:
                os.unlink(self.oldbin)
            os.link(self.path, self.oldbin)
        finally:
            _close(rival)

    def restore(self) -> None:
        """Take the first name back, over what a dead successor left, and give up the second.

        Raises AlreadyRunning if one lives there, OSError.
        """
        if self._is_ours(self.path):
            if self._is_ours(self.oldbin):
                os.unlink(self.oldbin)
        elif self._is_ours(self.oldbin):
            rival = _stale(self.path)
            try:
                os.rename(self.oldbin, self.path)
            finally:
                _close(rival)
        else:
            self._publish(self.path)

    def leave(self) -> None:
        """Let go of it in a child of the master: the lock is the master's alone."""
        self._let_go()

    def release(self, *, leave: bool = False) -> OSError | None:
        """Remove what is ours, and let the lock go. What hindered the removal is returned, to be logged.

        ``leave`` the first name as it is, stale, to another master that is about to take it.
        """
        hindrance: OSError | None = None
        try:
            ours = [place for place in (self.path, self.oldbin) if self._is_ours(place)]
            for place in ours:
                if not (leave and place == self.path):
                    os.unlink(place)
            if not (ours or leave):
                hindrance = FileNotFoundError(errno.ENOENT, "it has been removed or replaced", self.path)
        except OSError as error:
            hindrance = error
        self._let_go()
        return hindrance

    def _publish(self, place: str, *, over: str | None = None) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=os.path.basename(place) + ".", dir=os.path.dirname(place))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(descriptor, 0o644)
            os.write(descriptor, b"%d\n" % os.getpid())
            if over and _are_one(place, over):
                os.rename(temporary, place)  # the old master keeps its file under its other name
            else:
                self.was_stale = _name(temporary, place)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):  # it has the other name already, or the directory has gone
                os.unlink(temporary)
            raise
        self._let_go()
        self._descriptor = descriptor

    def _let_go(self) -> None:
        _close(self._descriptor)
        self._descriptor = -1

    def _is_ours(self, place: str) -> bool:
        return self._descriptor >= 0 and _is_at(self._descriptor, place)


def _name(temporary: str, place: str) -> bool:
    """Give a finished file its name, which is free or a stale file's; whether it was stale. Raises AlreadyRunning."""
    while True:
        try:
            os.link(temporary, place)
        except FileExistsError:
            rival = _stale(place)
        else:
            os.unlink(temporary)
            return False
        if rival >= 0:  # its lock is ours now: whoever else found it stale has to wait, and then finds ours
            try:
                os.rename(temporary, place)
            finally:
                os.close(rival)
            return True


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


def _are_one(place: str, other: str) -> bool:
    try:
        return os.path.samestat(os.lstat(place), os.lstat(other))
    except OSError:
        return False


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
