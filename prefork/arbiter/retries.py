"""Pure. Orders that could not be carried out, and when each is tried again.

Rules. An order that failed is never repeated at once: first after a second, then after twice as long each time. One
that cannot be carried out in ``MOST`` tries is given up, except the KILL of a worker: a process that should be gone is
never forgotten. Whether the order is still wanted by then is for the master to say.
"""

from __future__ import annotations

from math import inf
from signal import Signals

from prefork.arbiter.orders import (
    AdoptGeneration,
    AnnounceReady,
    CloseUnclaimed,
    KillSuccessor,
    KillWorker,
    Order,
    RestorePidfile,
    RetirePredecessor,
    RetireWorker,
    WatchWorker,
)

FIRST = 1.0  # seconds until the second try
LONGEST = 30.0  # seconds between two tries at most
MOST = 6  # tries
# Whose effect is still wanted later. The others are made good by what follows them, or are the operator's to repeat.
REPEATED = (
    AdoptGeneration,
    AnnounceReady,
    CloseUnclaimed,
    KillSuccessor,
    KillWorker,
    RestorePidfile,
    RetirePredecessor,
    RetireWorker,
    WatchWorker,
)


class Retries:
    """The orders that wait for another try. Times in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, Order]] = []
        self._tried: list[tuple[Order, int]] = []  # those on trial again, and how often they have failed

    @property
    def due(self) -> float:
        """When the next order is to be tried again; inf when there is none."""
        return min((due for due, _ in self._waiting), default=inf)

    def add(self, order: Order, now: float) -> None:
        """Note an order that has failed, to be tried again later."""
        if not isinstance(order, REPEATED) or any(waiting == order for _, waiting in self._waiting):
            return
        failures = 1 + next((count for tried, count in self._tried if tried == order), 0)
        self._tried = [(tried, count) for tried, count in self._tried if tried != order]
        if failures < MOST or (isinstance(order, KillWorker) and order.signal is Signals.SIGKILL):
            self._tried.append((order, failures))
            self._waiting.append((now + min(LONGEST, FIRST * 2.0 ** (failures - 1)), order))

    def take(self, now: float) -> list[Order]:
        """The orders that are to be tried now."""
        due = [order for when, order in self._waiting if when <= now]
        self._waiting = [(when, order) for when, order in self._waiting if when > now]
        if not self._waiting and not due:
            self._tried.clear()  # whatever was tried has worked
        return due
