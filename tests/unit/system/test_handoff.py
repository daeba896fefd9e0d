"""What an old master hands its successor."""

from __future__ import annotations

import json
import os

import pytest

from prefork.errors import HandoffError
from prefork.system import handoff
from prefork.system.handoff import Handoff


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test has closed it


def test_what_is_given_is_taken(pipe):
    """Names, numbers and the pid come out as they went in, and the variable is gone."""
    given = Handoff(7, {"127.0.0.1:80": pipe[0]}, pipe[1], pipe[0])
    environment = given.environment({"PATH": "/bin"})
    assert handoff.take(environment) == given
    assert environment == {"PATH": "/bin"}


def test_no_listener_at_all(pipe):
    """A master whose sockets all came from elsewhere has none to hand over (PEERS 3.3)."""
    given = Handoff(7, {}, pipe[1], pipe[0])
    assert handoff.take(given.environment({})) == given


def test_nothing_was_given():
    """An ordinary start."""
    assert handoff.take({"PATH": "/bin"}) is None


def test_descriptors_end_with_the_successor(pipe):
    """What was inherited on purpose is inherited no further."""
    os.set_inheritable(pipe[1], True)
    handoff.take(Handoff(7, {}, pipe[1], pipe[0]).environment({}))
    assert not os.get_inheritable(pipe[1])


def test_what_systemd_told_the_old_master_is_not_for_the_new(pipe):
    """LISTEN_* and WATCHDOG_* name a process that it is not; NOTIFY_SOCKET is for both."""
    before = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", "WATCHDOG_PID": "1", "NOTIFY_SOCKET": "/x"}
    assert set(Handoff(7, {}, pipe[1], pipe[0]).environment(before)) == {"NOTIFY_SOCKET", handoff.VARIABLE}


def test_an_older_handoff_does_not_reach_the_successor(pipe):
    """Each upgrade hands over its own."""
    environment = Handoff(8, {}, pipe[1], pipe[0]).environment(Handoff(7, {}, pipe[0], pipe[0]).environment({}))
    taken = handoff.take(environment)
    assert taken is not None
    assert taken.master == 8


def test_another_version_is_refused(pipe):
    """By number, with what to do instead."""
    value = {"version": 99, "master": 7, "listeners": {}, "report": pipe[1]}
    with pytest.raises(HandoffError, match=r"version 99.*start the new version instead"):
        handoff.take({handoff.VARIABLE: json.dumps(value)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"version": 1}',
        '{"version": 1, "master": 1, "listeners": {}, "report": 1}',
        '{"version": 1, "master": "x", "listeners": {}, "report": 1, "stderr": 1}',
        '{"version": 1, "master": 1, "listeners": [], "report": 1, "stderr": 1}',
        '{"version": 1, "master": 1, "listeners": {"a": "b"}, "report": 1, "stderr": 1}',
        '{"version": 1, "master": 1, "listeners": {}, "report": 987, "stderr": 1}',
    ],
)
def test_what_cannot_be_understood_is_refused(text):
    """Also a descriptor that is not open; and the variable is gone all the same."""
    environment = {handoff.VARIABLE: text}
    with pytest.raises(HandoffError):
        handoff.take(environment)
    assert environment == {}


def test_ready_is_reported(pipe):
    """Once: the descriptor is closed by it."""
    handoff.report_ready(pipe[1])
    assert handoff.read_report(pipe[0]) == (True, handoff.runs_on())
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(pipe[1])


def test_a_failure_is_reported_with_its_reason(pipe):
    """Cut to what a pipe takes at once."""
    handoff.report_failed(pipe[1], "é" * 10_000)
    told = handoff.read_report(pipe[0])
    assert told is not None
    ready, reason = told
    assert not ready
    assert reason.startswith("é" * 1000)


def test_an_end_without_a_report(pipe):
    """None: the old master then says that it ended."""
    os.close(pipe[1])
    assert handoff.read_report(pipe[0]) is None


def test_an_old_master_that_has_gone(pipe):
    """Nobody is left to be told, and that is no error."""
    os.close(pipe[0])
    handoff.report_ready(pipe[1])
