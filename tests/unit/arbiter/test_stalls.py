"""Slow requests, and the stacks of workers that go on."""

from __future__ import annotations

from prefork.arbiter import facts, orders, policy
from tests.unit.arbiter.service import Service


def slow_service(**timeout: float) -> Service:
    """Its only worker has just taken up a request."""
    service = Service(**{"slow": 2.0, "request": 10.0, **timeout}).up()
    service.tell(facts.RequestStarted(1))
    return service


def test_a_slow_request_is_told_once_with_its_stacks_and_nothing_else_happens():
    """One event a request, with the request line, for how long, how long it was queued, and the stacks."""
    service = slow_service()
    began = service.now
    service.pass_time(2.0)
    service.tell(facts.ScoreboardRead({1: facts.RequestSeen(began, "GET /report HTTP/1.1", 3, 0.25)}))
    assert service.told(orders.DumpStacks) == [orders.DumpStacks(1)]
    service.tell(facts.StacksDumped(1, "report.py, "))
    service.tell(facts.StacksDumped(1, "line 7"))
    service.pass_time(policy.STACKS_REST_WITHIN)
    [told] = service.reports("request_slow")
    assert told["request"] == "GET /report HTTP/1.1"
    assert told["busy_seconds"] == 2.1
    assert told["queue_seconds"] == 0.25
    assert told["stacks"] == "report.py, line 7"
    assert service.state(1) == "ready"
    service.pass_time(5.0)
    assert len(service.reports("request_slow")) == 1
    assert service.told(orders.KillWorker) == []


def test_the_next_request_is_told_too():
    """Once for each."""
    service = slow_service()
    for began in (service.now, service.now + 3.0):
        service.pass_time(began + 2.0 - service.now)
        service.board(1, began)
        service.pass_time(policy.STACKS_WITHIN)
        service.board(1, 0.0)
        service.tell(facts.RequestStarted(1))
    assert len(service.reports("request_slow")) == 2


def test_a_request_that_was_slow_is_ended_when_it_is_overdue():
    """The look at ``slow`` does not put off the other."""
    service = slow_service()
    began = service.now
    service.pass_time(2.0)
    service.board(1, began)
    service.pass_time(8.0)
    service.board(1, began)
    assert service.state(1) == "stuck"
    assert service.told(orders.DumpStacks) == [orders.DumpStacks(1), orders.DumpStacks(1, expired=True)]


def test_without_a_request_timeout_the_row_is_given_free_after_the_telling():
    """It would never ring again otherwise; while the same request runs, it is told of no second time."""
    service = slow_service(request=0.0)
    began = service.now
    service.pass_time(2.0)
    assert orders.WatchWorker(1, watching=False) in service.board(1, began)
    service.tell(facts.RequestStarted(1))  # it is still busy: the answer to the order
    service.pass_time(2.0)
    service.board(1, began)
    assert len(service.told(orders.DumpStacks)) == 1


def test_stacks_on_request_leave_the_worker_as_it_is():
    """Of one or of all; those who are being ended are not asked again."""
    service = Service({"web": 2}).up()
    service.tell(facts.DumpRequested())
    service.tell(facts.StacksDumped(1, "a"))
    service.tell(facts.StacksDumped(2, "b"))
    service.pass_time(policy.STACKS_WITHIN)
    assert [told["stacks"] for told in service.reports("worker_dumped")] == ["a", "b"]
    assert service.reports("request_slow") == []  # T: nothing was slow
    assert service.lives() == {"web": ["ready", "ready"]}
    service.tell(facts.DumpRequested((2,)))
    assert service.told(orders.DumpStacks)[2:] == [orders.DumpStacks(2)]
    assert service.master.deadline() == service.now + policy.STACKS_WITHIN
    service.pass_time(policy.STACKS_WITHIN)
    assert service.asleep


def test_those_who_are_being_ended_are_not_asked_for_their_stacks():
    """T. Theirs are on their way already, for their own sake."""
    service = Service({"web": 2}, request=10.0).up()
    service.tell(facts.RequestStarted(1))
    service.pass_time(10.0)
    service.board(1, service.now - 10.0)
    service.given.clear()
    service.tell(facts.DumpRequested())
    assert service.told(orders.DumpStacks) == [orders.DumpStacks(2), orders.DumpStacks(3)]
    service.tell(facts.StacksDumped(1, "stuck.py"))
    service.pass_time(policy.STACKS_WITHIN)
    assert [told["stacks"] for told in service.reports("worker_dumped")] == ["", ""]
    assert service.reports("worker_stuck")[0]["stacks"] == "stuck.py"


def test_one_dump_serves_both_who_asked_and_what_is_slow():
    """T. The stacks are taken once, and told under both names."""
    service = slow_service()
    began = service.now
    service.pass_time(2.0)
    service.board(1, began)
    service.tell(facts.DumpRequested((1,)))
    assert service.told(orders.DumpStacks) == [orders.DumpStacks(1)]
    service.tell(facts.StacksDumped(1, "report.py"))
    service.pass_time(policy.STACKS_WITHIN)
    assert [told["stacks"] for told in service.reports("request_slow")] == ["report.py"]
    assert [told["stacks"] for told in service.reports("worker_dumped")] == ["report.py"]


def test_whoever_asks_is_answered_though_the_worker_says_nothing():
    """Or though it ends meanwhile; its stacks are in its death certificate as well."""
    service = Service({"web": 2}).up()
    service.tell(facts.DumpRequested((1,)))
    service.pass_time(policy.STACKS_WITHIN)
    assert service.reports("worker_dumped")[0]["stacks"] == ""
    service.tell(facts.DumpRequested((2,)))
    service.tell(facts.StacksDumped(2, "c"))
    service.die(2, "signal SIGSEGV")
    assert service.reports("worker_dumped")[1]["stacks"] == "c"
    assert service.reports("worker_died")[0]["stacks"] == "c"


def test_a_bell_of_one_that_is_being_ended_or_has_ended_is_nothing():
    """Nobody looks at its row any more."""
    service = slow_service()
    began = service.now
    service.pass_time(10.0)
    service.board(1, began)
    assert service.state(1) == "stuck"
    assert service.tell(facts.RequestStarted(1)) == []
    assert service.tell(facts.RequestStarted(99)) == []


def test_rows_that_could_not_be_read_are_read_a_second_later():
    """Of those who still work; nobody is spared its limit for it."""
    service = Service({"web": 3}, slow=2.0, request=10.0).up()
    service.tell(facts.RequestStarted(1))
    service.tell(facts.RequestStarted(2))
    service.pass_time(2.0)
    service.die(2)
    service.given.clear()
    service.tell(facts.OrderFailed(orders.ReadScoreboard((1, 2)), "EIO"))
    assert service.worker(1).watch.look_at == service.now + policy.UNREAD_FOR
    service.pass_time(policy.UNREAD_FOR)
    assert service.told(orders.ReadScoreboard) == [orders.ReadScoreboard((1,))]
    service.board(1, service.now - 10.0)
    assert service.state(1) == "stuck"
    service.given.clear()
    assert service.tell(facts.OrderFailed(orders.ReadScoreboard((1,)), "EIO")) == []
    assert service.worker(1).watch.look_at == float("inf")


def test_a_request_that_may_yet_be_overdue_is_watched_on():
    """Its row is given free only when nothing can come of it any more."""
    service = slow_service()
    began = service.now
    service.pass_time(2.0)
    assert orders.WatchWorker(1, watching=False) not in service.board(1, began)
    assert service.worker(1).watch.look_at == began + 10.0
    assert orders.WatchWorker(1, watching=False) in service.board(1, 0.0)


def test_stacks_that_nobody_asked_for_are_those_that_a_worker_leaves_in_dying():
    """They are in its death certificate."""
    service = Service().up()
    service.tell(facts.StacksDumped(1, "fatal.py, line 3"))
    assert service.reports("worker_dumped") == []
    service.die(1, "signal SIGSEGV")
    assert service.reports("worker_died")[0]["stacks"] == "fatal.py, line 3"


def test_stacks_of_one_that_is_stuck_by_now_are_taken_for_its_end():
    """Though somebody had asked to see them before."""
    service = slow_service(slow=0.0)
    began = service.now
    service.pass_time(9.9)
    service.tell(facts.DumpRequested((1,)))
    service.pass_time(0.1)
    service.board(1, began)
    assert service.state(1) == "stuck"
    service.tell(facts.StacksDumped(1, "stuck.py, line 1"))
    service.pass_time(policy.STACKS_WITHIN)
    assert service.reports("worker_stuck")[0]["stacks"] == "stuck.py, line 1"


def test_stacks_are_told_when_they_are_complete_and_not_before():
    """Nor of those who were not asked."""
    service = Service({"web": 2}).up()
    service.tell(facts.DumpRequested((1,)))
    service.tell(facts.TimePassed(), after=0.01)
    assert service.reports("worker_dumped") == []
    service.pass_time(policy.STACKS_WITHIN)
    assert [told["worker"] for told in service.reports("worker_dumped")] == [1]


def test_where_there_is_no_limit_nobody_looks():
    """The bell is left unwatched, and rings no more."""
    service = slow_service(slow=0.0, request=0.0)
    assert service.tell(facts.RequestStarted(1)) == []
    assert service.worker(1).watch.look_at == float("inf")


def test_a_row_of_one_that_is_being_ended_or_has_ended_says_nothing():
    """It was read before that was known."""
    service = slow_service()
    began = service.now
    service.pass_time(10.0)
    given = service.board(1, began)
    about = [one for one in given if isinstance(one, orders.DumpStacks | orders.ReadScoreboard | orders.WatchWorker)]
    assert about == [orders.DumpStacks(1, expired=True)]
    assert service.worker(1).watch.look_at == float("inf")
    seen = service.worker(1).watch.last
    assert service.tell(facts.ScoreboardRead({1: facts.RequestSeen(service.now, "GET /other HTTP/1.1", 9)})) == []
    assert service.worker(1).watch.last == seen
    assert service.board(99, began) == []


def test_a_request_that_began_after_the_bell_is_looked_at_when_it_is_slow():
    """The bell was that of the one before it."""
    service = slow_service()
    service.pass_time(2.0)
    service.board(1, service.now - 0.5)
    assert service.reports("request_slow") == []
    assert service.worker(1).watch.look_at == service.now + 1.5


def test_stacks_that_were_asked_for_are_not_those_of_its_end():
    """They are told, and forgotten; those of a slow request are not told as asked for."""
    service = slow_service()
    service.pass_time(2.0)
    service.board(1, service.now - 2.0)
    service.tell(facts.StacksDumped(1, "report.py"))
    service.pass_time(policy.STACKS_WITHIN)
    assert len(service.reports("request_slow")) == 1
    assert service.reports("worker_dumped") == []
    assert service.worker(1).life.stacks == ""
    service.die(1, "signal SIGSEGV")
    assert "stacks" not in service.reports("worker_died")[0]
