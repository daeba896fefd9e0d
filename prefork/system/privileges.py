"""Whom a process runs as.

Rules. An identity is worked out and checked in the master, before anything forks, so that a wrong name stops the start
and not the workers. It is taken in the child, for good: groups before the group before the user, and then verified.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import sys
from contextlib import suppress

from prefork.errors import PrivilegeError
from prefork.worker.spec import Identity

PR_GET_DUMPABLE = 3  # linux/prctl.h
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
DUMPABLE = 1


def identity(user: str | None, group: str | None) -> Identity | None:
    """Whom ``user`` and ``group`` (names or numbers) mean; None if both are absent: then nothing changes.

    Without ``group`` it is the user's own. Raises PrivilegeError if one is unknown, or if it is not who we are and we
    are not root.
    """
    if user is None and group is None:
        return None
    entry = _entry(user) if user is not None else None
    uid = uid_of(user) if user is not None else os.geteuid()
    if group is not None:
        gid = gid_of(group)
    elif entry is not None:
        gid = entry.pw_gid
    else:
        raise PrivilegeError(f"user {user} is a number without an entry, so its group is unknown", hint="name a group")
    if entry is None:
        wanted = Identity(uid, gid, (gid,))
    else:
        groups = tuple(sorted(set(os.getgrouplist(entry.pw_name, gid))))
        wanted = Identity(uid, gid, groups, entry.pw_name, entry.pw_dir)
    if os.geteuid() != 0 and not _is_ours(wanted):
        who = f"user {user if user is not None else uid} and group {group if group is not None else gid}"
        hint = "start preforkd as root, or remove user and group"
        raise PrivilegeError(f"workers cannot run as {who}: only root may change user and group", hint=hint)
    return wanted


def uid_of(user: str) -> int:
    """The number of a user that is given by name or number. Raises PrivilegeError if there is none of that name."""
    entry = _entry(user)
    if entry is not None:
        return entry.pw_uid
    return _number(user, "user")


def gid_of(group: str) -> int:
    """The number of a group that is given by name or number. Raises PrivilegeError if there is none of that name."""
    try:
        return grp.getgrnam(str(group)).gr_gid
    except KeyError:
        return _number(group, "group")


def _entry(user: str) -> pwd.struct_passwd | None:
    with suppress(KeyError):  # no name: perhaps a number
        return pwd.getpwnam(str(user))
    with suppress(KeyError, PrivilegeError):  # no number, or one without an entry
        return pwd.getpwuid(_number(user, "user"))
    return None


def _number(text: str, kind: str) -> int:
    # The last number of 32 bits means "no change" to the kernel (setresuid(2)).
    if str(text).isascii() and str(text).isdigit() and int(text) < 2**32 - 1:
        return int(text)
    raise PrivilegeError(
        f"there is no {kind} {text!r} on this machine", hint=f"getent {'passwd' if kind == 'user' else kind} lists them"
    )


def _is_ours(wanted: Identity) -> bool:
    return (wanted.uid, wanted.gid) == (os.geteuid(), os.getegid())


def drop(wanted: Identity) -> None:
    """Become ``wanted``, with no way back. In a child, after fork; HOME, USER and LOGNAME follow.

    Raises PrivilegeError if it cannot be done, or if it turns out not to have been: the process must then end.
    """
    if os.geteuid() != 0:
        if not _is_ours(wanted):
            raise PrivilegeError(
                f"user {os.geteuid()} cannot become user {wanted.uid}: only root may change user and group"
            )
        return
    try:
        os.setgroups(wanted.groups)
        os.setgid(wanted.gid)  # root sets the real, effective and saved one at once (setgid(2), setuid(2))
        os.setuid(wanted.uid)
    except OSError as error:
        hint = "a container may lack CAP_SETUID and CAP_SETGID"
        raise PrivilegeError(
            f"cannot become user {wanted.uid}, group {wanted.gid}: {error.strerror}", hint=hint
        ) from error
    _verify(wanted)
    # Libraries look for their caches there: the home of root is closed to this process.
    if wanted.name:
        os.environ.update(HOME=wanted.home, USER=wanted.name, LOGNAME=wanted.name)


def _verify(wanted: Identity) -> None:
    users, groups = {os.getuid(), os.geteuid()}, {os.getgid(), os.getegid()}
    if hasattr(os, "getresuid"):
        users.update(os.getresuid())
        groups.update(os.getresgid())
    if users != {wanted.uid} or groups != {wanted.gid} or not set(os.getgroups()) <= {wanted.gid, *wanted.groups}:
        raise PrivilegeError(
            f"became user {sorted(users)}, group {sorted(groups)} instead of {wanted.uid}, {wanted.gid}"
        )
    if wanted.uid != 0 and _can_become_root():
        raise PrivilegeError("root's rights could be regained after they were dropped")


def _can_become_root() -> bool:
    try:
        os.setuid(0)
    except PermissionError:
        return False
    return True


def hide() -> None:
    """Keep other processes of this user from tracing this one and reading its memory, until it executes a program.

    A process that root has made somebody else is so already, unless the system wants its core dumps (proc(5),
    suid_dumpable): then it is left at that. In a child (prctl(2), PR_SET_DUMPABLE).
    """
    if sys.platform == "linux" and _prctl(PR_GET_DUMPABLE) == DUMPABLE:
        _prctl(PR_SET_DUMPABLE, 0)


def is_hidden() -> bool:
    """Whether other processes of this user are kept from looking into this one."""
    return sys.platform == "linux" and _prctl(PR_GET_DUMPABLE) != DUMPABLE


def no_new_privs() -> bool:
    """From now on no exec gives this process or its children more rights, set-uid programs included.

    Says whether that is so: elsewhere than on Linux it is not (prctl(2), PR_SET_NO_NEW_PRIVS). In a child.
    """
    if sys.platform != "linux":
        return False
    return _prctl(PR_SET_NO_NEW_PRIVS, 1) == 0


def _prctl(what: int, argument: int = 0) -> int:
    number = ctypes.c_ulong
    return int(ctypes.CDLL(None).prctl(what, number(argument), number(0), number(0), number(0)))
