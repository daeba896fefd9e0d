"""The steps by which a worker is ended."""

from __future__ import annotations

from math import inf
from signal import Signals

import pytest

from prefork.arbiter import orders, policy
from prefork.arbiter.facts import RequestSeen
from prefork.arbiter.fleet import Fleet, Worker, WorkerState
from prefork.arbiter.termination import Termination
from prefork.config.models import Pool

POOL = Pool.model_validate({"app": "a:b", "timeout": {"graceful": 3.0}})


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def termination(fleet: Fleet) -> Termination:
    return Termination(fleet)


@pytest.fixture
def worker(fleet: Fleet) -> Worker:
    one = fleet.enlist("web", POOL, 1, 0.0)
    one.life.state = WorkerState.READY
    return one


def test_retiring_asks_once_and_waits_a_little_longer_than_the_worker(termination: Termination, worker: Worker):
    """The worker watches ``graceful`` itself; the master only steps in when it does not."""
    assert list(termination.retire(worker, "scaled down", 10.0)) == [orders.RetireWorker(1, drain=False)]
    assert worker.life.deadline == 14.0
    assert (worker.life.cause, worker.life.unwanted) == ("scaled down", True)
    assert list(termination.retire(worker, "again", 11.0)) == []
    assert worker.life.cause == "scaled down"


def test_one_that_boots_is_asked_like_one_that_serves(termination: Termination, worker: Worker):
    """It may have become ready, and have accepted somebody, before it hears of it and before we hear of that."""
    worker.life.state = WorkerState.BOOTING
    assert list(termination.retire(worker, "scaled down", 10.0)) == [orders.RetireWorker(1, drain=False)]
    assert worker.life.deadline == 10.0 + policy.graceful_within(worker.settings)


def test_quit_hastens_one_that_retires_and_keeps_its_cause(termination: Termination, worker: Worker):
    """Why it was first asked to end is what the log says."""
    list(termination.retire(worker, "scaled down", 10.0))
    assert list(termination.quit(worker, "the service is stopping", 11.0)) == [orders.KillWorker(1, Signals.SIGQUIT)]
    assert worker.life.cause == "scaled down"
    assert list(termination.quit(worker, "again", 11.0)) == []


def test_quit_kills_one_that_is_stuck(termination: Termination, worker: Worker):
    """It has had its chance."""
    list(termination.stuck(worker, "request timeout", 10.0))
    assert list(termination.quit(worker, "the service is stopping", 10.1)) == [orders.KillWorker(1, Signals.SIGKILL)]
    assert worker.state is WorkerState.KILLED
    assert worker.life.deadline == inf


def test_a_stuck_one_says_where_it_is_then_is_aborted_then_killed(termination: Termination, worker: Worker):
    """Stacks first, ABRT when they are there or a second has passed, KILL two seconds later, and then nothing."""
    worker.watch.last = RequestSeen(4.0, "GET /slow HTTP/1.1", 3)
    assert list(termination.stuck(worker, "request timeout", 10.0)) == [orders.DumpStacks(1)]
    assert worker.life.deadline == 10.0 + policy.STACKS_WITHIN
    termination.dumped(worker, "Thread 0x1", 10.2)
    assert worker.life.deadline == 10.2 + policy.STACKS_REST_WITHIN
    said, abort = termination.overdue(worker, 10.3)
    assert isinstance(said, orders.Report)
    assert said.event == "worker_stuck"
    assert {
        "cause": "request timeout",
        "request": "GET /slow HTTP/1.1",
        "busy_seconds": 6.3,
        "stacks": "Thread 0x1",
    }.items() <= said.fields.items()
    assert abort == orders.KillWorker(1, Signals.SIGABRT)
    assert list(termination.overdue(worker, 12.3)) == [orders.KillWorker(1, Signals.SIGKILL)]
    assert list(termination.overdue(worker, 99.0)) == []


@pytest.mark.parametrize(
    ("state", "cause"), [(WorkerState.BOOTING, "boot timeout"), (WorkerState.RETIRING, "graceful timeout")]
)
def test_what_is_late_has_its_own_cause(termination: Termination, worker: Worker, state: WorkerState, cause: str):
    """The log tells which limit it was."""
    worker.life.state = state
    assert list(termination.overdue(worker, 10.0)) == [orders.DumpStacks(1)]
    assert worker.life.cause == cause


def test_stacks_of_a_crash_are_kept_and_those_of_an_abort_not_twice(termination: Termination, worker: Worker):
    """Unasked, they are what a segmentation fault leaves; ABRT writes again what is known."""
    termination.dumped(worker, "Fatal", 10.0)
    assert worker.life.stacks == "Fatal"
    worker.life.state = WorkerState.ABORTED
    termination.dumped(worker, "Fatal again", 10.0)
    assert worker.life.stacks == "Fatal"


def test_a_template_that_boots_is_told_to_quit(fleet: Fleet, termination: Termination):
    """It has no request that it could finish."""
    template = fleet.enlist("web", POOL, 1, 0.0, template=True)
    assert list(termination.retire(template, "not needed", 10.0)) == [orders.KillWorker(template.id, Signals.SIGQUIT)]
    assert (template.state, template.life.cause) == (WorkerState.QUITTING, "not needed")
    other = fleet.enlist("web", POOL, 1, 0.0, template=True)
    other.life.state = WorkerState.READY
    assert list(termination.retire(other, "not needed", 10.0)) == [orders.RetireWorker(other.id, drain=False)]


@pytest.mark.parametrize("state", [WorkerState.READY, WorkerState.RETIRING, WorkerState.QUITTING])
def test_what_a_worker_leaves_in_dying_is_kept_whole(termination: Termination, worker: Worker, state: WorkerState):
    """In pieces, as it comes."""
    worker.life.state = state
    termination.dumped(worker, "fatal.py, ", 10.0)
    termination.dumped(worker, "line 3", 10.0)
    assert worker.life.stacks == "fatal.py, line 3"


@pytest.mark.parametrize("state", [WorkerState.ABORTED, WorkerState.KILLED])
def test_the_stacks_of_an_abort_are_kept_where_there_are_none(
    termination: Termination, worker: Worker, state: WorkerState
):
    """The worker was too busy to write them before; and they are not kept twice."""
    worker.life.state = state
    termination.dumped(worker, "late.py", 10.0)
    termination.dumped(worker, "late.py", 10.0)
    assert worker.life.stacks == "late.py"


def test_a_stuck_one_is_among_the_deaths_before_it_has_died(fleet: Fleet, termination: Termination, worker: Worker):
    """Whoever asks for them meanwhile sees it."""
    list(termination.stuck(worker, "request timeout", 10.0))
    list(termination.overdue(worker, 11.0))
    [death] = fleet.deaths
    assert (death.at, death.outcome, death.story["cause"]) == (11.0, "stuck", "request timeout")
