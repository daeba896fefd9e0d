"""Files that have no name and live in memory."""

from __future__ import annotations

import os
import tempfile


def memory_file(name: str, size: int = 0) -> int:
    """A descriptor of ``size`` zero bytes, not inherited; ``name`` is for /proc (memfd_create(2)). Raises OSError."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
