"""Pure. Requests that take too long: when to look at a worker's row, and what to do about what is seen there.

Nobody polls. A worker rings when it takes up a request and its row is not watched; the row is then read when that
request would be overdue, and watched until it is found idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from prefork.arbiter import facts, orders, policy
from prefork.arbiter.fleet import Fleet, Life, Worker
from prefork.arbiter.ladder import Ladder
from prefork.arbiter.orders import Order

WORKING = frozenset({Life.READY, Life.RETIRING})


class Stalls:
    """Watches the requests of one fleet. Times in seconds of the monotonic clock."""

    def __init__(self, fleet: Fleet, ladder: Ladder) -> None:
        self._fleet = fleet
        self._ladder = ladder

    def rang(self, fact: facts.WorkerRang, now: float) -> Iterable[Order]:
        """A worker whose row nobody watched took up a request."""
        worker = self._fleet.get(fact.worker)
        if worker and worker.life in WORKING:
            # The request began by now at the latest, so this look comes when it is overdue, not before.
            worker.look_at = now + policy.limit(worker.settings.timeout.request)
            if worker.look_at < inf:
                yield orders.WatchWorker(worker.id, watching=True)

    def due(self, now: float) -> Iterator[int]:
        """The workers whose rows are to be read now."""
        for worker in self._fleet:
            if worker.look_at <= now:
                worker.look_at = inf  # until the answer sets it
                yield worker.id

    def seen(self, fact: facts.BoardRead, now: float) -> Iterable[Order]:
        """Their rows were read."""
        for serial, seen in fact.rows.items():
            worker = self._fleet.get(serial)
            if worker and worker.life in WORKING:
                worker.last = seen
                yield from self._judge(worker, now)

    def _judge(self, worker: Worker, now: float) -> Iterable[Order]:
        since = worker.last.busy_since
        if not since:
            yield orders.WatchWorker(worker.id, watching=False)
            return
        # A clock value from the future, which only a worker gone wrong can write, is no reason to wait longer.
        overdue = min(since, now) + policy.limit(worker.settings.timeout.request)
        if overdue <= now:
            yield from self._ladder.stuck(worker, "request timeout", now)
        else:
            worker.look_at = overdue
