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


def limit(seconds: float) -> float:
    """A timeout of the configuration, where 0 switches it off."""
    return seconds if seconds > 0 else inf


def graceful_within(pool: Pool) -> float:
    """How long a retiring worker may take. It watches the same limit itself, so it is given a little more here."""
    return limit(pool.timeout.graceful) + 1.0


@dataclass
class Backoff:
    """How long a pool waits before it forks again: not at all, unless its workers keep dying."""

    failures: int = 0
    not_before: float = 0.0

    def died_booting(self, now: float) -> float:
        """A worker ended before it was ready. Returns the delay."""
        self.failures += 1
        return self._wait(now)

    def died_young(self, now: float) -> float:
        """A worker ended unasked soon after it was ready: the first is replaced at once. Returns the delay."""
        delay = self._wait(now)
        self.failures += 1
        return delay

    def settled(self) -> None:
        """A worker has proved itself."""
        self.failures = 0
        self.not_before = 0.0

    def _wait(self, now: float) -> float:
        if not self.failures:
            return 0.0
        grown = BACKOFF_FACTOR ** min(self.failures - 1, BACKOFF_STEPS)
        delay = min(BACKOFF_MOST, BACKOFF_FIRST * grown)
        self.not_before = now + delay
        return delay
