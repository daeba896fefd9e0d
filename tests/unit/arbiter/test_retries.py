"""Orders that failed: which are tried again, when, and how often."""

from __future__ import annotations

from math import inf
from signal import SIGKILL, SIGQUIT

import pytest

from prefork.arbiter import orders
from prefork.arbiter.retries import Retries

RETIRE = orders.RetireWorker(1, drain=True)
KILL = orders.KillWorker(2, SIGKILL)


def tries(order: orders.Order, most: int) -> list[float]:
    """The pauses before each further try of an order that fails every time."""
    retries = Retries()
    now, found = 100.0, []
    for _ in range(most):
        retries.add(order, now)
        if retries.due == inf:
            break
        found.append(retries.due - now)
        now = retries.due
        assert retries.take(now) == [order]
    return found


def test_an_order_that_fails_is_tried_again_later_and_later_and_then_given_up():
    """After 1, 2, 4, 8 and 16 seconds: six tries in all."""
    assert tries(RETIRE, 10) == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert tries(orders.KillWorker(2, SIGQUIT), 10) == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_the_kill_of_a_worker_is_never_given_up():
    """A process that should be gone is not forgotten; half a minute is the longest pause."""
    assert tries(KILL, 9) == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize("order", [orders.ReadScoreboard((1,)), orders.LoadConfig(), orders.report("info", "ready")])
def test_what_follows_makes_good_is_not_tried_again(order: orders.Order):
    """Or the operator repeats it."""
    retries = Retries()
    retries.add(order, 100.0)
    assert retries.due == inf
    assert retries.take(200.0) == []


def test_an_order_waits_once():
    """However often it failed meanwhile; another order waits beside it."""
    retries = Retries()
    retries.add(RETIRE, 100.0)
    retries.add(RETIRE, 100.5)
    retries.add(KILL, 100.5)
    assert retries.due == 101.0
    assert retries.take(100.9) == []
    assert retries.take(101.0) == [RETIRE]
    assert retries.due == 101.5
    assert retries.take(101.0) == []
    assert retries.take(101.5) == [KILL]
    assert retries.due == inf


def test_each_order_has_a_count_of_its_own():
    """One that fails for the first time is tried after a second, whatever others have come to."""
    retries = Retries()
    retries.add(KILL, 100.0)
    assert retries.take(101.0) == [KILL]
    retries.add(RETIRE, 101.0)
    retries.add(KILL, 101.0)
    assert retries.take(102.0) == [RETIRE]
    assert retries.take(103.0) == [KILL]
    retries.add(KILL, 103.0)
    assert retries.due == 107.0
    retries.add(RETIRE, 103.0)
    assert retries.due == 105.0


def test_an_order_that_has_worked_begins_anew():
    """What fails later fails for the first time."""
    retries = Retries()
    retries.add(RETIRE, 100.0)
    assert retries.take(101.0) == [RETIRE]
    retries.add(RETIRE, 101.0)
    assert retries.take(103.0) == [RETIRE]
    assert retries.take(104.0) == []  # nothing waits, and nothing is on trial any more
    retries.add(RETIRE, 200.0)
    assert retries.due == 201.0


def test_a_count_is_kept_while_anything_waits():
    """Whether the order has worked is not known until then."""
    retries = Retries()
    retries.add(RETIRE, 100.0)
    assert retries.take(101.0) == [RETIRE]
    retries.add(KILL, 101.0)
    assert retries.take(101.5) == []
    retries.add(RETIRE, 101.5)
    assert retries.due == 102.0
    assert retries.take(102.0) == [KILL]
    assert retries.due == 103.5
