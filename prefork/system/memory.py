"""Files that have no name and live in memory, and mappings of them that a fork does not hand on.

Rules. A file that another process maps is sealed first (memfd_create(2), F_ADD_SEALS): its size can never change
again, so that nobody can make a mapping of it fail with SIGBUS. Where the platform knows no seals, nothing is promised.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import tempfile
from contextlib import suppress

F_SEAL_FUTURE_WRITE = 0x10  # linux/fcntl.h; Linux 5.1: mappings that are made later can only be read
PAGE = mmap.PAGESIZE
MAP_FIXED = 0x10  # the same on Linux, the BSDs and macOS
MAP_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)


def memory_file(name: str, size: int = 0) -> int:
    """A descriptor of ``size`` zero bytes, close-on-exec; ``name`` is for /proc (memfd_create(2)).

    Its memory is there: touching it later cannot fail. Raises OSError.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        if size:
            os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def written(name: str, data: bytes) -> int:
    """A descriptor at the beginning of a file that holds ``data``, which nobody can change. Raises OSError."""
    descriptor = memory_file(name)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        seal(descriptor, writable=False)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def seal(descriptor: int, *, writable: bool = True) -> None:
    """Fix the size of a memory file for good, and, unless it is to stay ``writable``, its content. Raises OSError."""
    if hasattr(fcntl, "F_ADD_SEALS"):
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals if writable else seals | fcntl.F_SEAL_WRITE)


def seal_for_readers(descriptor: int) -> None:
    """Fix the size, and let mappings that are made from now on only read; older ones still write. Raises OSError."""
    if hasattr(fcntl, "F_ADD_SEALS"):
        with suppress(OSError):  # EINVAL: Linux before 5.1; workers then keep to reading by themselves
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE)
    seal(descriptor)


def reserve(size: int) -> int:
    """The address of a stretch of address space, for mappings to be put into. Raises OSError."""
    return _map(0, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)


def map_file(descriptor: int, size: int, *, write: bool = True, at: int = 0, private: bool = False) -> int:
    """Map a memory file for good, and return the address. The descriptor may be closed afterwards. Raises OSError.

    ``at``: an address within what was reserved; the mapping that is there is replaced. ``private``: children that are
    forked do not have the mapping, and must not touch it.
    """
    access = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)
    address = _map(at, size, access, mmap.MAP_SHARED | (MAP_FIXED if at else 0), descriptor)
    if private and hasattr(mmap, "MADV_DONTFORK"):
        _libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), mmap.MADV_DONTFORK)
    return address


def view(address: int, size: int) -> memoryview:
    """The bytes of a mapping, which stays mapped for the life of the process."""
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")


def _map(address: int, size: int, access: int, flags: int, descriptor: int) -> int:
    # Not mmap.mmap: it keeps a descriptor open for each mapping, which every fork hands on.
    found: int | None = _libc.mmap(address, size, access, flags, descriptor, 0)
    if found is None or found == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found
