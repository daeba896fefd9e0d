"""With whose rights a log file is opened, when root opens it.

A user who owns a directory or a link on the way to a file can have it lead to any other file, and what is logged is in
part what clients send. So from there on root goes with the rights of that user, who thereby reaches nothing that was
out of reach before. (CVE-2016-1247 tells what becomes of it otherwise.) Where a group may write to a directory of
root's, root has let it: only a link that takes the place of the file itself is then not followed.
"""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STEPS = 1000  # that a way may have, links included: more is a circle
PROC = "/proc"  # what it leads to is open already, or the kernel's; in a user namespace it is nobody's
NOGROUP = 65534


def open_log(path: str, flags: int, mode: int) -> int:
    """As os.open, for an absolute path. In the master, or in a check. Raises OSError."""
    if os.geteuid() != 0:
        return os.open(path, flags, mode)
    place, rest, owner = handed_over(path)
    if place == PROC:
        return os.open(path, flags, mode)
    directory = os.open(place, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not owner:
            return os.open(rest, flags | os.O_NOFOLLOW, mode, dir_fd=directory)
        with _rights_of(owner):
            return os.open(rest, flags, mode, dir_fd=directory)
    finally:
        os.close(directory)


def open_again(descriptor: int, flags: int) -> int:
    """Another open file description of what a descriptor is, wherever its file is now (proc(5), /proc/self/fd).

    No rights are gained by it: the file is open already, and the flags are those of a log. Raises OSError for a
    socket, for what this user may not open any more, and where there is no /proc.
    """
    return os.open(f"{PROC}/self/fd/{descriptor}", flags)


def hint(error: OSError, path: str) -> str:
    """What the operator could do about an error of ``open_log``."""
    if error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM):
        return ""
    with suppress(OSError):
        owner = handed_over(path)[2] if os.geteuid() == 0 else 0
        if owner:
            takes = ", which takes CAP_SETUID and CAP_SETGID" if error.errno == errno.EPERM else ""
            return f"root opens this log as user {owner}, who owns part of its path{takes}; let that user write to it"
    return "the directory must exist and be writable"


def handed_over(path: str) -> tuple[str, str, int]:
    """The directory in which the way to a file leaves the hands of root, the rest of the way, and the user's number.

    The number is 0 if it never does: then it is the file's own directory. Raises OSError if there is no such way.
    """
    at, ahead = "/", _names(path)
    root = (0, os.stat("/").st_uid)  # the latter in a user namespace to which the real one is unknown
    for _ in range(STEPS):
        if not ahead:
            return os.path.dirname(at), os.path.basename(at), 0
        rest, owner = "/".join(reversed(ahead)), os.stat(at).st_uid
        if at == PROC or owner not in root:
            return at, rest, 0 if at == PROC else owner
        place = os.path.normpath(os.path.join(at, ahead.pop()))
        if not os.path.islink(place):
            at = place
            continue
        owner = os.lstat(place).st_uid
        if owner not in root:
            return at, rest, owner
        target = os.readlink(place)
        at = "/" if target.startswith("/") else at
        ahead += _names(target)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _names(path: str) -> list[str]:
    """The last first."""
    return [name for name in path.split("/") if name][::-1]


@contextmanager
def _rights_of(owner: int) -> Iterator[None]:
    """For the length of a system call. Raises OSError if root may not do so here."""
    groups, group = os.getgroups(), os.getegid()
    try:
        entry = pwd.getpwuid(owner)
        theirs = os.getgrouplist(entry.pw_name, entry.pw_gid), entry.pw_gid
    except KeyError:  # a number without an entry
        theirs = [], NOGROUP
    try:
        os.setgroups(theirs[0])
        os.setegid(theirs[1])
        os.seteuid(owner)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
