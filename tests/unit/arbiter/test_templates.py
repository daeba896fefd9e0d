"""Templates: where workers are forked from, and how a warm worker becomes the next one."""

from __future__ import annotations

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import Worker
from tests.unit.arbiter.service import Service, config


@pytest.fixture
def service() -> Service:
    """Two workers of a pool that preloads, and is reforked at 10 and at 100 requests."""
    return Service({"web": 2}, pool={"preload": True, "refork": [10, 100]}).up()


def templates(service: Service) -> list[Worker]:
    return service.master.fleet.templates


def warm(service: Service) -> list[orders.Order]:
    return service.tell(facts.WorkerWarm(service.master.fleet.of("web")[0].id, 1000))


def test_workers_are_told_when_they_are_warm(service: Service):
    """Each level has its number; the last has none."""
    assert {order.warm_at for order in service.told(orders.SpawnWorker)} == {10}
    [spawn] = warm(service)
    assert isinstance(spawn, orders.SpawnTemplate)
    assert spawn.source == service.master.fleet.of("web")[0].id


def test_one_at_a_time(service: Service):
    """While one boots, nobody else is asked."""
    warm(service)
    assert service.tell(facts.WorkerWarm(service.master.fleet.of("web")[1].id, 1000)) == []


def test_the_former_one_goes_and_its_workers_are_replaced_one_by_one(service: Service):
    """The replacement is ready first, as with all recycling, and comes from the new one."""
    former = templates(service)[0]
    [spawn] = warm(service)
    given = service.tell(facts.WorkerReady(spawn.worker))
    assert orders.KillWorker(former.id, 3) in given
    [replacement] = [order for order in given if isinstance(order, orders.SpawnWorker)]
    assert (replacement.template, replacement.warm_at) == (spawn.worker, 100)
    assert not [order for order in given if isinstance(order, orders.RetireWorker)]
    assert [o for o in service.tell(facts.WorkerReady(replacement.worker)) if isinstance(o, orders.RetireWorker)]


def test_one_that_fails_changes_nothing_and_is_not_tried_again(service: Service):
    """No back-off, no death of the pool: a warning, and the present template stays."""
    present = templates(service)[0]
    [spawn] = warm(service)
    service.tell(facts.BootFailed(spawn.worker, "a socket is open"))
    [refused] = service.die(spawn.worker, "exit code 70")
    assert isinstance(refused, orders.Report)
    assert (refused.level, refused.event) == ("warning", "refork_refused")
    assert "a socket is open" in str(refused.fields["reason"])
    assert templates(service) == [present]
    assert warm(service) == []
    service.reload()
    service.all_ready()
    assert not templates(service)[-1].life.refused


def test_a_worker_of_a_former_level_does_not_count(service: Service):
    """T. It knows less than the present template does; one that was forked from that does count."""
    [spawn] = warm(service)
    service.tell(facts.WorkerReady(spawn.worker))
    [former, *_] = service.master.fleet.of("web")
    assert (former.level, former.ready) == (0, True)
    assert service.tell(facts.WorkerWarm(former.id, 10**6)) == []
    service.all_ready()
    service.retired_go()
    child = next(worker for worker in service.master.fleet.of("web") if worker.level == 1)
    [further] = service.tell(facts.WorkerWarm(child.id, 10**6))
    assert isinstance(further, orders.SpawnTemplate)
    assert further.source == child.id


def test_a_warm_canary_does_not_count(service: Service):
    """T. Its generation is on trial: a template of it would be made with the configuration that is still in force."""
    new = config({"web": 2}, pool={"preload": True, "refork": [5]})
    service.reload(new)
    service.tell(facts.WorkerReady(templates(service)[-1].id))
    [canary] = [worker for worker in service.master.fleet.of("web") if worker.generation == 2]
    service.tell(facts.WorkerReady(canary.id))
    assert service.master.generation == 2
    service.reload(config({"web": 2, "api": 1}, pool={"preload": True, "refork": [5]}))
    service.tell(
        facts.WorkerReady(next(one.id for one in templates(service) if (one.pool, one.generation) == ("web", 3)))
    )
    [canary] = [worker for worker in service.master.fleet.of("web") if worker.generation == 3]
    service.tell(facts.WorkerReady(canary.id))
    assert (service.master.generation, service.master.reload.trial is not None) == (2, True)
    assert canary.ready
    assert service.tell(facts.WorkerWarm(canary.id, 10**6)) == []


def test_a_worker_of_a_former_generation_does_not_count(service: Service):
    """T. It is about to be replaced, and so is what it was forked from."""
    service.reload()
    old = service.master.fleet.of("web")[0]
    service.tell(facts.WorkerReady(templates(service)[-1].id))
    [canary] = [worker for worker in service.master.fleet.of("web") if worker.generation == 2]
    service.tell(facts.WorkerReady(canary.id))
    assert service.master.generation == 2
    still = next(worker for worker in service.master.fleet.of("web") if worker.generation == 1 and worker.ready)
    assert service.tell(facts.WorkerWarm(still.id, 10**6)) == []
    assert old.generation == 1


def test_a_worker_that_says_it_is_warm_before_it_is_due_is_not_believed(service: Service):
    """M7. Its row has to agree: an attacker does not become the template of its pool by a word."""
    worker = service.master.fleet.of("web")[0]
    assert service.tell(facts.WorkerWarm(worker.id, 9)) == []
    assert service.tell(facts.WorkerWarm(worker.id, 10))


def test_without_refork_nobody_is_believed_to_be_warm():
    """M7. A pool that preloads and does not refork keeps its template, whatever a worker says."""
    service = Service({"web": 2}, pool={"preload": True}).up()
    assert service.tell(facts.WorkerWarm(service.master.fleet.of("web")[0].id, 2**64 - 1)) == []


def test_nobody_is_warm_beyond_the_last_level():
    """M7. Where each number of refork has been reached, a worker of the last template is none."""
    service = Service({"web": 2}, pool={"preload": True, "refork": [10]}).up()
    [spawn] = warm(service)
    [replacement] = [
        order for order in service.tell(facts.WorkerReady(spawn.worker)) if isinstance(order, orders.SpawnWorker)
    ]
    service.tell(facts.WorkerReady(replacement.worker))
    assert service.tell(facts.WorkerWarm(replacement.worker, 1000)) == []
