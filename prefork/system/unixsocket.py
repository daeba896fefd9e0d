"""The file of a unix listener: who may connect, and whose it is.

Rules. A file that is no socket, or whose socket is alive, is never touched; alive is what accepts a connection. At no
moment has the file wider rights than those asked for, whatever the umask is. Two starts in one directory take turns.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefork.system import privileges
from prefork.system.directory import Directory, directory_of

# Connecting needs the right to write. The owner and the group: a reverse proxy is let in by naming its group. Never
# everybody by default, and never by the umask, which is meant for files.
DEFAULT_MODE = 0o660
CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
NOBODY, UNKNOWN = 0, -1  # instead of a pid
NO_SOCKET = "the file there is not a socket"
PATIENCE = 1.0  # seconds that another start in the directory is waited for


def bind(
    path: str, backlog: int, mode: int | None, user: str | None, group: str | None, *, over: int | None = None
) -> socket.socket:
    """A listening socket at ``path``, in place of a stale one. In the master.

    ``over``: also in place of a living one, if it is of the process with this pid; the name is then never absent.

    Raises OSError (EADDRINUSE: somebody listens there; EEXIST: it is no socket), PrivilegeError for an unknown owner.
    """
    owner = _owner(user, group)
    final = path
    if over is not None:  # a short name: a path of the greatest length has to do as well
        path = os.path.join(os.path.dirname(final), f".{os.getpid()}")
    with directory_of(path) as directory, _alone_in(os.path.dirname(path) or "."):
        if over is not None:
            _check_whose(final, over)
        _clear_stale(directory, path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _bind_under_safe_umask(sock, path)
        except BaseException:
            sock.close()
            raise
        try:
            _give(path, mode, owner)
            sock.listen(backlog)
            if over is not None:
                directory.rename(os.path.basename(path), os.path.basename(final))
        except BaseException:
            with suppress(FileNotFoundError):  # somebody removed it just now
                directory.unlink(os.path.basename(path))
            sock.close()
            raise
    return sock


Inode = tuple[int, int]  # what tells one file from another: device and number


def give(path: str, inode: Inode, mode: int | None, user: str | None, group: str | None) -> None:
    """Make the file of an open socket theirs, if it is still there.

    Raises OSError, which is FileNotFoundError if the path leads to another file, PrivilegeError for an unknown owner.
    """
    _give(path, mode, _owner(user, group), inode)


def remove(path: str, inode: Inode) -> None:
    """Remove the file of an open socket, if it is still there. Raises OSError.

    Until the socket is closed the kernel keeps the inode: its number cannot be another file's.
    """
    with directory_of(path) as directory:
        found = directory.stat(os.path.basename(path))
        if found is not None and (found.st_dev, found.st_ino) == inode:
            directory.unlink(os.path.basename(path))


def is_alive(path: str) -> bool:
    """Whether anybody listens at the path; when in doubt, yes. Never raises."""
    try:
        return _is_socket(path) and _listener(path) != NOBODY
    except FileExistsError:  # a file or a link: nobody can listen there
        return False
    except OSError:
        return True


def _owner(user: str | None, group: str | None) -> tuple[int, int]:
    return privileges.uid_of(user) if user else -1, privileges.gid_of(group) if group else -1


def _give(path: str, mode: int | None, owner: tuple[int, int], inode: Inode | None = None) -> None:
    with _held(path, inode) as place:
        if owner != (-1, -1):
            os.chown(place, *owner)
        os.chmod(place, DEFAULT_MODE if mode is None else mode)  # after the owner: his rights are not for ours


@contextmanager
def _held(path: str, inode: Inode | None) -> Iterator[str]:
    """The socket at a path, by a name that follows no change there (proc(5), /proc/self/fd).

    Who owns the directory could have put a link to any other file in its place, and we may be root. Raises OSError.
    """
    if not hasattr(os, "O_PATH"):  # elsewhere than on Linux
        yield path
        return
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode):
            raise FileExistsError(errno.EEXIST, NO_SOCKET, path)
        if inode not in (None, (found.st_dev, found.st_ino)):
            raise FileNotFoundError(errno.ENOENT, "the path leads to another file", path)
        name = f"/proc/self/fd/{descriptor}"
        yield name if os.path.exists(name) else path  # there may be no /proc
    finally:
        os.close(descriptor)


def _bind_under_safe_umask(sock: socket.socket, path: str) -> None:
    before = os.umask(0o177)
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno is None:  # "AF_UNIX path too long" comes without a number
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path) from error
        raise
    finally:
        os.umask(before)


def _clear_stale(directory: Directory, path: str) -> None:
    """Remove the socket of a dead server. Raises OSError if the path is taken by anything else."""
    if not _is_socket(path):
        return
    if _listener(path) != NOBODY:  # when in doubt, it is alive
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
    with suppress(FileNotFoundError):  # whoever left it has removed it meanwhile
        directory.unlink(os.path.basename(path))


def _is_socket(path: str) -> bool:
    """Whether there is anything. Raises OSError if it is no socket."""
    try:
        found = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(found):
        raise FileExistsError(errno.EEXIST, NO_SOCKET, path)
    return True


def _check_whose(path: str, pid: int) -> None:
    """Raises OSError if the path is of anybody else than this process, as far as that can be told."""
    if _is_socket(path) and _listener(path) not in (pid, NOBODY, UNKNOWN):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def _listener(path: str) -> int:
    """The pid of who listens there (unix(7), SO_PEERCRED).

    UNKNOWN for a full queue, no right to connect, another kind of socket.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
            pid: int = CREDENTIALS.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0]
        except (ConnectionRefusedError, FileNotFoundError):
            return NOBODY
        except OSError:
            return UNKNOWN
    return pid or UNKNOWN  # 0: it lives in another PID namespace


@contextmanager
def _alone_in(directory: str) -> Iterator[None]:
    """Hold the directory's lock: between a look at a stale socket and its replacement nobody else may do the same.

    The wait is bounded and the lock not insisted upon: others may hold it for reasons of their own, for long.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # it may be used without being listed
        yield
        return
    try:
        latest = time.monotonic() + PATIENCE
        while not _lock(descriptor) and time.monotonic() < latest:
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: there is nothing to wait for
    return True


def inode_of(path: str) -> Inode | None:
    """What tells one file from another; None if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def hint(error: OSError) -> str:
    """What the operator could do about a failed ``bind``."""
    hints = {
        errno.EADDRINUSE: "another process listens there; 'ss -lxp' names it",
        errno.EEXIST: "remove that file, or choose another path",
        errno.ENOENT: "the directory must exist",
        errno.ENAMETOOLONG: "the path of a unix socket must have at most 107 bytes",
        errno.EPERM: "only root may give files to other users; without root, the group must be one of yours",
        errno.EACCES: "the directory must be writable for the user that starts prefork",
    }
    return hints.get(error.errno or 0, "")
