"""The pidfile: which process is the master, and that there is one only.

Rules. The lock (``filelock.py``) says whether a daemon lives, the number in the file only who it is: so a number that
another process has by now does no harm, and who may only read the file blocks nobody. A file is written and locked
under a temporary name before it gets its own: nobody ever sees one that is empty or unlocked. Who gives or takes names
does so alone, by a lock file that nobody else can open and that is there for that moment. Workers close the
descriptor; the lock is the master's.
Diagnostics. AlreadyRunning, FileError; the events pidfile_lost, pidfile_not_removed are logged by the callers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefork.errors import AlreadyRunning, FileError
from prefork.system import filelock
from prefork.system.directory import Directory, directory_of

TAKEOVER = 1.0  # seconds that another start may need to replace a stale file
LOOK = 0.01  # seconds between looks at it
BOUND = 64  # bytes of a pidfile that are looked at


def read(path: str) -> int | None:
    """The pid in a pidfile; None if there is none to be read. It may be stale."""
    try:
        with directory_of(path) as directory:
            descriptor = directory.open(os.path.basename(path))
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

        Raises AlreadyRunning if another lives, FileError if the file cannot be written.
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
        with directory_of(self.path) as directory, _alone(directory, self._name(".lock")):
            if self._is_ours(directory, self.path):
                if _is_stale(directory, self.oldbin):
                    directory.unlink(self._name(".oldbin"))
                directory.link(self._name(), self._name(".oldbin"))
                return
        self._publish(self.oldbin)  # somebody removed it; the lock of the new file takes over

    def restore(self) -> None:
        """Take the first name back, over what a dead successor left, and give up the second.

        Raises AlreadyRunning if one lives there, OSError.
        """
        with directory_of(self.path) as directory, _alone(directory, self._name(".lock")):
            second = self._is_ours(directory, self.oldbin)
            if self._is_ours(directory, self.path):
                if second:
                    directory.unlink(self._name(".oldbin"))
                return
            if second:
                _is_stale(directory, self.path)
                directory.rename(self._name(".oldbin"), self._name())
                return
        self._publish(self.path)

    def forget_predecessor(self) -> None:
        """Remove the second name that a master before this one has left: it was killed, and has removed nothing.

        Raises AlreadyRunning if one lives there, OSError.
        """
        with directory_of(self.path) as directory, _alone(directory, self._name(".lock")):
            if not self._is_ours(directory, self.oldbin) and _is_stale(directory, self.oldbin):
                directory.unlink(self._name(".oldbin"))

    def leave(self) -> None:
        """Let go of it in a child of the master: the lock is the master's alone."""
        self._let_go()

    def release(self, *, leave: bool = False) -> OSError | None:
        """Remove what is ours, and let the lock go. What hindered the removal is returned, to be logged.

        ``leave`` the first name as it is, stale, to another master that is about to take it.
        """
        hindrance: OSError | None = None
        try:
            with directory_of(self.path) as directory:
                ours = [place for place in (self.path, self.oldbin) if self._is_ours(directory, place)]
                for place in ours:
                    if not (leave and place == self.path):
                        directory.unlink(os.path.basename(place))
            if not (ours or leave):
                hindrance = FileNotFoundError(errno.ENOENT, "the pidfile was removed or replaced", self.path)
        except OSError as error:
            hindrance = error
        self._let_go()
        return hindrance

    def _publish(self, place: str, *, over: str | None = None) -> None:
        name = os.path.basename(place)
        with directory_of(place) as directory:
            descriptor, temporary = directory.create_temporary(name, 0o600)
            try:
                filelock.hold(descriptor)
                os.fchmod(descriptor, 0o644)  # after the lock: until then nobody could open it
                os.write(descriptor, b"%d\n" % os.getpid())
                with _alone(directory, self._name(".lock")):
                    if over and _are_one(directory, place, over):
                        directory.rename(temporary, name)  # the old master keeps its file under its other name
                    else:
                        self.was_stale = _is_stale(directory, place)
                        _give_name(directory, temporary, name, over=self.was_stale)
            except BaseException:
                os.close(descriptor)
                with suppress(OSError):  # it has the other name already, or the directory has gone
                    directory.unlink(temporary)
                raise
        self._let_go()
        self._descriptor = descriptor

    def _name(self, suffix: str = "") -> str:
        return os.path.basename(self.path) + suffix

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _is_ours(self, directory: Directory, place: str) -> bool:
        return self._descriptor >= 0 and directory.is_at(self._descriptor, os.path.basename(place))


def _give_name(directory: Directory, temporary: str, name: str, *, over: bool) -> None:
    """Give a finished file its name: a stale file's, or one that is free."""
    if over:
        directory.rename(temporary, name)
    else:
        directory.link(temporary, name)
        directory.unlink(temporary)


@contextmanager
def _alone(directory: Directory, name: str) -> Iterator[None]:
    """Nobody else gives or takes the names of a pidfile meanwhile.

    Raises AlreadyRunning if another start is at it for too long, OSError.
    """
    descriptor = _locked(directory, name)
    try:
        yield
    finally:
        directory.unlink(name)  # while it is locked: who waits for it finds that it has gone, and makes another
        os.close(descriptor)


def _locked(directory: Directory, name: str) -> int:
    latest = time.monotonic() + TAKEOVER
    while True:
        with suppress(FileExistsError, FileNotFoundError):  # another start made it, or removed it, just now
            descriptor = directory.open(name) if directory.stat(name) else directory.create(name, 0o600)
            if _lock(descriptor, name) and directory.is_at(descriptor, name):
                return descriptor
            os.close(descriptor)
        if time.monotonic() >= latest:
            raise AlreadyRunning(
                f"another start of prefork holds {name}", hint="'fuser' names the process, which may be stopped"
            )
        time.sleep(LOOK)


def _lock(descriptor: int, name: str) -> bool:
    """Whether the lock file is locked by us now. Raises OSError if it is not one of ours."""
    try:
        _insist_on_ours(os.fstat(descriptor), name)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except BaseException:
        os.close(descriptor)
        raise
    return True


def _insist_on_ours(found: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise OSError(
            errno.EPERM, "the lock file beside the pidfile belongs to another user, or others can open it", name
        )


def _is_stale(directory: Directory, place: str) -> bool:
    """Whether a file is there, which nobody holds; False if there is none.

    Raises AlreadyRunning if it is held by a living daemon, OSError if it is not a pidfile at all.
    """
    try:
        descriptor = directory.open(os.path.basename(place))
    except FileNotFoundError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EEXIST, "the file there is not a regular file", place)
        pid = _pid_in(descriptor)
        if filelock.is_held(descriptor):
            sentence = f"prefork is running already: process {pid or 'unknown'} holds {place}"
            raise AlreadyRunning(sentence, hint=f"'kill -TERM {pid}' stops it")
        if os.fstat(descriptor).st_size and pid is None:  # a typing error must not cost a file that is something else
            raise OSError(errno.EEXIST, "the file there is not a pidfile", place)
    finally:
        os.close(descriptor)
    return True


def _pid_in(descriptor: int) -> int | None:
    try:
        text = os.pread(descriptor, BOUND, 0).strip()
    except OSError:  # not a regular file
        return None
    return int(text) if text.isdigit() and len(text) < 20 else None


def _are_one(directory: Directory, place: str, other: str) -> bool:
    one, two = directory.stat(os.path.basename(place)), directory.stat(os.path.basename(other))
    return one is not None and two is not None and os.path.samestat(one, two)
