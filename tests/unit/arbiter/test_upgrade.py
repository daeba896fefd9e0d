"""The successor handshake, and always a way back."""

from __future__ import annotations

from math import inf
from signal import Signals

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.systemd import systemd_state
from prefork.arbiter.upgrade.policy import MARGIN
from prefork.config.models import Config
from tests.unit.arbiter.service import Service


@pytest.fixture
def service() -> Service:
    """Two pools that serve; the slower one may boot for 20 s."""
    one = Service({"web": 1, "api": 1}, boot=20.0).up()
    one.given.clear()
    return one


def started(service: Service) -> Service:
    service.tell(facts.UpgradeRequested())
    service.tell(facts.SuccessorStarted(99))
    return service


def test_usr2_executes_one_successor(service: Service):
    """And a second USR2 is refused while it lives, by its pid."""
    started(service)
    service.tell(facts.UpgradeRequested())
    assert service.told(orders.Reexec) == [orders.Reexec()]
    assert "99" in service.reports("upgrade_refused")[0]["reason"]


@pytest.mark.parametrize("slowest", ["web", "api"])
def test_a_successor_may_take_as_long_as_its_slowest_pool(slowest: str):
    """T. And a margin, wherever in the file the pool that boots longest stands."""
    service = Service({"web": 1, "api": 1}, boot=20.0).up()
    table = service.master.config.model_dump(mode="json", exclude_defaults=True)
    table["pool"][slowest]["timeout"]["boot"] = 90.0
    service.reload(Config.model_validate(table))
    service.all_ready()
    service.retired_go()
    started(service)
    assert service.master.deadline() == service.now + MARGIN + 90.0


def test_a_ready_successor_has_no_deadline(service: Service):
    """T. However long both masters serve: the limit is for a successor that says nothing."""
    started(service)
    service.tell(facts.SuccessorReady())
    assert service.asleep
    service.tell(facts.TimePassed(), after=MARGIN + 1000.0)
    assert service.told(orders.KillSuccessor) == []
    assert service.reports("upgrade_failed") == []


@pytest.mark.parametrize("again", [False, True])
def test_quit_to_the_old_master_leaves_a_serving_successor_alone(service: Service, *, again: bool):
    """T. It is the service by then: neither TERM nor QUIT nor both to its predecessor are meant for it."""
    started(service)
    service.tell(facts.SuccessorReady())
    if again:
        service.tell(facts.StopRequested(graceful=True, signal="TERM"))
    service.tell(facts.StopRequested(graceful=False, signal="QUIT"))
    assert service.told(orders.KillSuccessor) == []
    service.retired_go()
    assert [order.code for order in service.told(orders.Exit)] == [0]


def test_a_silent_successor_is_killed_and_everything_put_back(service: Service):
    """The pidfile only once it has gone: until then the name may be its own."""
    started(service)
    service.pass_time(MARGIN + 20.0)
    assert service.told(orders.KillSuccessor) == [orders.KillSuccessor(Signals.SIGKILL)]
    assert service.told(orders.RestorePidfile) == []
    assert service.master.deadline() == inf
    service.tell(facts.SuccessorReady())  # too late
    assert service.reports("upgrade_ready") == []
    service.tell(facts.SuccessorGone())
    assert service.told(orders.RestorePidfile) == [orders.RestorePidfile()]
    service.tell(facts.UpgradeRequested())
    assert len(service.told(orders.Reexec)) == 2


def test_one_that_could_not_be_executed_changes_nothing(service: Service):
    """The pidfile is put back at once."""
    service.tell(facts.UpgradeRequested())
    service.tell(facts.SuccessorFailed("No such file"))
    assert service.told(orders.RestorePidfile) == [orders.RestorePidfile()]
    assert service.reports("upgrade_failed")[0]["reason"] == "No such file"
    assert service.lives() == {"web": ["ready"], "api": ["ready"]}


def test_one_that_says_why_it_cannot_serve_is_waited_for(service: Service):
    """Its end follows, and then the pidfile is put back."""
    started(service)
    service.tell(facts.SuccessorFailed("the app is broken"))
    assert service.told(orders.RestorePidfile) == []
    service.tell(facts.SuccessorGone())
    assert service.told(orders.RestorePidfile) == [orders.RestorePidfile()]


def test_manually_both_serve_until_one_is_stopped(service: Service):
    """The log says which signal completes the upgrade and which backs out."""
    started(service)
    service.tell(facts.SuccessorReady())
    assert "TERM to 99 backs out" in service.reports("upgrade_ready")[0]["hint"]
    assert service.told(orders.RetireWorker) == []
    service.tell(facts.SuccessorGone())
    assert service.reports("upgrade_backed_out")
    assert service.told(orders.RestorePidfile) == [orders.RestorePidfile()]


def test_automatically_the_old_master_retires():
    """Its workers need not drain the accept queue, for the successor accepts from it; nothing is unlinked."""
    service = started(Service(master={"upgrade": "auto"}).up())
    service.tell(facts.SuccessorReady())
    assert service.told(orders.StopListening) == [orders.StopListening(last=False)]
    assert service.told(orders.RetireWorker) == [orders.RetireWorker(1, drain=False)]
    service.retired_go()
    assert service.told(orders.Exit) == [orders.Exit(0)]


def test_the_pidfile_is_put_back_by_a_master_that_stops_as_well(service: Service):
    """Else nobody would remove the one that the successor has left under its name."""
    started(service)
    service.tell(facts.SuccessorReady())
    service.tell(facts.StopRequested(graceful=True, signal="TERM"))
    service.tell(facts.SuccessorGone())
    assert service.told(orders.RestorePidfile) == [orders.RestorePidfile()]
    assert service.reports("upgrade_backed_out") == [{"successor": 99}]


@pytest.mark.parametrize("ready", [False, True])
def test_the_whole_service_stops_with_its_successor(service: Service, *, ready: bool):
    """It is told to stop, and waited for, so that nobody takes it for the service; who insists insists there as well."""
    started(service)
    if ready:
        service.tell(facts.SuccessorReady())
    service.tell(facts.StopRequested(graceful=True, signal="stop", plan=facts.StopPlan(whole_service=True)))
    assert service.told(orders.KillSuccessor) == [orders.KillSuccessor(Signals.SIGTERM)]
    assert service.told(orders.StopListening) == [orders.StopListening(last=True)]
    assert {order.drain for order in service.told(orders.RetireWorker)} == {True}
    assert systemd_state(service.master).state == "stopping"
    service.retired_go()
    assert service.told(orders.Exit) == []
    service.tell(facts.StopRequested(graceful=False, signal="QUIT"))
    assert service.told(orders.KillSuccessor)[1:] == [orders.KillSuccessor(Signals.SIGQUIT)]
    service.tell(facts.SuccessorGone())
    assert [order.code for order in service.told(orders.Exit)] == [0]


def test_term_completes_an_upgrade(service: Service):
    """The successor is the service; this master ends without it."""
    started(service)
    service.tell(facts.SuccessorReady())
    service.tell(facts.StopRequested(graceful=True, signal="TERM"))
    assert systemd_state(service.master).state == "succeeded"
    service.retired_go()
    assert service.told(orders.KillSuccessor) == []
    assert [order.code for order in service.told(orders.Exit)] == [0]


def test_there_is_no_upgrade_before_the_service_is_up_or_while_it_stops():
    """Refused with a sentence."""
    service = Service()
    service.tell(facts.TimePassed())
    service.tell(facts.UpgradeRequested())
    service.all_ready()
    service.tell(facts.StopRequested(graceful=True, signal="TERM"))
    service.tell(facts.UpgradeRequested())
    assert [said["reason"] for said in service.reports("upgrade_refused")] == [
        "the service is starting",
        "the service is stopping",
    ]


def test_a_successor_has_no_successor_before_its_predecessor_has_gone():
    """Two masters are enough."""
    service = Service().up()
    service.master.predecessor = True
    service.tell(facts.UpgradeRequested())
    assert "stop it first" in service.reports("upgrade_refused")[0]["reason"]
    assert not service.master.alone
    service.tell(facts.PredecessorGone())
    assert service.reports("upgrade_completed")
    assert service.master.alone
    service.tell(facts.UpgradeRequested())
    assert service.told(orders.Reexec)


def test_the_whole_service_stops_with_its_predecessor():
    """It retires by then; whoever stops the new master last closes the door, though the old one still finishes."""
    service = Service({"web": 1}).up()
    service.master.predecessor = True
    service.tell(facts.StopRequested(graceful=True, signal="stop", plan=facts.StopPlan(whole_service=True)))
    service.tell(facts.StopRequested(graceful=True, signal="stop", plan=facts.StopPlan(whole_service=True)))
    assert service.told(orders.RetirePredecessor) == [orders.RetirePredecessor()]
    assert service.told(orders.StopListening) == [orders.StopListening(last=True)]
    service.retired_go()
    assert [order.code for order in service.told(orders.Exit)] == [0]
    assert service.master.alone


def upgrading() -> Service:
    """A successor has been executed, and has not reported."""
    service = Service().up()
    service.tell(facts.UpgradeRequested(auto=False))
    service.tell(facts.SuccessorStarted(77))
    return service


def test_an_upgrade_is_told_when_it_begins():
    """Before anything can go wrong."""
    service = Service().up()
    service.tell(facts.UpgradeRequested())
    assert service.reports("upgrade_started") == [{}]


def test_when_a_successor_has_ended_there_is_none():
    """Neither its pid nor anything else of it is left."""
    service = upgrading()
    service.tell(facts.SuccessorGone())
    upgrade = service.master.upgrade
    assert (upgrade.state.value, upgrade.pid, upgrade.ready, upgrade.dismissed) == ("none", 0, False, False)
    assert upgrade.deadline == float("inf")


def test_the_reason_of_an_upgrade_that_fails_is_the_first_that_was_known():
    """It is told when the successor has ended."""
    service = upgrading()
    attempt = service.master.upgrade.last
    service.pass_time(service.master.upgrade.deadline - service.now)
    assert attempt.pending
    service.tell(facts.SuccessorGone())
    assert (attempt.state.value, attempt.reason) == ("failed", "the successor did not report in time")

    service = upgrading()
    attempt = service.master.upgrade.last
    service.tell(facts.SuccessorFailed("its file has faults"))
    service.pass_time(service.master.upgrade.deadline - service.now)
    service.tell(facts.SuccessorGone())
    assert (attempt.state.value, attempt.reason) == ("failed", "its file has faults")


def test_the_stop_of_the_whole_service_is_the_reason_too():
    """If there was none before."""
    service = upgrading()
    attempt = service.master.upgrade.last
    service.tell(facts.StopRequested(graceful=True, signal="TERM", plan=facts.StopPlan(whole_service=True)))
    service.tell(facts.SuccessorGone())
    assert (attempt.state.value, attempt.reason) == ("failed", "the service is stopping")


def test_the_versions_of_both_masters_are_told_where_they_are_known():
    """For people, who upgrade to have another one."""
    service = upgrading()
    service.tell(facts.SuccessorReady("prefork 1", "prefork 2"))
    [told] = service.reports("upgrade_ready")
    assert (told["runs"], told["successor_runs"], told["successor"]) == ("prefork 1", "prefork 2", 77)
    service = upgrading()
    service.tell(facts.SuccessorReady())
    assert service.reports("upgrade_ready")[0].keys() == {"successor", "hint"}


def test_a_successor_has_half_a_minute_beside_the_boot_of_its_pools():
    """What it is told of when that has passed is told at once."""
    service = Service(boot=20.0).up()
    service.tell(facts.UpgradeRequested(auto=False))
    service.tell(facts.SuccessorStarted(77))
    assert service.master.upgrade.deadline == service.now + 50.0
    service.pass_time(50.0)
    assert service.reports("upgrade_failed") == [
        {"successor": 77, "reason": "the successor did not report in time"},
    ]


def test_what_comes_next_is_said_when_both_serve_and_when_one_has_ended():
    """By the way that was chosen, and by how far the successor had come."""
    for auto, hint in (
        (True, "this master retires"),
        (False, "TERM to this master completes the upgrade, TERM to 77 backs out"),
    ):
        service = Service().up()
        service.tell(facts.UpgradeRequested(auto=auto))
        service.tell(facts.SuccessorStarted(77))
        service.tell(facts.SuccessorReady())
        assert [told["hint"] for told in service.reports("upgrade_ready")] == [hint]
        service.tell(facts.SuccessorGone())
        told = {"successor": 77} | ({} if auto else {"hint": "this master keeps serving"})
        assert service.reports("upgrade_backed_out") == [told]
    service = upgrading()
    service.tell(facts.SuccessorGone())
    assert service.reports("upgrade_ended") == [{"successor": 77, "hint": "this master keeps serving"}]
    assert service.reports("upgrade_backed_out") == []
