"""The lock of a file that everybody may read: held by who can write to it, and in nobody else's way.

With flock(2) who can open a file can lock it. A write lock of fcntl(2) takes a descriptor that is open for writing, and
is asked for without being taken: what readers lock is not seen. It belongs to the open file description (F_OFD_SETLK),
so it ends with the last descriptor, also when its process is killed. Linux alone has both; elsewhere it is flock(2).
"""

from __future__ import annotations

import fcntl
import os
import struct

FLOCK = struct.Struct("@hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid
HAS_OWNER = hasattr(fcntl, "F_OFD_SETLK")  # locks of an open file description


def hold(descriptor: int) -> None:
    """Lock a file that only this process knows so far, and that is open for writing. Raises OSError."""
    if HAS_OWNER:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(descriptor: int) -> bool:
    """Whether another process holds the lock; the descriptor may be for reading alone. Raises OSError."""
    if HAS_OWNER:
        asked = FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        kind: int = FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))[0]
        return kind != fcntl.F_UNLCK
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
