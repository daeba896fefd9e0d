"""How many workers a pool wants."""

from __future__ import annotations

import pytest

from prefork.arbiter.scaling import Scale, surge_of
from prefork.config.models import Pool


def test_signals_add_to_the_number_of_the_file():
    """One more, one fewer."""
    scale = Scale(4)
    assert scale.change(+1)
    assert scale.wanted == 5
    assert scale.change(-1)
    assert scale.change(-1)
    assert scale.wanted == 3


def test_the_last_worker_stays():
    """A pool without a worker would accept nobody."""
    scale = Scale(1)
    assert not scale.change(-1)
    assert scale.wanted == 1


def test_an_adjustment_outlives_a_reload_that_leaves_the_number():
    """Fault 18: it is lost only to a new number in the file."""
    scale = Scale(4)
    scale.change(+2)
    assert scale.reloaded(4).wanted == 6
    assert scale.reloaded(8).wanted == 8


@pytest.mark.parametrize(
    ("surge", "wanted", "workers"),
    [("25%", 4, 1), ("25%", 5, 2), ("25%", 1, 1), ("0%", 10, 1), ("100%", 3, 3), (0, 4, 1), (3, 4, 3), ("12.5%", 8, 1)],
)
def test_a_surge_is_a_share_or_a_number_and_at_least_one(surge: str | int, wanted: int, workers: int):
    """Without one worker above the number no roll could move."""
    pool = Pool.model_construct(surge=surge)
    assert surge_of(pool, wanted) == workers
