"""The limits after which a worker is to be replaced."""

from __future__ import annotations

import mmap

from prefork.system import process
from prefork.worker.recycle import NEVER, RecycleLimits
from prefork.worker.settings import RecycleSettings


def test_no_limit_is_never():
    """The default counts and measures nothing."""
    recycle = RecycleLimits(RecycleSettings())
    assert (recycle.requests_at, recycle.measure_at) == (NEVER, NEVER)


def test_the_jitter_takes_away_from_the_limit_and_adds_nothing():
    """A limit is a limit; with 0.5 half of it is left at least, and workers differ."""
    limits = [RecycleLimits(RecycleSettings(requests=1000, jitter=0.5)).requests_at for _ in range(50)]
    assert all(500 <= limit <= 1000 for limit in limits)
    assert len(set(limits)) > 10


def test_a_limit_of_one_request_is_one():
    """Not none, whatever the jitter."""
    assert RecycleLimits(RecycleSettings(requests=1, jitter=1.0)).requests_at == 1


def test_own_memory_grows_with_what_a_process_writes():
    """And not with what it merely maps."""
    size = 32 << 20
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as fresh:  # not what malloc had at hand
        before = process.own_memory()
        fresh.write(b"x" * size)
        assert process.own_memory() - before > 30 << 20
