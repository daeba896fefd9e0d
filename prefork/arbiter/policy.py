"""Pure. Time limits and back-off: how long the master waits, and for what.

All times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from prefork.config.models import Pool

STACKS_WITHIN = 1.0  # a stack dump is written by a signal handler in C: milliseconds, unless the machine is in trouble
STACKS_REST_WITHIN = 0.1  # after the first piece of it
STACKS_MOST = 256 * 1024  # characters that are kept of it
ABORT_WITHIN = 2.0  # from ABRT to KILL: time for the abort hook
QUIT_WITHIN = 2.0  # from QUIT to KILL
SETTLED_AFTER = 5.0  # ready for so long, a worker's death is no sign of a pool that keeps dying

UNREAD_FOR = 1.0  # until the next look at rows of the scoreboard that could not be read

BACKOFF_FIRST = 1.0
BACKOFF_FACTOR = 1.5
BACKOFF_MOST = 30.0
BACKOFF_STEPS = 20  # it is at its most long before; a pool that dies for a day would overflow a float
# Of a pool without a ready worker, whose clients wait for it meanwhile.
BARE_FIRST = 0.1
BARE_MOST = 5.0

BURST_WITHIN = 60.0  # in which so many workers that have served may die and be replaced at once
BURST_EACH = 5  # for each worker that the pool wants
BURST_LEAST = 10  # of the smallest pool


def limit(seconds: float) -> float:
    """A timeout of the configuration in seconds, inf where 0 switches it off."""
    return seconds if seconds > 0 else inf


def graceful_within(pool: Pool) -> float:
    """How long a retiring worker may take: a second more than its own limit, which the worker watches too."""
    return limit(pool.timeout.graceful) + 1.0


def burst_of(workers: int) -> int:
    """How many workers of a pool of so many may be killed within BURST_WITHIN before that is taken for a pattern."""
    return max(BURST_LEAST, BURST_EACH * workers)


@dataclass
class Backoff:
    """How long a pool waits before it forks again: not at all, unless its workers cannot boot, or die in numbers."""

    failures: int = 0
    failed_at: float = -inf
    deaths: tuple[float, ...] = ()  # of workers that had served, no more of them than matter

    def failed(self, now: float) -> None:
        """A worker could not be forked, or ended before it was ready."""
        self.failures += 1
        self.failed_at = now

    def died(self, now: float, burst: int) -> None:
        """A worker that had served, or was killed from outside, has ended: a failure only beyond ``burst`` of them."""
        recent = tuple(moment for moment in self.deaths if moment > now - BURST_WITHIN)
        self.deaths = (*recent, now)[-burst - 1 :]
        if len(self.deaths) > burst:
            self.failed(now)

    def settled(self) -> None:
        """End the back-off: a worker of the pool has stayed ready."""
        self.failures, self.failed_at, self.deaths = 0, -inf, ()

    def not_before(self, *, bare: bool) -> float:
        """When the pool may fork again; ``bare``: it has no ready worker, and clients wait."""
        if not self.failures:
            return -inf
        grown = BACKOFF_FACTOR ** min(self.failures - 1, BACKOFF_STEPS)
        first, most = (BARE_FIRST, BARE_MOST) if bare else (BACKOFF_FIRST, BACKOFF_MOST)
        return self.failed_at + min(most, first * grown)
