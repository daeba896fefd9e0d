"""The state of the service as one value."""

from __future__ import annotations

import json

from prefork.arbiter import facts
from prefork.arbiter.overview import overview
from tests.unit.arbiter.service import Service


def test_it_is_plain_and_tells_of_pools_and_workers():
    """JSON takes it as it is, without infinities."""
    service = Service({"web": 2, "api": 1}).up()
    found = overview(service.master, {}, service.now)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["state"] == "serving"
    assert found["generation"] == 1
    assert found["pools"]["web"] == {"wanted": 2, "ready": 2, "failures": 0, "next_try_in": 0.0}
    assert [(worker["pool"], worker["worker"]) for worker in found["workers"]] == [("web", 1), ("web", 2), ("api", 1)]
    assert {worker["state"] for worker in found["workers"]} == {"ready"}


def test_a_request_is_told_with_its_age():
    """As the scoreboard has it."""
    service = Service().up()
    [worker] = list(service.master.fleet)
    rows = {worker.id: facts.RequestSeen(service.now - 2.5, "GET / HTTP/1.1", 7)}
    [told] = overview(service.master, rows, service.now)["workers"]
    assert (told["request"], told["busy_seconds"], told["served"]) == ("GET / HTTP/1.1", 2.5, 7)


def test_a_reload_is_told_from_its_beginning_to_its_end():
    """With the faults that refused it."""
    service = Service().up()
    assert overview(service.master, {}, service.now)["reload"] is None
    service.tell(facts.ReloadRequested())
    assert overview(service.master, {}, service.now + 1)["reload"] == {
        "state": "loading",
        "began_seconds_ago": 1.0,
        "faults": [],
    }
    service.tell(facts.ReloadRefused(("no such file",)))
    told = overview(service.master, {}, service.now + 2)["reload"]
    assert (told["state"], told["ended_seconds_ago"], told["faults"]) == ("refused", 2.0, ["no such file"])


def test_a_pool_that_waits_says_for_how_long():
    """After a death before it was ready."""
    service = Service().up()
    service.die(next(iter(service.master.fleet)).id)
    service.die(next(iter(service.master.fleet)).id)
    told = overview(service.master, {}, service.now)["pools"]["web"]
    assert told["failures"] > 0
    assert told["next_try_in"] > 0


def test_an_upgrade_is_told_with_its_stage():
    """And whose successor it is."""
    service = Service().up()
    service.tell(facts.UpgradeRequested(auto=True))
    service.tell(facts.SuccessorStarted(77))
    assert overview(service.master, {}, service.now)["upgrade"] == {"state": "started", "successor": 77}


def test_a_worker_is_told_with_all_that_is_known_of_it():
    """How old it is, and where it applies why it was asked to end, or will be."""
    service = Service({"web": 1, "api": 2}).up()
    service.tell(facts.RecycleDue(1, "memory"), after=1.25)
    service.tell(facts.ScaleRequested(pool="api", workers=1))
    rows = {1: facts.RequestSeen(service.now - 0.12345, "GET / HTTP/1.1", 9)}
    first, second, *_rest = overview(service.master, rows, service.now)["workers"]
    about = {"generation": 1, "worker": 1, "kind": "worker", "age": 1.2}
    assert first == {
        **about,
        "pool": "web",
        "pid": 1001,
        "state": "ready",
        "served": 9,
        "recycle_due": "memory",
        "request": "GET / HTTP/1.1",
        "busy_seconds": 0.123,
    }
    assert second == {
        **about,
        "pool": "api",
        "pid": 1002,
        "state": "retiring",
        "served": 0,
        "cause": "scaled down",
    }


def test_only_ready_workers_of_the_generation_in_force_are_ready():
    """Not those that a roll has yet to replace."""
    service = Service({"web": 2}).up()
    service.reload()
    service.tell(facts.WorkerReady(3))
    told = overview(service.master, {}, service.now)
    assert (told["generation"], told["pools"]["web"]["ready"], told["pools"]["web"]["wanted"]) == (2, 1, 2)


def test_the_pause_of_a_pool_is_told_to_the_tenth_and_ends_at_nought():
    """What is over is not negative."""
    service = Service({"web": 1}).up()
    service.forks = False
    service.die(1)
    told = overview(service.master, {}, service.now + 0.04)["pools"]["web"]
    assert told == {"wanted": 1, "ready": 0, "failures": 1, "next_try_in": 0.1}
    assert overview(service.master, {}, service.now + 9.0)["pools"]["web"]["next_try_in"] == 0.0


def test_paused_workers_and_a_predecessor_are_told():
    """As truth values."""
    service = Service().up()
    told = overview(service.master, {}, service.now)
    assert (told["paused"], told["predecessor"]) == (False, False)
    service.tell(facts.PauseRequested())
    assert overview(service.master, {}, service.now)["paused"] is True


def test_times_of_a_reload_are_told_to_the_millisecond():
    """Its beginning, and its end where there is one."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    service.tell(facts.ReloadRefused(("no",)), after=0.5)
    told = overview(service.master, {}, service.now + 1.23456)["reload"]
    assert (told["began_seconds_ago"], told["ended_seconds_ago"]) == (1.735, 1.235)
