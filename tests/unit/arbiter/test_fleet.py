"""The worker table."""

from __future__ import annotations

from math import inf

import pytest

from prefork.arbiter.facts import RequestSeen
from prefork.arbiter.fleet import NEXT, Fleet, Life, Worker, WorkerEvent, WorkerState
from prefork.config.models import Pool

POOL = Pool(app="a:b")


def test_numbers_are_the_lowest_of_their_pool_and_slots_the_lowest_of_all():
    """A replacement gets the number and the slot of the one it replaces; serial numbers are never used twice."""
    fleet = Fleet()
    first, second, other = (fleet.enlist(pool, POOL, 1, 0.0) for pool in ("web", "web", "api"))
    assert [(w.number, w.slot) for w in (first, second, other)] == [(1, 0), (2, 1), (1, 2)]
    fleet.strike(first)
    replacement = fleet.enlist("web", POOL, 1, 0.0)
    assert (replacement.number, replacement.slot) == (1, 0)
    assert replacement.id not in {first.id, second.id, other.id}
    assert fleet.of("web") == [second, replacement]
    assert len(fleet) == 3


def test_a_table_may_change_while_it_is_walked():
    """Whoever ends is struck off in the middle of a loop."""
    fleet = Fleet()
    for _ in range(3):
        fleet.enlist("web", POOL, 1, 0.0)
    for worker in fleet:
        fleet.strike(worker)
    assert list(fleet) == []


def test_nobody_is_found_by_an_old_number():
    """A late report finds nobody."""
    fleet = Fleet()
    worker = fleet.enlist("web", POOL, 1, 0.0)
    fleet.strike(worker)
    assert fleet.get(worker.id) is None


# Written down a second time, on purpose: what a worker is after each event, and its seconds until that state's deadline.
# A blank is an event that changes nothing. ``inf`` is none at all.
GRACEFUL, BOOT = 6.0, 60.0
EXPECTED = {
    "booting": {
        "booted": ("ready", inf),
        "retire": ("retiring", GRACEFUL),
        "quit": ("quitting", 2.0),
        "overdue": ("stuck", 1.0),
    },
    "ready": {"retire": ("retiring", GRACEFUL), "quit": ("quitting", 2.0), "overdue": ("stuck", 1.0)},
    "retiring": {"quit": ("quitting", 2.0), "overdue": ("stuck", 1.0)},
    "stuck": {"overdue": ("aborted", 2.0), "quit": ("killed", inf)},
    "aborted": {"overdue": ("killed", inf), "quit": ("killed", inf)},
    "quitting": {"overdue": ("killed", inf)},
    "killed": {},
}


@pytest.mark.parametrize("state", WorkerState)
@pytest.mark.parametrize("step", WorkerEvent)
def test_a_step_is_taken_where_it_may_be_and_nowhere_else(state: WorkerState, step: WorkerEvent):
    """T. With the deadline of the new state; what may not be changes nothing, so that nothing is ordered twice."""
    fleet = Fleet()
    worker = fleet.enlist("web", Pool.model_validate({"app": "a:b", "timeout": {"graceful": 5.0}}), 1, 0.0)
    worker.life.state, worker.watch.look_at = state, 7.0
    expected = EXPECTED[state.value].get(step.value)
    assert fleet.move(worker, step, 100.0) is (expected is not None)
    if expected is None:
        assert (worker.state, worker.life.deadline, worker.watch.look_at) == (state, BOOT, 7.0)
        return
    assert (worker.state.value, worker.life.deadline - 100.0) == expected
    assert worker.life.ready_at == (100.0 if step is WorkerEvent.BOOTED else inf)
    assert worker.watch.look_at == (7.0 if worker.state.value in ("ready", "retiring") else inf)


def test_without_a_graceful_limit_one_that_boots_keeps_its_own():
    """A worker that serves has none then; one that never gets so far must not stay for ever."""
    fleet = Fleet()
    worker = fleet.enlist("web", Pool.model_validate({"app": "a:b", "timeout": {"graceful": 0.0}}), 1, 0.0)
    fleet.move(worker, WorkerEvent.RETIRE, 10.0)
    assert worker.life.deadline == BOOT
    ready = fleet.enlist("web", worker.settings, 1, 0.0)
    fleet.move(ready, WorkerEvent.BOOTED, 10.0)
    fleet.move(ready, WorkerEvent.RETIRE, 20.0)
    assert ready.life.deadline == inf


def test_a_boot_without_a_limit_has_no_deadline():
    """0 switches it off."""
    worker = Fleet().enlist("web", Pool.model_validate({"app": "a:b", "timeout": {"boot": 0.0}}), 1, 5.0)
    assert worker.life.deadline == inf


def test_no_step_leads_back_to_serving():
    """Whoever was asked to end never counts as capacity again."""
    ending = {WorkerState.RETIRING, WorkerState.STUCK, WorkerState.ABORTED, WorkerState.QUITTING, WorkerState.KILLED}
    assert all(after in ending for (before, _step), (after, _limit) in NEXT.items() if before in ending)


@pytest.mark.parametrize(
    ("ours", "theirs", "shared"),
    [(("a",), ("a",), True), (("a", "b"), ("b", "c"), True), (("a",), ("b",), False), (None, ("b",), True)],
)
def test_a_pool_that_names_no_listeners_has_all(ours: tuple[str, ...] | None, theirs: tuple[str, ...], *, shared: bool):
    """M16. Who is woken for the connections of one listener, whatever the pools are called."""
    fleet = Fleet()
    one = fleet.enlist("web", POOL.model_copy(update={"listen": ours}), 1, 0.0)
    other = fleet.enlist("shop", POOL.model_copy(update={"listen": theirs}), 1, 0.0)
    assert one.shares_listener(other) is other.shares_listener(one) is shared


def test_what_a_worker_is_when_it_is_enlisted():
    """It may accept as soon as it boots; a template accepts nobody, and has no number."""
    fleet = Fleet()
    worker = fleet.enlist("web", POOL, 3, 7.0)
    template = fleet.enlist("web", POOL, 3, 7.0, template=True)
    assert (worker.life.accepts, template.life.accepts) == (True, False)
    assert (worker.number, template.number) == (1, 0)
    assert (worker.template, worker.level, worker.source, worker.born) == (False, 0, 0, 7.0)
    assert worker.describe() == {"pool": "web", "worker": 1, "pid": 0, "generation": 3}
    assert template.describe() == {"pool": "web", "pid": 0, "generation": 3}
    assert (fleet.of("web"), fleet.templates) == ([worker], [template])
    plain = Worker(9, "web", 1, 0, 1, POOL, 0.0, Life(inf))
    assert (plain.template, plain.life.accepts, plain.life.state) == (False, True, WorkerState.BOOTING)
    assert (plain.level, plain.source, plain.watch.slow_told) == (0, 0, 0.0)
    assert (plain.kind, template.kind) == ("worker", "template")


def test_a_request_is_described_as_far_as_its_row_was_read():
    """To the millisecond; an idle worker is at none."""
    worker = Fleet().enlist("web", POOL, 1, 0.0)
    assert worker.describe_request(9.0) == {}
    worker.watch.last = RequestSeen(1.0, "GET / HTTP/1.1", 3)
    assert worker.describe_request(3.34567) == {"request": "GET / HTTP/1.1", "busy_seconds": 2.346}
    worker.watch.last = RequestSeen(1.0, "GET / HTTP/1.1", 3, 0.98765)
    assert worker.describe_request(3.0)["queue_seconds"] == 0.988


def test_the_last_deaths_are_kept():
    """Sixty-four."""
    assert Fleet().deaths.maxlen == 64
