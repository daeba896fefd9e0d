"""How commands are answered: by the state of the master and by attempts that end, whatever the events are called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.answers import ANSWERS
from prefork.arbiter.fleet import WorkerState
from prefork.control.commands import COMMANDS
from tests.unit.arbiter.desk import Desk, as_it_is, backwards

# What is done, from the first request to the last; gives the clients.


def reloads(desk: Desk) -> Iterator[int]:
    yield desk.ask("reload")
    yield desk.ask("reload", wait=True)
    desk.tell(facts.ReloadRefused(("a fault",)))
    yield desk.ask("reload", wait=True)
    while booting := [one.id for one in desk.service.master.fleet if one.state.value == "booting"]:
        desk.tell(facts.WorkerReady(booting[0]))
    old = [one.id for one in desk.service.master.fleet if one.state.value == "retiring"]
    desk.tell(*(facts.ChildExited(worker, "exit code 0", clean=True) for worker in old))


def upgrades(desk: Desk) -> Iterator[int]:
    yield desk.ask("upgrade")  # it is started
    yield desk.ask("upgrade", wait=True)  # one runs already
    desk.tell(facts.SuccessorFailed("no such module"))
    yield desk.ask("upgrade", keep=True)  # the failed one has not ended yet
    desk.tell(facts.SuccessorGone())
    yield desk.ask("upgrade", wait=True)
    desk.tell(facts.SuccessorFailed("no such module"))
    desk.tell(facts.SuccessorGone())
    yield desk.ask("upgrade", wait=True)
    desk.tell(facts.SuccessorGone())  # and has said nothing
    yield desk.ask("upgrade", wait=True, keep=True)
    desk.tell(facts.SuccessorReady())


def others(desk: Desk) -> Iterator[int]:
    yield desk.ask("scale", pool="web", workers=3)
    yield desk.ask("scale", pool="shop", workers=3)
    yield desk.ask("reopen")
    desk.failures = ("log access: [Errno 13] Permission denied",)
    yield desk.ask("reopen")
    yield desk.ask("stop")
    yield desk.ask("quit")


def dumps(desk: Desk) -> Iterator[int]:
    yield desk.ask("dump", worker="web/9")
    first, second = desk.workers()
    yield desk.ask("dump", worker="web/1")
    yield desk.ask("dump")
    desk.tell(facts.StacksDumped(first, "Thread 1"))
    desk.tell(facts.ChildExited(second, "signal SIGKILL", clean=False))
    desk.service.now += 60
    desk.tell(facts.TimePassed())
    yield desk.ask("deaths")
    yield desk.ask("status")


@pytest.mark.parametrize("course", [reloads, upgrades, others, dumps])
def test_renaming_every_event_of_the_log_changes_no_answer(course: Callable[[Desk], Iterator[int]]):
    """M14. Attempts are values: what is logged of them is for people."""
    found = []
    for rename in (as_it_is, backwards):
        desk = Desk(rename)
        clients = list(course(desk))
        found.append([desk.answer(client) for client in clients])
        assert all(answer is not None for answer in found[-1])
    assert found[0] == found[1]


def test_every_command_has_what_answers_it():
    """One record, and one class."""
    assert ANSWERS.keys() == COMMANDS.keys()


def test_a_reload_is_answered_with_what_became_of_it():
    """At once without ``wait``; a later one supersedes it."""
    desk = Desk()
    clients = list(reloads(desk))
    at_once, refused, done = [desk.answer(client) for client in clients]
    assert at_once
    assert (at_once["ok"], at_once["state"]) == (True, "trial")
    assert refused
    assert (refused["ok"], refused["faults"]) == (False, ["a fault"])
    assert done
    assert (done["ok"], done["state"], done["workers"]) == (True, "done", 2)


def test_an_upgrade_is_answered_when_another_may_be_asked_for():
    """Not when the successor says why it cannot serve, but when it has ended."""
    desk = Desk()
    client = desk.ask("upgrade", wait=True)
    desk.tell(facts.SuccessorFailed("no such module"))
    assert desk.answer(client) is None
    desk.tell(facts.SuccessorGone())
    assert desk.answer(client) == {"ok": False, "reason": "no such module"}
    client = desk.ask("upgrade", wait=True)
    assert desk.answer(client) is None
    desk.tell(facts.SuccessorReady())
    answer = desk.answer(client)
    assert answer
    assert (answer["ok"], answer["successor"]) == (True, 4711)


def test_a_refused_upgrade_does_not_end_the_one_under_way():
    """Who asked for that goes on waiting."""
    desk = Desk()
    first = desk.ask("upgrade", wait=True)
    second = desk.ask("upgrade", wait=True)
    refused = desk.answer(second)
    assert refused
    assert "4711" in refused["reason"]
    assert desk.answer(first) is None
    desk.tell(facts.SuccessorReady())
    answer = desk.answer(first)
    assert answer
    assert answer["ok"]


def test_an_upgrade_that_a_stop_cuts_short_has_failed():
    """Whoever waits is told so when the successor has gone."""
    desk = Desk()
    client = desk.ask("upgrade", wait=True)
    desk.tell(facts.StopRequested(graceful=False, signal="QUIT"))
    desk.tell(facts.SuccessorGone())
    answer = desk.answer(client)
    assert answer
    assert answer["ok"] is False
    assert answer["reason"]


def test_a_dump_waits_for_every_worker_that_is_there():
    """One that dies before it has written its stacks is told of with what there is."""
    desk = Desk()
    first, second = desk.workers()
    client = desk.ask("dump")
    desk.tell(facts.ChildExited(second, "signal SIGKILL", clean=False))
    assert desk.answer(client) is None
    desk.tell(facts.StacksDumped(first, "Thread 1"))
    desk.service.now += 60
    desk.tell(facts.TimePassed())
    answer = desk.answer(client)
    assert answer
    assert [(one["worker"], one["stacks"]) for one in answer["workers"]] == [(2, ""), (1, "Thread 1")]


def test_deaths_are_remembered_with_all_that_is_known():
    """Also of a worker that was found stuck."""
    desk = Desk()
    first, second = desk.workers()
    desk.tell(facts.ChildExited(first, "signal SIGSEGV", clean=False))
    desk.tell(facts.RequestStarted(second))
    answer = desk.answer(desk.ask("deaths"))
    assert answer
    [death] = answer["deaths"]
    assert (death["outcome"], death["cause"], death["worker"]) == ("died", "signal SIGSEGV", 1)
    assert death["seconds_ago"] == 0.0


def test_who_waits_is_told_of_events_and_who_does_not_is_not():
    """By their names in the log, debug left out."""
    desk = Desk()
    waiting, other = desk.ask("reload", wait=True), desk.ask("scale", pool="web", workers=3)
    events = [message["event"] for message in desk.socket.told[waiting] if "event" in message]
    assert events[:1] == ["reload_started"]
    assert "pool_scaled" in events
    assert "worker_spawned" not in events
    assert len(desk.socket.told[other]) == 1


def answer_to(desk: Desk, do: str, **given: Any) -> dict[str, Any]:
    answer = desk.answer(desk.ask(do, **given))
    assert answer
    return answer


@pytest.mark.parametrize(
    ("do", "given"),
    [
        ("status", {}),
        ("deaths", {}),
        ("reload", {}),
        ("upgrade", {}),
        ("scale", {"pool": "web", "workers": 3}),
        ("reopen", {}),
        ("stop", {}),
        ("quit", {}),
    ],
)
def test_what_is_done_is_answered_so(do: str, given: dict[str, Any]):
    """``ok`` is what the exit status of preforkctl goes by."""
    assert answer_to(Desk(), do, **given)["ok"] is True


def test_the_status_names_the_service():
    """Version, process, file, addresses."""
    answer = answer_to(Desk(), "status")
    assert (answer["version"], answer["pid"], answer["config"]) == ("1.2.3", os.getpid(), "a.toml")
    assert answer["listeners"] == {"web": "unix:/run/web.sock"}
    assert answer["predecessor"] is False


def test_a_reload_that_another_supersedes_is_refused():
    """At once, though the other goes on."""
    desk = Desk()
    client = desk.ask("reload", wait=True)
    desk.tell(facts.ReloadRequested())
    answer = desk.answer(client)
    assert answer == {"ok": False, "reason": "superseded by another reload", "faults": []}
    assert answer_to(desk, "reload")["ok"] is True


@pytest.mark.parametrize("keep", [True, False])
def test_an_upgrade_keeps_the_old_master_where_that_is_asked_for(keep: object):
    """Else it retires when the new one is ready."""
    desk = Desk()
    desk.ask("upgrade", keep=bool(keep))
    assert desk.service.master.upgrade.auto is not keep
    desk.tell(facts.SuccessorReady())
    stopping = desk.service.master.state.value == "stopping"
    assert stopping is not keep


def test_a_number_is_answered_when_it_is_decided():
    """Not while the memory is being measured; and with what was asked for."""
    desk = Desk()
    desk.measures = False
    client = desk.ask("scale", pool="web", workers=3)
    assert desk.answer(client) is None
    desk.tell(facts.RoomMeasured("web", 3, False, 0, 0, 1024))
    assert desk.answer(client) == {"ok": True, "pool": "web", "workers": 3}


def test_stacks_of_one_that_is_being_ended_are_among_the_deaths():
    """It is not asked for them again."""
    desk = Desk()
    [first, _second] = desk.workers()
    desk.service.worker(first).life.state = WorkerState.ABORTED
    answer = answer_to(desk, "dump", worker="web/1")
    assert answer == {"ok": False, "reason": "the worker is being ended: see preforkctl deaths"}


def test_a_worker_that_is_not_there_has_no_stacks():
    """By the name that it was asked for."""
    assert answer_to(Desk(), "dump", worker="web/9") == {"ok": False, "reason": "there is no worker web/9"}


@pytest.mark.parametrize(("do", "order"), [("stop", orders.RetireWorker), ("quit", orders.KillWorker)])
def test_a_stop_is_what_it_is_called(do: str, order: type[orders.Order]):
    """Graceful, or not."""
    desk = Desk()
    given: list[orders.Order] = []
    desk.controller.reported = given.append  # type: ignore[method-assign,assignment]
    answer_to(desk, do)
    [told] = [one for one in given if isinstance(one, orders.Report) and one.event == "master_stopping"]
    assert told.fields == {"signal": f"preforkctl {do}", "graceful": order is orders.RetireWorker}


def test_deaths_are_told_with_their_age_to_the_millisecond():
    """Seconds."""
    desk = Desk()
    desk.tell(facts.ChildExited(desk.workers()[0], "signal SIGSEGV", clean=False))
    desk.service.now += 1.23456
    assert [one["seconds_ago"] for one in answer_to(desk, "deaths")["deaths"]] == [1.235]


def test_a_reload_that_a_stop_supersedes_says_so():
    """It has no faults."""
    desk = Desk()
    client = desk.ask("reload", wait=True)
    desk.tell(facts.StopRequested(graceful=True, signal="TERM"))
    assert desk.answer(client) == {"ok": False, "reason": "superseded by another command or signal", "faults": []}


def test_stacks_are_answered_so():
    """When they have come."""
    desk = Desk()
    client = desk.ask("dump", worker="web/1")
    desk.service.now += 60
    desk.tell(facts.TimePassed())
    answer = desk.answer(client)
    assert answer
    assert answer["ok"] is True
