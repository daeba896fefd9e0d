"""Pure. Requests that take too long: when to look at a worker's row, and what to do about what is seen there.

Nobody polls. A worker rings when it takes up a request and its row is not watched; the row is then read when that
request would be slow or overdue, and watched until it is found idle. A worker whose stacks are taken because its
request is slow, or because somebody asked, goes on as it is.

Diagnostics. ``request_slow`` and ``worker_dumped``, both with stacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from prefork.arbiter import facts, orders, policy
from prefork.arbiter.fleet import WORKING, Dump, DumpAttempt, Fleet, Worker, WorkerState
from prefork.arbiter.orders import Order, report
from prefork.arbiter.termination import Termination

GOING_ON = WORKING | {WorkerState.BOOTING}  # the stacks of the others are taken for their own sake


class Stalls:
    """Watches the requests of one fleet; times are seconds of the monotonic clock."""

    def __init__(self, fleet: Fleet, termination: Termination) -> None:
        self.last_dump = DumpAttempt()  # the one that was asked for last
        self._fleet = fleet
        self._termination = termination

    def request_started(self, fact: facts.RequestStarted, now: float) -> Iterable[Order]:
        """A worker whose row nobody watched took up a request."""
        worker = self._fleet.get(fact.worker)
        if worker and worker.state in WORKING:
            # The request began by now at the latest, so this look comes when it is too long, not before.
            timeout = worker.settings.timeout
            worker.watch.look_at = now + min(policy.limit(timeout.request), policy.limit(timeout.slow))
            if worker.watch.look_at < inf:
                yield orders.WatchWorker(worker.id, watching=True)

    def due(self, now: float) -> Iterator[int]:
        """The workers whose rows are to be read now."""
        for worker in self._fleet:
            if worker.watch.look_at <= now:
                worker.watch.look_at = inf  # until the answer sets it
                yield worker.id

    def seen(self, fact: facts.ScoreboardRead, now: float) -> Iterable[Order]:
        """Judge the rows that were read: a request that is slow, one that is overdue, or an idle worker."""
        for serial, seen in fact.rows.items():
            worker = self._fleet.get(serial)
            if worker and worker.state in WORKING:
                worker.watch.last = seen
                yield from self._judge(worker, now)

    def unread(self, workers: Iterable[int], now: float) -> None:
        """Their rows could not be read: look again in a while."""
        for serial in workers:
            worker = self._fleet.get(serial)
            if worker and worker.state in WORKING:
                worker.watch.look_at = now + policy.UNREAD_FOR

    def _judge(self, worker: Worker, now: float) -> Iterable[Order]:
        timeout, since = worker.settings.timeout, worker.watch.last.busy_since
        # A clock value from the future, which only a worker gone wrong can write, is no reason to wait longer.
        began = min(since, now)
        overdue, slow = began + policy.limit(timeout.request), began + policy.limit(timeout.slow)
        if since and overdue <= now:
            yield from self._termination.stuck(worker, "request timeout", now)
            return
        if since and slow <= now and worker.watch.slow_told != since:
            worker.watch.slow_told = since
            yield from self._dump(worker, now, for_whom=None)
        worker.watch.look_at = min(overdue, slow if slow > now else inf) if since else inf
        if worker.watch.look_at == inf:
            yield orders.WatchWorker(worker.id, watching=False)

    # Stacks of workers that go on.

    def dump_asked(self, fact: facts.DumpRequested, now: float) -> Iterable[Order]:
        """Have the stacks of these workers taken for an operator, or of all workers if none are named."""
        self.last_dump = attempt = DumpAttempt()
        for worker in self._fleet:
            if (worker.id in fact.workers or not fact.workers) and worker.state in GOING_ON:
                attempt.owed.add(worker.id)
                yield from self._dump(worker, now, for_whom=attempt)

    def dumped(self, worker: Worker, stacks: str, now: float) -> bool:
        """A piece of a worker's stacks arrived; False if they are not what was asked for here."""
        dump = worker.dump
        if dump is None or worker.state not in GOING_ON:
            return False
        dump.due = min(dump.due, now + policy.STACKS_REST_WITHIN)
        dump.stacks = (dump.stacks + stacks)[: policy.STACKS_MOST]
        return True

    def complete(self, now: float) -> Iterable[Order]:
        """Report the stacks that are complete."""
        for worker in self._fleet:
            if worker.dump and worker.dump.due <= now:
                yield from self.tell(worker, now)

    def tell(self, worker: Worker, now: float) -> Iterable[Order]:
        """Report the stacks of a worker, complete or not, if any were asked for."""
        dump, worker.watch.dump = worker.dump, None
        if dump is None:
            return
        story = {**worker.describe(), **worker.describe_request(now), "stacks": dump.stacks}
        if dump.slow:
            yield report("warning", "request_slow", **story)
        for attempt in dump.attempts:
            attempt.owed.discard(worker.id)
            attempt.dumps.append(story)
        if dump.attempts:
            yield report("info", "worker_dumped", **story)

    def _dump(self, worker: Worker, now: float, *, for_whom: DumpAttempt | None) -> Iterable[Order]:
        """Have the stacks of a worker taken. ``for_whom`` None: because its request is slow."""
        fresh = worker.dump is None
        dump = worker.watch.dump = worker.dump or Dump(now + policy.STACKS_WITHIN)
        if for_whom is None:
            dump.slow = True
        else:
            dump.attempts.append(for_whom)
        if fresh:
            yield orders.DumpStacks(worker.id)
