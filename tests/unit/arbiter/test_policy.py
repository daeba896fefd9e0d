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


def test_boots_that_fail_wait_longer_and_longer():
    """1 s, times 1.5, at most 30 s, from the death on."""
    backoff = Backoff()
    delays = [backoff.died_booting(100.0) for _ in range(12)]
    assert delays[:3] == [1.0, 1.5, 2.25]
    assert delays[-1] == 30.0
    assert delays == sorted(delays)
    assert backoff.not_before == 130.0


def test_the_first_death_of_a_ready_worker_costs_nothing():
    """One that was killed is replaced at once; if the next dies young as well, there is a pattern."""
    backoff = Backoff()
    assert backoff.died_young(100.0) == 0.0
    assert backoff.not_before == 0.0
    assert backoff.died_young(101.0) == 1.0
    assert backoff.not_before == 102.0


def test_a_worker_that_stays_up_ends_it():
    """What was is forgotten."""
    backoff = Backoff()
    backoff.died_booting(100.0)
    backoff.settled()
    assert backoff == Backoff()
    assert backoff.died_young(200.0) == 0.0


@pytest.mark.parametrize("failures", [100, 10_000])
def test_it_never_overflows(failures: int):
    """A pool may keep dying for weeks."""
    assert Backoff(failures=failures).died_booting(0.0) == 30.0
