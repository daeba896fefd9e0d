"""How many workers a pool has, and what it needs next while one generation replaces another."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.arbiter.facts import RoomMeasured
from prefork.arbiter.fleet import Life, Worker, WorkerState
from prefork.arbiter.rolling import Scale, no_room, owed, surge_of
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


def due(old: str, new: str, wanted: int, surge: int = 1, batch: int = 99) -> tuple[int, list[int]]:
    found = owed(pool(old, new), wanted=wanted, surge=surge, generation=2, batch=batch)
    return found.spawn, [worker.id for worker in found.retire]


def test_an_empty_pool_is_filled():
    """All at once: nobody is above the number."""
    assert due("", "", wanted=3) == (3, [])
    assert due("", "br", wanted=3) == (1, [])
    assert due("", "rrr", wanted=3) == (0, [])


def test_no_more_boot_at_a_time_than_a_batch():
    """M12. The others follow as those get ready; who retires before it is ready is not waited for."""
    assert due("", "", wanted=9, batch=4) == (4, [])
    assert due("", "bbr", wanted=9, batch=4) == (2, [])
    assert due("", "bbbb", wanted=9, batch=4) == (0, [])
    assert due("", "bbbbb", wanted=9, batch=4) == (0, [])
    assert due("", "xxxx", wanted=9, batch=4) == (4, [])
    assert due("bb", "", wanted=9, batch=4) == (4, [1, 2])


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


@given(st.text("brx", max_size=8), st.text("brx", max_size=8), st.integers(0, 6), st.integers(1, 4), st.integers(1, 4))
def test_whatever_there_is_a_pool_gets_nearer_and_ready_capacity_stays(
    old: str, new: str, wanted: int, surge: int, batch: int
):
    """Ready ones are retired only above the number; nobody is forked above the number and the surge, or the batch."""
    workers = pool(old, new)
    found = owed(workers, wanted=wanted, surge=surge, generation=2, batch=batch)
    ready = sum(worker.ready for worker in workers)
    left = ready - sum(worker.ready for worker in found.retire)
    assert left >= min(ready, wanted)
    serving = [worker for worker in workers if worker.serving and worker not in found.retire]
    assert not found.spawn or len(serving) + found.spawn <= wanted + surge
    assert sum(w.generation == 2 for w in serving) + found.spawn <= max(wanted, 0)
    assert not found.spawn or sum(w.generation == 2 and not w.ready for w in serving) + found.spawn <= batch
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
    [
        ("25%", 4, 1),
        ("25%", 5, 2),
        ("25%", 1, 1),
        ("0%", 10, 1),
        ("100%", 3, 3),
        (0, 4, 1),
        (3, 4, 3),
        ("12.5%", 8, 1),
        ("1%", 101, 2),
    ],
)
def test_a_surge_is_a_share_or_a_number_and_at_least_one(surge: str | int, wanted: int, workers: int):
    """Without one worker above the number no roll could move."""
    pool = Pool.model_construct(surge=surge)
    assert surge_of(pool, wanted) == workers


def room(workers: int, *, force: bool = False, available: int = 0, each: int = 0) -> RoomMeasured:
    return RoomMeasured("web", workers, force, available, each, rows=1024)


def test_more_workers_are_refused_where_there_is_no_memory_for_them():
    """M12. What is available, divided by what a ready worker has for itself, beside those that are there."""
    mib = 1024 * 1024
    assert no_room(room(14, available=1000 * mib, each=100 * mib), present=4, taken=0) == ""
    assert no_room(room(15, available=1000 * mib, each=100 * mib), present=4, taken=0) == (
        "memory for 14 workers: 1000 MiB are available, a worker has 100.0 MiB (--force overrides)"
    )
    assert no_room(room(15, force=True, available=1000 * mib, each=100 * mib), present=4, taken=0) == ""


@pytest.mark.parametrize(("available", "each"), [(0, 0), (0, 5), (5, 0)])
def test_where_memory_is_not_known_there_is_a_fixed_bound(available: int, each: int):
    """M12. Sixty-four, or as many as there are."""
    assert no_room(room(64, available=available, each=each), present=4, taken=0) == ""
    refused = no_room(room(65, available=available, each=each), present=4, taken=0)
    assert refused == "the memory that a worker needs is not known; more than 64 workers need --force"
    assert no_room(room(65, force=True, available=available, each=each), present=4, taken=0) == ""
    assert no_room(room(70, available=available, each=each), present=70, taken=0) == ""


def test_the_scoreboard_is_a_bound_that_nothing_overrides():
    """M12. A worker has a row there."""
    assert no_room(room(1000, force=True), present=1, taken=24) == ""
    refused = no_room(room(1001, force=True), present=1, taken=24)
    assert refused == "the scoreboard has rows for 1000 workers of pool web, not for 1001"
    assert "rows for 0 workers" in no_room(room(1, force=True), present=1, taken=2000)
