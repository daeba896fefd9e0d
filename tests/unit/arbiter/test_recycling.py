"""Fresh workers for worn ones: one at a time, and ready first."""

from __future__ import annotations

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import Fleet, WorkerState
from prefork.arbiter.recycling import whose_turn
from tests.unit.arbiter.service import Service


def test_the_replacement_is_ready_before_the_old_one_retires():
    """The pool is never short of a ready worker."""
    service = Service({"web": 2}).up()
    service.tell(facts.RecycleDue(1, "requests"))
    assert service.lives() == {"web": ["ready", "ready", "booting"]}
    assert service.told(orders.RetireWorker) == []
    service.tell(facts.WorkerReady(3))
    assert service.lives() == {"web": ["retiring", "ready", "ready"]}
    service.die(1, "exit code 0")
    assert service.reports("worker_retired")[0]["reason"] == "recycled (requests)"
    assert service.asleep


def test_one_at_a_time_in_each_pool():
    """The next one's turn comes when the last has gone; pools do not wait for each other."""
    service = Service({"web": 3, "api": 1}).up()
    for worker in (1, 2, 4):
        service.tell(facts.RecycleDue(worker, "memory"))
    assert service.lives()["web"].count("booting") == 1
    assert service.lives()["api"].count("booting") == 1
    service.all_ready()
    assert service.lives() == {"web": ["retiring", "ready", "ready", "ready"], "api": ["retiring", "ready"]}
    service.die(1, "exit code 0")
    assert service.lives()["web"] == ["ready", "ready", "ready", "booting"]


def test_a_replacement_that_cannot_boot_leaves_the_old_one_serving():
    """Worn is better than none."""
    service = Service().up()
    service.tell(facts.RecycleDue(1, "requests"))
    service.tell(facts.BootFailed(2, "ImportError"))
    service.die(2, "exit code 70")
    assert service.state(1) == "ready"
    service.pass_time(1.0)
    service.all_ready()
    assert service.state(1) == "retiring"


def test_nobody_is_recycled_beside_a_roll():
    """T. Who is worn of the old generation is replaced by the roll, and who is of the new one waits for its end."""
    service = Service({"web": 3}).up()
    service.tell(facts.RecycleDue(1, "requests"))
    service.tell(facts.BootFailed(4, ""))
    service.die(4, "exit code 70")  # the replacement cannot boot: it waits
    service.reload()
    while booting := [w.id for w in service.master.fleet if w.state.value == "booting"]:
        service.tell(facts.WorkerReady(booting[0]))
        service.tell(facts.RecycleDue(booting[0], "requests"))
        if service.master.generation == 2 and "ready" in service.lives(generation=1).get("web", []):
            assert not [
                told for told in service.told(orders.RetireWorker) if service.worker(told.worker).generation == 2
            ]
            assert service.lives()["web"].count("ready") + service.lives()["web"].count("booting") <= 4
            break
    else:
        raise AssertionError("there was never a worn worker of the new generation beside a roll")
    old = [worker.life.cause for worker in service.master.fleet if worker.generation == 1 and worker.life.cause]
    assert set(old) == {"replaced by a new generation"}


def test_whose_turn_it_is_waits_for_a_generation_that_goes():
    """T. Also for one that still boots, and not for one that retires: that takes no connection any more."""
    service = Service({"web": 3}).up()
    old, young, worn = service.master.fleet.of("web")
    service.tell(facts.RecycleDue(worn.id, "memory"))
    assert whose_turn([young, worn], 1) is worn
    for state, turn in ((WorkerState.READY, None), (WorkerState.BOOTING, None), (WorkerState.RETIRING, worn)):
        former = Fleet().enlist("web", old.settings, 0, 0.0)
        former.life.state = state
        assert whose_turn([former, young, worn], 1) is turn
        assert whose_turn([young, worn, former], 1) is turn


def test_a_reload_renews_all_anyway():
    """The one that was worn as well, whose replacement was on its way."""
    service = Service({"web": 3}).up()
    service.tell(facts.RecycleDue(1, "requests"))
    service.reload()
    service.all_ready()
    assert [order.worker for order in service.told(orders.RetireWorker)].count(1) == 1
    assert all(worker.life.unwanted for worker in service.master.fleet if worker.generation == 1)
    service.retired_go()
    assert service.lives() == {"web": ["ready", "ready", "ready"]}
    assert {worker.generation for worker in service.master.fleet} == {2}


def test_one_that_retires_already_is_not_worn():
    """T. What it says now is too late: nobody is forked for it, and the log gives the cause that it had."""
    service = Service({"web": 2}).up()
    service.tell(facts.ScaleRequested(-1))
    service.given.clear()
    assert service.tell(facts.RecycleDue(1, "requests")) == []
    assert service.worker(1).life.worn == ""
    assert service.tell(facts.RecycleDue(99, "requests")) == []  # nor one that has ended
    service.die(1, "exit code 0")
    assert service.reports("worker_retired")[0]["reason"] == "scaled down"
    assert service.lives() == {"web": ["ready"]}


def test_age_is_the_masters_to_know_and_workers_take_turns():
    """Each within the jitter before the age, and never two at one moment."""
    service = Service({"web": 4}, pool={"recycle": {"age": 1000.0, "jitter": 0.2}}).up()
    born = service.now
    service.pass_time(799.0)
    assert service.lives() == {"web": ["ready"] * 4}
    ages = []
    for _ in range(4):
        service.pass_time(service.master.deadline() - service.now)
        ages.append(service.now - born)
        service.all_ready()
        service.retired_go()
    assert [told["worker"] for told in service.reports("worker_retired")] != [1, 2, 3, 4]
    assert all(800.0 <= age <= 1000.0 for age in ages)
    assert len(set(ages)) == 4
