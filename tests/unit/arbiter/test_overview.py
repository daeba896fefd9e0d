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
