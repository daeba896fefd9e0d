"""Templates: where workers are forked from, and how a warm worker becomes the next one."""

from __future__ import annotations

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import Worker, WorkerState
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
    assert orders.RetireWorker(former.id, drain=False) in given
    [replacement] = [order for order in given if isinstance(order, orders.SpawnWorker)]
    assert (replacement.template, replacement.warm_at) == (spawn.worker, 100)
    assert [order.worker for order in given if isinstance(order, orders.RetireWorker)] == [former.id]
    assert [o for o in service.tell(facts.WorkerReady(replacement.worker)) if isinstance(o, orders.RetireWorker)]


def unborn(service: Service) -> tuple[Worker, Worker]:
    """A worker that its template has been told to fork and has not, and that template."""
    service.greets = False
    service.die(service.master.fleet.of("web")[1].id)
    service.greets = True
    [worker] = [one for one in service.master.fleet.of("web") if not one.pid]
    return worker, service.worker(worker.source)


def dismissed(service: Service) -> list[int]:
    """The templates that were told to go."""
    known = {order.worker for order in service.told(orders.SpawnTemplate)}
    return [order.worker for order in service.told(orders.RetireWorker) if order.worker in known]


def test_a_template_that_is_still_to_fork_a_worker_does_not_go(service: Service):
    """A warmer one is ready meanwhile: the worker would be lost, though nothing is wrong with it."""
    waiting, former = unborn(service)
    [spawn] = warm(service)
    service.tell(facts.WorkerReady(spawn.worker))
    assert dismissed(service) == []
    service.tell(facts.WorkerSpawned(waiting.id, 4711))
    assert dismissed(service) == [former.id]


def test_nor_does_that_of_a_former_generation(service: Service):
    """The worker was told to retire; it may be on its way all the same."""
    waiting, former = unborn(service)
    service.reload()
    service.tell(facts.WorkerReady(templates(service)[-1].id))
    [canary] = [worker for worker in service.master.fleet.of("web") if worker.generation == 2]
    service.tell(facts.WorkerReady(canary.id))
    assert service.master.generation == 2
    assert waiting.life.unwanted
    assert dismissed(service) == []
    service.die(waiting.id, "it was not forked")
    assert dismissed(service) == [former.id]


def test_a_worker_that_was_told_to_go_and_never_forked_is_no_death(service: Service):
    """A stop ends the template, and with it the fork."""
    waiting, _template = unborn(service)
    service.tell(facts.StopRequested(graceful=True, signal="TERM"))
    before = len(service.reports("worker_died"))
    service.die(waiting.id, "it was not forked")
    assert len(service.reports("worker_died")) == before
    assert service.reports("worker_retired")[-1]["pid"] == 0


def test_a_fork_that_does_not_come_is_held_against_the_template_that_owes_it(service: Service):
    """Not against the warmer one that is ready by then."""
    waiting, former = unborn(service)
    [spawn] = warm(service)
    service.tell(facts.WorkerReady(spawn.worker))
    service.pass_time(waiting.life.deadline - service.now)
    assert service.state(former.id) == "stuck"
    assert service.state(spawn.worker) == "ready"


def test_a_template_that_owes_two_forks_takes_one_step_for_both():
    """Each of its workers is overdue at the same moment: it is stuck once, and its stacks are awaited."""
    service = Service({"web": 2}, pool={"preload": True})
    service.greets = False
    service.tell(facts.TimePassed())
    [template] = templates(service)
    service.tell(facts.WorkerReady(template.id))
    assert len(service.master.fleet.of("web")) == 2
    service.pass_time(service.worker(template.id).settings.timeout.boot)
    assert service.state(template.id) == "stuck"


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


def test_a_pool_that_does_not_preload_has_no_template():
    """The master forks its workers, and they have no source."""
    service = Service().up()
    assert [(order.template, order.warm_at) for order in service.told(orders.SpawnWorker)] == [(0, 0)]
    assert [(one.source, one.level, one.template) for one in service.master.fleet] == [(0, 0, False)]


def test_another_template_is_made_when_the_present_one_is_being_ended(service: Service):
    """It forks nobody any more: who is owed is not left waiting for it."""
    waiting, former = unborn(service)
    service.given.clear()
    service.pass_time(waiting.life.deadline - service.now)
    assert service.state(former.id) == "stuck"
    service.die(waiting.id, "it was not forked")
    assert len(service.told(orders.SpawnTemplate)) == 1
    assert service.told(orders.SpawnWorker) == []


def test_nobody_is_worn_before_the_warmer_template_is_ready(service: Service):
    """It may never be."""
    warm(service)
    service.die(service.master.fleet.of("web")[1].id)
    [young] = [one for one in service.master.fleet.of("web") if one.state.value == "booting"]
    service.tell(facts.WorkerReady(young.id))
    assert [one.life.worn for one in service.master.fleet.of("web")] == ["", ""]


def test_only_colder_workers_of_the_same_generation_are_worn(service: Service):
    """Those that a warmer template has forked are not, whenever another gets ready."""
    [spawn] = warm(service)
    given = service.tell(facts.WorkerReady(spawn.worker))
    assert [one.life.worn for one in service.master.fleet.of("web") if one.ready] == ["refork", "refork"]
    [replacement] = [order.worker for order in given if isinstance(order, orders.SpawnWorker)]
    service.tell(facts.WorkerReady(replacement))
    assert service.worker(replacement).life.worn == ""
    assert service.worker(spawn.worker).life.worn == ""


def test_nobody_is_forked_before_the_template_is_ready():
    """However many are owed, there is one template, and then all of them."""
    service = Service({"web": 3}, pool={"preload": True})
    service.tell(facts.TimePassed())
    assert (len(service.told(orders.SpawnTemplate)), service.told(orders.SpawnWorker)) == (1, [])
    [template] = templates(service)
    service.tell(facts.WorkerReady(template.id))
    assert [order.template for order in service.told(orders.SpawnWorker)] == [template.id] * 3
    assert len(service.told(orders.SpawnTemplate)) == 1


def test_one_that_fails_beside_a_template_that_is_being_ended_is_told_as_ever(service: Service):
    """There is none that could be kept."""
    [present] = templates(service)
    [spawn] = warm(service)
    present.life.state = WorkerState.STUCK
    service.die(spawn.worker, "exit code 70")
    assert len(service.reports("refork_refused")) == 1
    assert not present.life.refused
