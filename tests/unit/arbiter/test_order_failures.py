"""Orders that could not be carried out: which fact each failure stands for, and which are still wanted later."""

from __future__ import annotations

from signal import Signals

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.attempt import AttemptState
from tests.unit.arbiter.service import Service, config


def failed(service: Service, order: orders.Order) -> list[orders.Order]:
    return service.tell(facts.OrderFailed(order, "EIO"))


def tried_again(service: Service, order: orders.Order) -> bool:
    """Whether the order is given again a second later."""
    failed(service, order)
    service.given.clear()
    service.pass_time(1.0)
    return order in service.given


def test_a_spawn_that_raised_is_a_spawn_that_failed():
    """There is no such process, and the next is forked after a pause."""
    service = Service({"web": 2}).up()
    service.greets = False
    service.die(1)
    [spawn] = [order for order in service.told(orders.SpawnWorker) if order.worker == 3]
    failed(service, spawn)
    assert service.reports("spawn_failed") == [{"pool": "web", "reason": "EIO", "next_try_in": 1.0}]
    assert service.lives() == {"web": ["ready"]}


@pytest.mark.parametrize("step", [orders.LoadConfig, orders.OpenListeners])
def test_a_reload_that_raised_is_refused(step: type[orders.Order]):
    """With what was raised."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    if step is orders.OpenListeners:
        service.tell(facts.ConfigLoaded(config()))
    failed(service, service.told(step)[0])
    assert [told["reason"] for told in service.reports("reload_refused")] == ["EIO"]
    assert service.master.reload.trial is None


def test_a_successor_that_could_not_be_executed_is_an_upgrade_that_failed():
    """The next one can be asked for."""
    service = Service().up()
    service.tell(facts.UpgradeRequested())
    failed(service, orders.Reexec())
    assert [told["reason"] for told in service.reports("upgrade_failed")] == ["EIO"]
    assert service.master.upgrade.last.state is AttemptState.FAILED


def test_memory_that_could_not_be_measured_refuses_the_scale():
    """The pool keeps its number."""
    service = Service().up()
    failed(service, orders.MeasureRoom("web", 9, force=False, like=(1,)))
    assert service.reports("scale_refused") == [
        {"pool": "web", "reason": "the memory could not be measured: EIO"},
    ]


def test_logs_that_could_not_be_opened_are_a_failure_of_the_attempt():
    """Whoever asked is told."""
    service = Service().up()
    service.tell(facts.ReopenRequested())
    failed(service, orders.ReopenLogs())
    assert (service.master.reopening.state, service.master.reopening.reason) == (AttemptState.FAILED, "EIO")


@pytest.mark.parametrize("kind", ["retire", "kill", "watch"])
def test_an_order_about_a_worker_is_wanted_while_there_is_that_worker(kind: str):
    """It is given again, once it has failed; not when the worker has ended meanwhile."""
    order = {
        "retire": orders.RetireWorker(1, drain=False),
        "kill": orders.KillWorker(1, Signals.SIGQUIT),
        "watch": orders.WatchWorker(1, watching=True),
    }[kind]
    assert tried_again(Service().up(), order)
    service = Service().up()
    failed(service, order)
    service.die(1)
    service.given.clear()
    service.pass_time(2.0)
    assert order not in service.given


def test_a_generation_is_adopted_later_only_while_it_is_in_force():
    """Another one has its own order."""
    service = Service().up()
    assert tried_again(service, orders.AdoptGeneration(1, service.master.config))
    assert not tried_again(service, orders.AdoptGeneration(2, service.master.config))


def test_a_predecessor_is_retired_later_only_while_there_is_one():
    """It has ended otherwise."""
    service = Service().up()
    service.master.predecessor = True
    assert tried_again(service, orders.RetirePredecessor())
    service = Service().up()
    assert not tried_again(service, orders.RetirePredecessor())


def test_a_successor_is_killed_later_while_it_is_there_and_the_pidfile_is_ours_when_it_is_not():
    """One excludes the other."""
    kill, restore = orders.KillSuccessor(Signals.SIGTERM), orders.RestorePidfile()
    service = Service().up()
    assert not tried_again(service, kill)
    assert tried_again(service, restore)
    service = Service().up()
    service.tell(facts.UpgradeRequested())
    service.tell(facts.SuccessorStarted(77))
    assert tried_again(service, kill)
    assert not tried_again(service, restore)


@pytest.mark.parametrize("order", [orders.AnnounceReady(), orders.CloseUnclaimed()])
def test_what_concerns_the_service_as_a_whole_is_wanted_whatever_happens(order: orders.Order):
    """Whoever waits for it waits on."""
    assert tried_again(Service().up(), order)


def test_a_warm_worker_that_could_not_be_forked_from_costs_its_pool_nothing():
    """Another one will be the next template."""
    service = Service({"web": 2}, pool={"preload": True, "refork": [10]}).up()
    [spawn] = service.tell(facts.WorkerWarm(service.master.fleet.of("web")[0].id, 10))
    assert isinstance(spawn, orders.SpawnTemplate)
    assert service.tell(facts.SpawnFailed(spawn.worker, "EAGAIN")) == []
    assert service.master.pools.backoff_of("web").failures == 0
    assert service.tell(facts.SpawnFailed(99, "EAGAIN")) == []


def test_a_traceback_of_one_that_boots_is_kept_and_no_other():
    """Who has been ready did not fail to boot, whatever it says."""
    service = Service({"web": 2}).up()
    service.tell(facts.BootFailed(1, "Traceback"))
    assert service.worker(1).life.failure == ""
    assert service.tell(facts.BootFailed(99, "Traceback")) == []
    service.die(2)
    service.tell(facts.BootFailed(3, "Traceback"))
    assert service.worker(3).life.failure == "Traceback"
