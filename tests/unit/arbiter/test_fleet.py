"""The worker table."""

from __future__ import annotations

import pytest

from prefork.arbiter.fleet import NEXT, Fleet, WorkerEvent, WorkerState
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


@pytest.mark.parametrize("state", WorkerState)
@pytest.mark.parametrize("step", WorkerEvent)
def test_a_step_is_taken_where_the_table_has_it_and_nowhere_else(state: WorkerState, step: WorkerEvent):
    """So nothing is ordered twice: the same step from the same life is refused the second time."""
    fleet = Fleet()
    worker = fleet.enlist("web", POOL, 1, 0.0)
    worker.state = state
    assert fleet.move(worker, step) is ((state, step) in NEXT)
    assert worker.state is NEXT.get((state, step), state)
    if (worker.state, step) not in NEXT:
        assert not fleet.move(worker, step)


def test_no_step_leads_back_to_serving():
    """Whoever was asked to end never counts as capacity again."""
    ending = {WorkerState.RETIRING, WorkerState.STUCK, WorkerState.ABORTED, WorkerState.QUITTING, WorkerState.KILLED}
    assert all(after in ending for (before, _step), after in NEXT.items() if before in ending)
