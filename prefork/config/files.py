"""Reading a file of the configuration: a regular file, of bounded size, without ever waiting for it.

Rules. A master reads these files again at every HUP, and must neither hang on a FIFO nor fill its memory: whatever is
wrong with a file is one sentence. As root it reads only what nobody else can write, for whoever writes the
configuration chooses what runs, and as whom. Diagnostics: faults only, with the path.
"""

from __future__ import annotations

import errno
import glob
import grp
import os
import pwd
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path as FilePath

MOST = 4 * 1024 * 1024  # bytes of one file
ROOT = 0
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFREG: "a regular file",
}


def kind_of(mode: int) -> str:
    """What a file is, by its mode (inode(7)), with an article."""
    return _KINDS.get(stat.S_IFMT(mode), "not a regular file")


class Unreadable(Exception):
    """A file of the configuration that cannot be used; the text is one sentence without the path."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


def read(path: str, writers: Collection[str] | None = None) -> bytes:
    """The bytes of a regular file. Raises Unreadable.

    ``writers``: as root, the names of users and groups beside root who may write to it; None: whoever may write to it
    does not matter.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {_reason(error)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"cannot be read: it is {kind_of(status.st_mode)}")
        if status.st_size > MOST:
            raise Unreadable(f"cannot be read: it is larger than {MOST >> 20} MiB")
        if writers is not None and os.geteuid() == ROOT:
            check_writers(path, writers)
        return b"".join(iter(lambda: os.read(descriptor, MOST), b""))
    except OSError as error:
        raise Unreadable(f"cannot be read: {_reason(error)}") from None
    finally:
        os.close(descriptor)


def matches(pattern: str) -> list[str]:
    """The files that a path or a glob names, in name order. Raises Unreadable for a path that names none."""
    if glob.has_magic(pattern):
        return sorted(glob.glob(pattern))
    try:
        os.stat(pattern)
    except (OSError, ValueError) as error:
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        raise Unreadable(f"there is no file {pattern}" if missing else f"{pattern}: {_reason(error)}") from None
    return [pattern]


def resolved(path: str) -> str:
    """A path without links, as far as it can be followed: two paths that lead to one file give the same."""
    return os.path.realpath(path)


def is_directory(path: str) -> bool:
    """Whether a directory is there. Never raises: a path that cannot be looked at does not lead to a directory."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_writers(path: str, allowed: Collection[str]) -> None:
    """Raise Unreadable if anybody but root and ``allowed`` can change what ``path`` leads to.

    Every directory on the way counts, and every link: who can rename one decides what is read.
    """
    for place in _way_to(path):
        writer = _writer_of(place, allowed)
        if writer:
            name = writer.partition(" ")[2]
            hint = (
                f"remove that right, or trust its holder: preforkd --config-writer {name}"
                if name
                else f"chmod o-w {place}"
            )
            raise Unreadable(f"root does not read a file that others can change: {writer} can write to {place}", hint)


def _way_to(path: str) -> Iterator[str]:
    """The file, and each directory and link that leads to it, beginning at the root."""
    seen: set[str] = set()
    waiting = [os.path.abspath(path), os.path.realpath(path)]
    while waiting:
        place = FilePath(waiting.pop())
        for step in (*reversed(place.parents), place):
            text = str(step)
            if text in seen:
                continue
            seen.add(text)
            yield text
            if step.is_symlink():
                waiting.append(os.path.join(step.parent, os.readlink(step)))


def _writer_of(place: str, allowed: Collection[str]) -> str:
    """Who except root can write to a place, such as ``user deploy``; empty if nobody can."""
    try:
        status = os.lstat(place)
    except OSError:  # it has gone meanwhile: what was opened is what counts
        return ""
    owner = _name(pwd.getpwuid, status.st_uid)
    if status.st_uid != ROOT and owner not in allowed:
        return f"user {owner}"
    if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
        return ""  # a link has no mode; in a sticky directory only an owner renames
    group = _name(grp.getgrgid, status.st_gid)
    if status.st_mode & stat.S_IWGRP and status.st_gid != ROOT and group not in allowed:
        return f"group {group}"
    return "everybody" if status.st_mode & stat.S_IWOTH else ""


def _name(look_up: Callable[[int], Sequence[object]], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "the path contains a NUL character"
