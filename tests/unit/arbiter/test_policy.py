"""Time limits and back-off."""

from __future__ import annotations

from math import inf

import pytest

from prefork.arbiter import policy
from prefork.arbiter.policy import Backoff
from prefork.config.models import Pool


def test_nought_switches_a_limit_off():
    """0 is no limit, not at once."""
    assert policy.limit(0.0) == inf
    assert policy.limit(0.2) == 0.2


def test_a_retiring_worker_has_a_little_more_than_it_gives_itself():
    """It watches the same limit, and knows better how to end."""
    assert policy.graceful_within(Pool.model_validate({"app": "a:b", "timeout": {"graceful": 5.0}})) == 6.0
    assert policy.graceful_within(Pool.model_validate({"app": "a:b", "timeout": {"graceful": 0.0}})) == inf


def delays(backoff: Backoff, times: int, *, bare: bool) -> list[float]:
    """The pauses after so many boots that fail, one after the other."""
    found = []
    for _ in range(times):
        backoff.failed(100.0)
        found.append(round(backoff.not_before(bare=bare) - 100.0, 6))
    return found


def test_boots_that_fail_wait_longer_and_longer():
    """1 s, times 1.5, at most 30 s, from the death on."""
    found = delays(Backoff(), 12, bare=False)
    assert found[:3] == [1.0, 1.5, 2.25]
    assert found[-2:] == [30.0, 30.0]
    assert found == sorted(found)


def test_a_pool_without_a_ready_worker_waits_least():
    """M13. A tenth of a second, times 1.5, at most 5 s: its clients wait meanwhile."""
    found = delays(Backoff(), 14, bare=True)
    assert found[:3] == [0.1, 0.15, 0.225]
    assert found[-2:] == [5.0, 5.0]


def test_whoever_never_failed_does_not_wait():
    """Not at all, whatever the clock says: monotonic time may begin anywhere."""
    assert Backoff().not_before(bare=False) == Backoff().not_before(bare=True) == -inf


def test_workers_that_served_are_replaced_at_once_up_to_a_burst():
    """M13. Somebody kills at them, or a request does: what is beyond the burst is a pattern."""
    backoff = Backoff()
    for second in range(10):
        backoff.died(100.0 + second, 10)
        assert backoff.not_before(bare=False) == -inf
    backoff.died(110.0, 10)
    assert backoff.not_before(bare=False) == 111.0
    backoff.died(112.0, 10)
    assert backoff.not_before(bare=False) == 113.5


def test_a_burst_is_forgotten_after_a_minute():
    """M13. The eleventh within sixty seconds counts, not the eleventh of a day."""
    backoff = Backoff()
    for second in range(10):
        backoff.died(100.0 + second, 10)
    backoff.died(160.0, 10)  # the first was sixty seconds ago
    assert backoff.failures == 0
    backoff.died(160.5, 10)
    assert backoff.failures == 1
    for _ in range(100):
        backoff.died(160.5, 10)
    assert len(backoff.deaths) == 11


def test_a_burst_is_five_for_each_worker_and_at_least_ten():
    """M13. A pool of forty that loses all of them once is not taken for one that cannot serve."""
    assert [policy.burst_of(workers) for workers in (0, 1, 2, 3, 40)] == [10, 10, 10, 15, 200]


def test_a_worker_that_stays_up_ends_it():
    """What was is forgotten."""
    backoff = Backoff()
    backoff.failed(100.0)
    for _ in range(10):
        backoff.died(100.0, 10)
    backoff.settled()
    assert backoff == Backoff()
    backoff.died(100.0, 10)
    assert backoff.failures == 0


@pytest.mark.parametrize("failures", [100, 10_000])
def test_it_never_overflows(failures: int):
    """A pool may keep dying for weeks."""
    assert Backoff(failures, 0.0).not_before(bare=False) == 30.0
    assert Backoff(failures, 0.0).not_before(bare=True) == 5.0


def test_the_limits_are_those_of_the_manual():
    """T. In seconds, written down a second time on purpose: five are five."""
    assert (policy.STACKS_WITHIN, policy.STACKS_REST_WITHIN) == (1.0, 0.1)
    assert (policy.ABORT_WITHIN, policy.QUIT_WITHIN, policy.SETTLED_AFTER) == (2.0, 2.0, 5.0)
    assert (policy.BURST_WITHIN, policy.BURST_EACH, policy.BURST_LEAST) == (60.0, 5, 10)


def test_the_limits_that_nobody_can_set():
    """As they are described for operators; seconds, and characters of stacks."""
    assert (policy.STACKS_WITHIN, policy.STACKS_REST_WITHIN, policy.ABORT_WITHIN, policy.QUIT_WITHIN) == (
        1.0,
        0.1,
        2.0,
        2.0,
    )
    assert policy.STACKS_MOST == 262144
    assert (policy.SETTLED_AFTER, policy.UNREAD_FOR) == (5.0, 1.0)
    assert (policy.BURST_WITHIN, policy.burst_of(1), policy.burst_of(2), policy.burst_of(3)) == (60.0, 10, 10, 15)
