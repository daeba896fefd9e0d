"""What is wanted of pools, and what deaths cost them: the corners that the lives in ``test_master`` do not reach."""

from __future__ import annotations

from prefork.arbiter import facts, orders
from tests.unit.arbiter.service import Service, config


def test_a_pool_without_an_adjustment_has_none_to_keep():
    """A reload tells of those that an operator changed, and of no others."""
    service = Service({"web": 2, "api": 2}).up()
    service.tell(facts.ScaleRequested(pool="web", workers=3))
    service.all_ready()
    service.reload()
    service.all_ready()
    assert service.reports("adjustment_kept") == [{"pool": "web", "workers": 3, "file": 2}]


def test_a_stuck_worker_of_a_pool_that_was_removed_may_die():
    """It could not be told to retire; its death costs nobody anything."""
    service = Service({"web": 1, "api": 1}, request=2.0).up()
    service.tell(facts.RequestStarted(2))
    service.now += 2.0
    service.tell(facts.TimePassed())
    service.board(2, service.now - 2.0)
    assert service.state(2) == "stuck"
    service.reload(config({"web": 1}))
    service.all_ready()
    assert service.master.pools.paused is False
    assert list(service.master.pools) == ["web"]
    service.die(2, "signal SIGABRT")
    assert [told["pid"] for told in service.reports("worker_died")] == [1002]
    assert "next_try_in" not in service.reports("worker_died")[0]


def test_paused_pools_want_nobody_and_need_no_templates():
    """They are forked from again after HUP."""
    service = Service({"web": 2}, pool={"preload": True}).up()
    [template] = service.master.fleet.templates
    service.tell(facts.PauseRequested())
    assert service.master.pools.paused is True
    assert orders.RetireWorker(template.id, drain=False) in service.given
    assert service.master.pools.wanted("web") == 0
    assert service.master.pools.scaled("web") == 2


def test_the_back_off_of_a_pool_that_was_removed_is_nobody_s():
    """The master neither waits for its end, nor forks when it has come."""
    service = Service({"web": 1, "api": 1}).up()
    for _ in range(2):
        service.forks = False
        service.die(2)
        service.forks = True
    assert service.master.pools.backoff_of("api").failures
    service.reload(config({"web": 1}))
    service.all_ready()
    service.retired_go()
    service.pass_time(60.0)
    assert service.lives() == {"web": ["ready"]}
    assert service.asleep


def test_one_that_is_ready_in_the_moment_of_a_failure_ends_the_back_off():
    """When it has stayed up for five seconds."""
    service = Service({"web": 2}).up()
    service.forks = False
    service.now += 1.0
    service.die(1)
    service.forks = True
    service.pass_time(service.master.deadline() - service.now)
    failed_at = service.master.pools.backoff_of("web").failed_at
    service.all_ready()
    [young] = [worker for worker in service.master.fleet.of("web") if worker.id > 2]
    young.life.ready_at = failed_at
    assert service.master.pools.next_settled() == failed_at + 5.0
    young.life.ready_at = failed_at - 0.001
    assert service.master.pools.next_settled() == float("inf")


def test_the_first_back_off_to_end_is_the_next():
    """Each pool's ends when its own worker has stayed up."""
    service = Service({"web": 1, "api": 1}).up()
    for worker in (1, 2):
        service.forks = False
        service.die(worker, "signal SIGSEGV")
        service.forks = True
        service.pass_time(1.0)
    for pool, seconds in (("api", 1.0), ("web", 2.0)):
        [young] = service.master.fleet.of(pool)
        service.tell(facts.WorkerReady(young.id), after=1.0)
        assert young.life.ready_at == service.now, seconds
    [first] = service.master.fleet.of("api")
    assert service.master.pools.next_settled() == first.life.ready_at + 5.0


def test_a_pool_whose_template_boots_waits_for_that_and_for_no_moment():
    """Its back-off has ended; the master would ask itself for ever what it owes."""
    service = Service({"web": 1}, pool={"preload": True}).up()
    [template] = service.master.fleet.templates
    service.die(template.id)
    service.die(2)
    pools = service.master.pools
    pools.count_failure("web", service.now - 9.0)
    assert pools.patient("web", service.now)
    [young] = service.master.fleet.templates
    assert (young.state.value, service.master.fleet.of("web")) == ("booting", [])
    assert pools.owed("web", 1).spawn == 1
    assert list(pools.waiting_until(1)) == []
    assert service.master.deadline() == young.life.deadline


def test_a_pool_that_has_a_template_waits_for_its_back_off_alone():
    """Though a warmer one boots beside it."""
    service = Service({"web": 2}, pool={"preload": True, "refork": [10]}).up()
    workers = service.master.fleet.of("web")
    service.tell(facts.WorkerWarm(workers[0].id, 10))
    assert [one.state.value for one in service.master.fleet.templates] == ["ready", "booting"]
    service.forks = False
    service.die(workers[1].id)
    pools = service.master.pools
    assert pools.owed("web", 1).spawn == 1
    assert list(pools.waiting_until(1)) == [pools.not_before("web")] == [service.now + 1.0]
