"""Pure. The steps by which the master ends a worker: asked, asked firmly, its stacks taken, ABRT, KILL.

Each step is taken through the life table, so that it is taken once; each sets the deadline of the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
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
        if self._fleet.move(worker, WorkerEvent.RETIRE):
            worker.cause, worker.unwanted = reason, True
            limit = now + policy.graceful_within(worker.settings)
            worker.deadline = limit if limit < inf else worker.deadline  # that of its boot, if it has one
            yield orders.RetireWorker(worker.id, drain)

    def quit(self, worker: Worker, reason: str, now: float) -> Iterable[Order]:
        """Have it drop what it has; one that is being aborted already is killed."""
        if not self._fleet.move(worker, WorkerEvent.QUIT):
            return
        worker.cause, worker.unwanted = worker.cause or reason, True
        worker.look_at = inf
        if worker.state is WorkerState.KILLED:
            worker.deadline = inf
            yield orders.KillWorker(worker.id, Signals.SIGKILL)
        else:
            worker.deadline = now + policy.QUIT_WITHIN
            yield orders.KillWorker(worker.id, Signals.SIGQUIT)

    def overdue(self, worker: Worker, now: float) -> Iterable[Order]:
        """The deadline of its life has passed."""
        if worker.state in OVERDUE_CAUSES:
            yield from self.stuck(worker, OVERDUE_CAUSES[worker.state], now)
        elif worker.state is WorkerState.STUCK:
            self._fleet.move(worker, WorkerEvent.OVERDUE)
            yield from self._abort(worker, now)
        elif self._fleet.move(worker, WorkerEvent.OVERDUE):
            worker.deadline = inf  # only the kernel can be late now
            yield orders.KillWorker(worker.id, Signals.SIGKILL)

    def stuck(self, worker: Worker, cause: str, now: float) -> Iterable[Order]:
        """It is past a deadline: before anything else, let its stacks say where it is."""
        if self._fleet.move(worker, WorkerEvent.OVERDUE):
            worker.cause = cause
            worker.look_at = inf
            worker.deadline = now + policy.STACKS_WITHIN
            yield orders.DumpStacks(worker.id, expired=worker.was_ready and not worker.template)

    def dumped(self, worker: Worker, stacks: str, now: float) -> None:
        """A piece of its stacks arrived. Unasked, they are what it leaves in dying, for its death certificate."""
        if worker.state is WorkerState.STUCK:
            worker.deadline = min(worker.deadline, now + policy.STACKS_REST_WITHIN)
        elif worker.state in (WorkerState.ABORTED, WorkerState.KILLED) and worker.stacks:
            return  # the abort writes again what is known already
        worker.stacks = (worker.stacks + stacks)[: policy.STACKS_MOST]

    def _abort(self, worker: Worker, now: float) -> Iterable[Order]:
        worker.deadline = now + policy.ABORT_WITHIN
        request = worker.describe_request(now)
        story = {**worker.describe(), "cause": worker.cause, **request, "stacks": worker.stacks}
        self._fleet.deaths.append(Death(now, "stuck", story))
        yield report("error", f"{worker.kind}_stuck", **story)
        yield orders.KillWorker(worker.id, Signals.SIGABRT)
