"""How many workers a pool has, and what it needs next while one generation replaces another."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.arbiter.fleet import Life, Worker, WorkerState
from prefork.arbiter.rolling import Scale, owed, surge_of
from prefork.config.models import Pool

POOL = Pool(app="a:b")
LETTERS = {"b": WorkerState.BOOTING, "r": WorkerState.READY, "x": WorkerState.RETIRING}


def pool(old: str, new: str) -> list[Worker]:
    """A letter a worker: b booting, r ready, x retiring; first the old generation 1, then the new 2."""
    lives = [(1, LETTERS[letter]) for letter in old] + [(2, LETTERS[letter]) for letter in new]
    return [
        Worker(number, "web", number, number, generation, POOL, float(number), Life(inf, state))
        for number, (generation, state) in enumerate(lives, start=1)
    ]


def due(old: str, new: str, wanted: int, surge: int = 1) -> tuple[int, list[int]]:
    found = owed(pool(old, new), wanted=wanted, surge=surge, generation=2)
    return found.spawn, [worker.id for worker in found.retire]


def test_an_empty_pool_is_filled():
    """All at once: nobody is above the number."""
    assert due("", "", wanted=3) == (3, [])
    assert due("", "br", wanted=3) == (1, [])
    assert due("", "rrr", wanted=3) == (0, [])


def test_who_retires_counts_no_more():
    """A replacement need not wait for the end of the one that it replaces."""
    assert due("", "rrx", wanted=3) == (1, [])
    assert due("xx", "rr", wanted=2) == (0, [])


def test_a_roll_goes_by_the_surge():
    """So many above the number; each new one that is ready retires an old one, and makes room for the next."""
    assert due("rrr", "", wanted=3) == (1, [])
    assert due("rrr", "b", wanted=3) == (0, [])
    assert due("rrr", "r", wanted=3) == (0, [1])
    assert due("xrr", "r", wanted=3) == (1, [])
    assert due("xxr", "rr", wanted=3) == (1, [])
    assert due("xxr", "rrr", wanted=3) == (0, [3])
    assert due("rrr", "", wanted=3, surge=9) == (3, [])


def test_an_old_one_that_boots_is_not_waited_for():
    """It would be replaced the moment it was ready."""
    assert due("rb", "", wanted=2) == (2, [2])


def test_fewer_are_wanted():
    """First those that serve nobody yet, then the oldest; never below the number."""
    assert due("", "rrrb", wanted=2) == (0, [4, 1])
    assert due("", "rrr", wanted=0) == (0, [1, 2, 3])


def test_fewer_are_wanted_in_the_middle_of_a_roll():
    """The old ones go first."""
    assert due("rr", "r", wanted=1) == (0, [1, 2])


@given(st.text("brx", max_size=8), st.text("brx", max_size=8), st.integers(0, 6), st.integers(1, 4))
def test_whatever_there_is_a_pool_gets_nearer_and_ready_capacity_stays(old: str, new: str, wanted: int, surge: int):
    """Ready ones are retired only above the number; nobody is forked above the number and the surge."""
    workers = pool(old, new)
    found = owed(workers, wanted=wanted, surge=surge, generation=2)
    ready = sum(worker.ready for worker in workers)
    left = ready - sum(worker.ready for worker in found.retire)
    assert left >= min(ready, wanted)
    serving = [worker for worker in workers if worker.serving and worker not in found.retire]
    assert not found.spawn or len(serving) + found.spawn <= wanted + surge
    assert sum(w.generation == 2 for w in serving) + found.spawn <= max(wanted, 0)
    assert len(set(map(id, found.retire))) == len(found.retire)
    assert all(worker.serving for worker in found.retire)


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
