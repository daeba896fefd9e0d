"""The limits after which a worker is to be replaced: requests served, and memory of its own.

The limits vary by the jitter, so that workers that were born together do not leave together. Memory is measured
between requests, and not often: the kernel has to add it up. In the worker.
"""

from __future__ import annotations

from random import SystemRandom
from time import monotonic_ns

from prefork.system import process
from prefork.worker.settings import RecycleSettings

MEASURE_EVERY = 1_000_000_000  # nanoseconds between two measurements at least
NEVER = 1 << 63


class RecycleLimits:
    """The limits of one worker. ``requests_at``: the number of requests; ``measure_at``: in time.monotonic_ns()."""

    def __init__(self, settings: RecycleSettings) -> None:
        left = 1.0 - settings.jitter * SystemRandom().random()  # a forked generator would give every worker the same
        self.requests_at = max(1, round(settings.requests * left)) if settings.requests else NEVER
        self._memory = settings.memory * left
        self.measure_at = monotonic_ns() + MEASURE_EVERY if settings.memory else NEVER

    def measure(self, now: int) -> bool:
        """Whether the worker has more memory than it may. To be called when ``measure_at`` has come."""
        self.measure_at = now + MEASURE_EVERY
        return process.own_memory() > self._memory

    def stop(self) -> None:
        """Measure no more: the master has been told."""
        self.requests_at = self.measure_at = NEVER
