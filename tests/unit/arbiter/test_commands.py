"""What operators ask for: what is logged of it, and what becomes of the attempts that clients wait for."""

from __future__ import annotations

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.attempt import AttemptState
from tests.unit.arbiter.service import Service


@pytest.mark.parametrize(("signal", "graceful"), [("TERM", True), ("QUIT", False)])
def test_a_stop_is_told_once_by_its_name(signal: str, graceful: object):
    """And how; a second one is not told again."""
    service = Service().up()
    for _ in range(2):
        service.tell(facts.StopRequested(graceful=bool(graceful), signal=signal))
    assert service.reports("master_stopping") == [{"signal": signal, "graceful": graceful}]
    assert service.worker(1).life.cause == f"the service is stopping ({signal})"


def test_a_pause_is_told_with_the_way_back():
    """HUP."""
    service = Service().up()
    service.tell(facts.PauseRequested())
    assert service.reports("workers_paused") == [{"hint": "HUP resumes the workers"}]


def test_each_change_of_a_number_is_an_attempt_of_its_own():
    """Done when it is decided, refused with the reason."""
    service = Service({"web": 2}).up()
    first = service.master.scaling
    assert (first.serial, first.state) == (0, AttemptState.DONE)
    service.tell(facts.ScaleRequested(pool="web", workers=1))
    second = service.master.scaling
    assert (second.serial, second.state) == (1, AttemptState.DONE)
    service.tell(facts.ScaleRequested(pool="api", workers=1))
    third = service.master.scaling
    assert (third.serial, third.state, third.reason) == (2, AttemptState.REFUSED, "there is no pool api")
    assert service.reports("scale_refused") == [{"pool": "api", "reason": "there is no pool api"}]
    service.tell(facts.ScaleRequested(pool="web", workers=2))
    assert (service.master.scaling.serial, service.master.scaling.state) == (3, AttemptState.DONE)
    service.tell(facts.ScaleRequested(pool="web", workers=2))
    assert service.reports("pool_scaled") == [{"pool": "web", "workers": number} for number in (1, 2, 2)]


def test_each_opening_of_the_logs_is_an_attempt_of_its_own():
    """Done when every log was opened, failed with a sentence for each that was not."""
    service = Service().up()
    assert service.tell(facts.ReopenRequested()) == [orders.ReopenLogs()]
    first = service.master.reopening
    assert (first.serial, first.pending) == (1, True)
    service.tell(facts.LogsReopened())
    assert first.state is AttemptState.DONE
    service.tell(facts.ReopenRequested())
    second = service.master.reopening
    service.tell(facts.LogsReopened(("a cannot be opened", "nor can b")))
    assert (second.serial, second.state) == (2, AttemptState.FAILED)
    assert second.reason == "a cannot be opened\nnor can b"


def test_only_a_graceful_stop_gives_up_the_listeners_first():
    """Else nobody finishes anything, and they go with the processes."""
    service = Service().up()
    service.tell(facts.StopRequested(graceful=False, signal="QUIT"))
    assert service.told(orders.StopListening) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_stop_of_the_whole_service_takes_the_predecessor_with_it(whole: object):
    """It is told so once; a stop of this master alone leaves it serving."""
    service = Service().up()
    service.master.predecessor = True
    stopping = facts.StopRequested(graceful=True, signal="TERM", plan=facts.StopPlan(whole_service=bool(whole)))
    assert (orders.RetirePredecessor() in service.tell(stopping)) is whole
    assert orders.RetirePredecessor() not in service.tell(stopping)
    [stop] = service.told(orders.StopListening)
    assert stop.last is whole


def test_only_ready_workers_say_how_much_memory_one_needs():
    """One that boots has yet to take it."""
    service = Service({"web": 3}).up()
    service.die(2)
    service.tell(facts.ScaleRequested(pool="web", workers=5))
    assert service.told(orders.MeasureRoom) == [orders.MeasureRoom("web", 5, force=False, like=(1, 3))]
