"""Taking away from a process what it needs, and giving it back."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def limited(pid: int, kind: int, soft: int) -> Iterator[None]:
    """A soft limit for the length of a test: to lower it and to lift it again takes no privilege (getrlimit(2))."""
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def next_descriptor(pid: int) -> int:
    """The number that the next descriptor of a process would have: as a limit, it leaves room for none."""
    taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return min(set(range(len(taken) + 1)) - taken)
