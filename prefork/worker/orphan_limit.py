"""The end of a worker whose master is gone: within its limits, even while it hangs in C code.

Rules. The limits are the master's to keep: it takes the stacks and explains the death. What is here comes later than
that, so it only ever meets a worker that nobody minds: the kernel kills it when a request has run for its timeout and
the margin, a boot for ``timeout.boot``, an end for ``timeout.graceful``. A request without a timeout is not limited.
While requests come, the limit is moved on once a second; a worker that rests takes it back, by one wake-up.
"""

from __future__ import annotations

from time import monotonic_ns

from prefork.system.hard_limit import HardLimit
from prefork.worker.settings import TimeoutSettings

MARGIN = 10.0  # seconds that a living master has for its own way of ending a worker
MOVE_EVERY = 1_000_000_000  # nanoseconds between two moves at least
REMIND = 5.0  # seconds after a move in which no request may have come any more
NEVER = 1 << 63


class OrphanLimit:
    """In the worker, or in a template, after fork. ``move_at``: call ``move`` with the first request after it."""

    def __init__(self, timeout: TimeoutSettings) -> None:
        self._timeout = timeout
        self._limit = HardLimit()
        self.reminder = self._limit.reminder
        self.move_at = 0 if timeout.request and self.reminder >= 0 else NEVER

    def booting(self) -> None:
        """From here on the boot may take its time and no more."""
        self._set(self._timeout.boot)

    def ending(self) -> None:
        """From here on the end may."""
        self.move_at = NEVER
        self._set(self._timeout.graceful)

    def orphaned(self) -> None:
        """The master is gone, and the worker retires: requests in hand move nothing on any more."""
        self.ending()

    def stop(self) -> None:
        """Nothing is limited for now."""
        self._limit.set(0)

    def move(self, now: int) -> int:
        """A request begins; when this is to be called again. ``now`` is time.monotonic_ns()."""
        if now >= self.move_at:
            self._set(self._timeout.request)
            self._limit.remind(REMIND)
            self.move_at = now + MOVE_EVERY
        return self.move_at

    def reminded(self, busy_since: int) -> bool:
        """Whether the limit was taken back: no request is running. Called when the worker looks at its ties."""
        if not self._limit.reminded() or self.move_at == NEVER:
            return False
        if busy_since:  # by another thread of it
            left = self._timeout.request - (monotonic_ns() - busy_since) / 1e9
            self._set(max(left, 0.001))
            self._limit.remind(REMIND)
            return False
        self.stop()
        self.move_at = 0
        return True

    def leave(self) -> None:
        """Let go of it in a child of the application."""
        self._limit.leave()

    def _set(self, seconds: float) -> None:
        self._limit.set(seconds + MARGIN if seconds else 0)
