"""What is said of a worker that has ended."""

from __future__ import annotations

import pytest

from prefork.arbiter import death_report
from prefork.arbiter.facts import ChildExited, RequestSeen
from prefork.arbiter.fleet import Fleet, Worker
from prefork.config.models import Pool


def worker() -> Worker:
    one = Fleet().enlist("web", Pool(app="a:b"), 2, now=10.0)
    one.life.pid = 4711
    return one


def test_a_retirement_is_no_death():
    """Why it was asked to, and what it had served."""
    one = worker()
    one.life.cause = "scaled down"
    told = death_report.retirement(one, ChildExited(1, "exit code 0", clean=True, last=RequestSeen(served=9)))
    assert (told.level, told.event) == ("info", "worker_retired")
    assert told.fields == {
        "pool": "web",
        "worker": 1,
        "pid": 4711,
        "generation": 2,
        "reason": "scaled down",
        "served": 9,
    }


def test_an_unasked_death_leaves_nothing_out():
    """The request, for how long, the stacks, the memory, the back-off."""
    one = worker()
    one.life.stacks, one.life.failure = "Thread 0x1", "Traceback"
    fact = ChildExited(1, "signal SIGSEGV", clean=False, peak_memory=5, last=RequestSeen(60.0, "GET / HTTP/1.1", 7))
    told = death_report.certificate(one, fact, 1.53, now=62.5)
    assert (told.level, told.event) == ("error", "worker_died")
    assert told.fields == {
        "pool": "web",
        "worker": 1,
        "pid": 4711,
        "generation": 2,
        "cause": "signal SIGSEGV",
        "ending": "signal SIGSEGV",
        "age": 52.5,
        "served": 7,
        "peak_memory": 5,
        "last_request": "GET / HTTP/1.1",
        "busy_seconds": 2.5,
        "traceback": "Traceback",
        "stacks": "Thread 0x1",
        "next_try_in": 1.5,
    }


def test_what_is_not_known_is_not_said():
    """No empty fields."""
    told = death_report.certificate(worker(), ChildExited(1, "exit code 3", clean=False), 0.0, now=11.0)
    assert not {"last_request", "busy_seconds", "traceback", "stacks", "next_try_in"} & told.fields.keys()


def test_a_cause_of_ours_comes_before_the_ending():
    """Fault 25: SIGKILL after a boot timeout is a boot timeout."""
    one = worker()
    one.life.cause = "boot timeout"
    fact = ChildExited(1, "signal SIGKILL", clean=False)
    assert death_report.certificate(one, fact, 0.0, now=11.0).fields["cause"] == "boot timeout"
    one.life.stacks = "slow.py, line 1"
    assert (
        death_report.boot_story(one, fact)
        == "pool web: a worker ended before it was ready: boot timeout\nslow.py, line 1"
    )


def test_the_story_of_a_boot_is_its_traceback():
    """For the terminal of whoever started it."""
    one = worker()
    assert death_report.boot_story(one, ChildExited(1, "exit code 3", clean=False)).endswith("ready: exit code 3")
    one.life.failure, one.life.stacks = "ImportError", "never mind"
    assert death_report.boot_story(one, ChildExited(1, "exit code 70", clean=False)).endswith("\nImportError")


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        ("shop:app is an int, not a callable WSGI application", "shop:app is an int, not a callable WSGI application"),
        (
            "shop:app cannot be imported\nTraceback (most recent call last):\n  File x\nRuntimeError: no database\n",
            "RuntimeError: no database",
        ),
        ("Fatal Python error\n  File x", "Fatal Python error"),
    ],
)
def test_a_boot_that_failed_is_headed_by_why(failure: str, cause: str):
    """U4. Exit code 70 says nothing to anybody."""
    one = worker()
    one.life.failure = failure
    told = death_report.certificate(one, ChildExited(1, "exit code 70", clean=False), 0.0, now=62.5)
    assert told.fields["cause"] == cause
    assert told.fields["ending"] == "exit code 70"
    assert death_report.boot_story(one, ChildExited(1, "exit code 70", clean=False)).splitlines()[0].endswith(cause)


def test_times_are_told_to_the_millisecond():
    """How long it was at its request, and how long that had been queued."""
    fact = ChildExited(1, "signal SIGSEGV", clean=False, last=RequestSeen(60.12345, "GET / HTTP/1.1", 7, 0.98765))
    told = death_report.certificate(worker(), fact, 0.0, now=62.56789)
    assert (told.fields["age"], told.fields["busy_seconds"], told.fields["queue_seconds"]) == (52.568, 2.444, 0.988)
    idle = ChildExited(1, "signal SIGSEGV", clean=False, last=RequestSeen(0.0, "", 7, 0.98765))
    assert "queue_seconds" not in death_report.certificate(worker(), idle, 0.0, now=62.0).fields


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        ("Traceback (most recent call last):\n  File\nImportError: shop", "ImportError: shop"),
        (
            "Traceback (most recent call last):\n  File\nSyntaxError: x\n    in shop",
            "Traceback (most recent call last):",
        ),
        ("shop:app is an int\nhint: name a callable", "shop:app is an int"),
    ],
)
def test_the_cause_of_a_boot_is_what_was_raised_or_the_first_line(failure: str, cause: str):
    """In one line, for the log."""
    one = worker()
    one.life.failure = failure
    assert death_report.cause_of(one, ChildExited(1, "exit code 70", clean=False)) == cause
