"""What the master knows: the plan of a stop, and who else serves."""

from __future__ import annotations

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.facts import StopPlan
from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.master import Master
from tests.unit.arbiter.service import Service, config, workers_of

RESTARTING = StopPlan(restarting=True)


def master(**how: bool) -> Master:
    return Master(config(), workers_of, **how)


def test_the_sockets_are_kept_for_a_restart_only_where_somebody_keeps_them():
    """Else the next master could not take them up."""
    for keeps in (True, False):
        one = master(keeps=keeps)
        one.plan_stop(RESTARTING)
        assert one.stop == StopPlan(restarting=keeps)
    one = master(keeps=True)
    one.plan_stop(StopPlan())
    assert one.stop == StopPlan()
    one = master()
    one.plan_stop(RESTARTING)
    assert one.stop == StopPlan()


@pytest.mark.parametrize("first", [RESTARTING, StopPlan()])
def test_a_second_order_to_stop_undoes_nothing_of_the_first(first: StopPlan):
    """It may take the other master with it; the sockets are closed by then, or are not."""
    one = master(keeps=True)
    one.plan_stop(first)
    one.state = ServiceState.STOPPING
    one.plan_stop(StopPlan(restarting=not first.restarting, whole_service=True))
    assert one.stop == StopPlan(first.restarting, whole_service=True)
    one.plan_stop(StopPlan())
    assert one.stop == StopPlan(first.restarting, whole_service=True)


def test_a_master_is_alone_where_no_other_serves():
    """Neither its predecessor nor its successor; or where those stop as well."""
    assert master().alone
    assert not master(predecessor=True).alone
    one = master(predecessor=True)
    one.plan_stop(StopPlan(whole_service=True))
    assert one.alone
    service = Service().up()
    service.tell(facts.UpgradeRequested())
    service.tell(facts.SuccessorStarted(77))
    assert not service.master.alone
    service.pass_time(service.master.upgrade.deadline - service.now)
    assert service.master.upgrade.dismissed
    assert service.master.alone


def test_where_nothing_is_said_of_cores_one_worker_boots_at_a_time():
    """More would be in each other's way."""
    one = Master(config({"web": 4}), workers_of)
    assert sum(isinstance(order, orders.SpawnWorker) for order in one.handle(facts.TimePassed(), 0.0)) == 1
    assert (one.predecessor, one.state) == (False, ServiceState.STARTING)
