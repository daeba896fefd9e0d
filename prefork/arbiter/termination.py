"""Pure. The steps by which the master ends a worker: asked, asked firmly, its stacks taken, ABRT, KILL.

Each step is taken through the life table, so that it is taken once and sets the deadline of the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from signal import Signals

from prefork.arbiter import orders, policy
from prefork.arbiter.fleet import Death, Fleet, Worker, WorkerEvent, WorkerState
from prefork.arbiter.orders import Order, report

OVERDUE_CAUSES = {WorkerState.BOOTING: "boot timeout", WorkerState.RETIRING: "graceful timeout"}


class Termination:
    """Acts on the workers of one fleet. Times in seconds of the monotonic clock."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def retire(self, worker: Worker, reason: str, now: float, *, drain: bool = False) -> Iterable[Order]:
        """Have it finish what it has. One that boots just goes; if it is ready by now, we have yet to hear of it."""
        if worker.template and worker.state is WorkerState.BOOTING:
            yield from self.quit(worker, reason, now)
            return
        if self._fleet.move(worker, WorkerEvent.RETIRE, now):
            worker.life.cause, worker.life.unwanted = reason, True
            yield orders.RetireWorker(worker.id, drain)

    def quit(self, worker: Worker, reason: str, now: float) -> Iterable[Order]:
        """Have it drop what it has; one that is being aborted already is killed."""
        if not self._fleet.move(worker, WorkerEvent.QUIT, now):
            return
        worker.life.cause, worker.life.unwanted = worker.life.cause or reason, True
        killed = worker.state is WorkerState.KILLED
        yield orders.KillWorker(worker.id, Signals.SIGKILL if killed else Signals.SIGQUIT)

    def overdue(self, worker: Worker, now: float) -> Iterable[Order]:
        """The deadline of its life has passed."""
        if worker.state in OVERDUE_CAUSES:
            yield from self.stuck(worker, OVERDUE_CAUSES[worker.state], now)
        elif self._fleet.move(worker, WorkerEvent.OVERDUE, now):
            if worker.state is WorkerState.ABORTED:
                yield from self._abort(worker, now)
            else:
                yield orders.KillWorker(worker.id, Signals.SIGKILL)

    def stuck(self, worker: Worker, cause: str, now: float) -> Iterable[Order]:
        """It is past a deadline: before anything else, let its stacks say where it is."""
        if self._fleet.move(worker, WorkerEvent.OVERDUE, now):
            worker.life.cause = cause
            yield orders.DumpStacks(worker.id, expired=worker.was_ready and not worker.template)

    def dumped(self, worker: Worker, stacks: str, now: float) -> None:
        """A piece of its stacks arrived. Unasked, they are what it leaves in dying, for its death certificate."""
        if worker.state is WorkerState.STUCK:
            worker.life.deadline = min(worker.life.deadline, now + policy.STACKS_REST_WITHIN)
        elif worker.state in (WorkerState.ABORTED, WorkerState.KILLED) and worker.life.stacks:
            return  # the abort writes again what is known already
        worker.life.stacks = (worker.life.stacks + stacks)[: policy.STACKS_MOST]

    def _abort(self, worker: Worker, now: float) -> Iterable[Order]:
        request = worker.describe_request(now)
        story = {**worker.describe(), "cause": worker.life.cause, **request, "stacks": worker.life.stacks}
        self._fleet.deaths.append(Death(now, "stuck", story))
        yield report("error", f"{worker.kind}_stuck", **story)
        yield orders.KillWorker(worker.id, Signals.SIGABRT)
