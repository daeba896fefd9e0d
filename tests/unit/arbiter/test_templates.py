"""Templates: where workers are forked from, and how a warm worker becomes the next one."""

from __future__ import annotations

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import Worker
from tests.unit.arbiter.service import Service


@pytest.fixture
def service() -> Service:
    """Two workers of a pool that preloads, and is reforked at 10 and at 100 requests."""
    return Service({"web": 2}, pool={"preload": True, "refork": [10, 100]}).up()


def templates(service: Service) -> list[Worker]:
    return service.master.fleet.templates


def warm(service: Service) -> list[orders.Order]:
    return service.tell(facts.WorkerWarm(service.master.fleet.of("web")[0].id))


def test_workers_are_told_when_they_are_warm(service: Service):
    """Each level has its number; the last has none."""
    assert {order.warm_at for order in service.told(orders.SpawnWorker)} == {10}
    [spawn] = warm(service)
    assert isinstance(spawn, orders.SpawnTemplate)
    assert spawn.source == service.master.fleet.of("web")[0].id


def test_one_at_a_time(service: Service):
    """While one boots, nobody else is asked."""
    warm(service)
    assert service.tell(facts.WorkerWarm(service.master.fleet.of("web")[1].id)) == []


def test_the_former_one_goes_and_its_workers_are_replaced_one_by_one(service: Service):
    """The replacement is ready first, as with all recycling, and comes from the new one."""
    former = templates(service)[0]
    [spawn] = warm(service)
    given = service.tell(facts.WorkerReady(spawn.worker))
    assert orders.RetireWorker(former.id, drain=False) in given
    [replacement] = [order for order in given if isinstance(order, orders.SpawnWorker)]
    assert (replacement.template, replacement.warm_at) == (spawn.worker, 100)
    assert [order.worker for order in given if isinstance(order, orders.RetireWorker)] == [former.id]
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
    assert not templates(service)[-1].refused


def test_a_worker_of_a_former_level_or_generation_does_not_count(service: Service):
    """It knows less than the present template does."""
    [spawn] = warm(service)
    service.tell(facts.WorkerReady(spawn.worker))
    assert not [order for order in warm(service) if isinstance(order, orders.SpawnTemplate)]
