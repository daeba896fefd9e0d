"""Entries of one directory, looked at and changed without leaving it.

Rules. The directory is opened once, and every name is taken in it: whoever may write to a directory on the way can
lead us to another one, but cannot change between our look at an entry and what we do to it where we are. No link is
followed, and nothing that exists is opened for writing. Here, in ``unixsocket.py`` and in ``observe/secure_open.py``
alone does the master chown, chmod, unlink, rename, link or make anything by its name. In the master.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

O_PATH = getattr(os, "O_PATH", os.O_RDONLY)  # it need not be readable


@contextmanager
def directory_of(path: str) -> Iterator[Directory]:
    """The directory that a path is in, for the length of a ``with``. Raises OSError if it cannot be opened."""
    descriptor = os.open(os.path.dirname(path) or ".", O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Directory(descriptor)
    finally:
        os.close(descriptor)


class Directory:
    """A directory that is open: ``directory_of`` opens it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def stat(self, name: str) -> os.stat_result | None:
        """The status of an entry, of a link itself; None if there is no entry."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_at(self, descriptor: int, name: str) -> bool:
        """Whether an open file has this name here. Never raises."""
        with suppress(OSError):  # the directory may not be searched any more
            found = self.stat(name)
            return found is not None and os.path.samestat(os.fstat(descriptor), found)
        return False

    def open(self, name: str) -> int:
        """Open an entry for reading, close-on-exec; does not wait for a fifo. Raises OSError."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=self._descriptor)

    def create(self, name: str, mode: int) -> int:
        """Create a file that was not there, for reading and writing, close-on-exec. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, mode, dir_fd=self._descriptor)

    def create_temporary(self, name: str, mode: int) -> tuple[int, str]:
        """Create a file beside ``name``. Returns its descriptor and how it is called. Raises OSError."""
        while True:
            temporary = f"{name}.{secrets.token_hex(4)}"
            with suppress(FileExistsError):  # one name in four milliards
                return self.create(temporary, mode), temporary

    def unlink(self, name: str) -> None:
        """Remove an entry. Raises OSError."""
        os.unlink(name, dir_fd=self._descriptor)

    def rename(self, name: str, to: str) -> None:
        """Give an entry another name, in place of what has it. Raises OSError."""
        os.rename(name, to, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def link(self, name: str, to: str) -> None:
        """Give an entry a second name, which must be free. Raises OSError."""
        os.link(name, to, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor, follow_symlinks=False)
