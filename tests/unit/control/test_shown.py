"""What preforkctl prints for people."""

from __future__ import annotations

from typing import Any

import pytest

from prefork.control import shown
from prefork.control.commands import COMMANDS

SHAPES = COMMANDS["reload"].progress

WORKER = {"pool": "web", "worker": 1, "pid": 4243, "generation": 3, "state": "ready", "age": 7300.0, "served": 12034}


def status(**more: Any) -> dict[str, Any]:
    return {
        "ok": True,
        "version": "0.1.0",
        "pid": 4242,
        "config": "/etc/prefork.toml",
        "state": "serving",
        "generation": 3,
        "paused": False,
        "reload": None,
        "upgrade": {"state": "none", "successor": 0},
        "predecessor": False,
        "pools": {"web": {"wanted": 4, "ready": 4, "failures": 0, "next_try_in": 0.0}},
        "workers": [WORKER],
        "listeners": {"http": "127.0.0.1:8000"},
        **more,
    }


def test_the_service_is_told_in_aligned_tables():
    """Numbers to the right, names to the left."""
    assert shown.status(status()) == (
        "prefork 0.1.0, master 4242, /etc/prefork.toml\n"
        "serving, generation 3\n"
        "\n"
        "POOL  WANTED  READY  FAILURES  NEXT TRY\n"
        "web        4      4         0  -\n"
        "\n"
        "WORKER   PID  GENERATION  STATE  AGE  SERVED  REQUEST\n"
        "web/1   4243           3  ready  2 h   12034\n"
        "\n"
        "LISTENER  ADDRESS\n"
        "http      127.0.0.1:8000"
    )


def test_a_long_request_is_cut_at_eighty_columns():
    """Of the last column only."""
    busy = {**WORKER, "request": "GET /" + "x" * 500, "busy_seconds": 3.21}
    text = shown.status(status(workers=[busy]))
    assert max(len(line) for line in text.splitlines()) == 80
    assert "3.2 s: GET /xxx" in text


def test_what_is_out_of_the_ordinary_is_said():
    """Rest, the last reload with its faults, an upgrade, a pool that waits, a worker that is due."""
    reload = {"state": "refused", "began_seconds_ago": 400.0, "ended_seconds_ago": 300.0, "faults": ["first\nsecond"]}
    text = shown.status(
        status(
            paused=True,
            reload=reload,
            upgrade={"state": "ready", "successor": 5000},
            predecessor=True,
            pools={"web": {"wanted": 4, "ready": 1, "failures": 3, "next_try_in": 2.5}},
            workers=[{**WORKER, "recycle_due": "1000 requests"}],
        )
    )
    assert "workers paused (WINCH); HUP resumes" in text
    assert "last reload: refused, 5 min ago\n  first\n  second\n" in text
    assert "the successor 5000 is ready" in text
    assert "old master" in text
    assert "in 2.5 s" in text
    assert "ready, recycle due" in text


def test_nothing_that_a_client_sent_reaches_the_terminal_as_it_is():
    """Escape sequences are shown, not obeyed."""
    busy = {**WORKER, "request": "GET /\x1b[2J\x07", "busy_seconds": 1.0}
    text = shown.status(status(workers=[busy]))
    assert "GET /\\x1b[2J\\x07" in text
    dumped = shown.dumps({"workers": [{**WORKER, "stacks": "File \x1b]0;title\x07\n  line 2"}]})
    assert "\x1b" not in dumped
    assert "\n  line 2" in dumped


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0.0 s"), (9.94, "9.9 s"), (61.0, "61 s"), (150.0, "2 min"), (7300, "2 h"), (2e5, "2 d")],
)
def test_a_length_of_time_is_said_in_the_unit_that_fits(seconds: float, said: str):
    """At least two of it."""
    assert shown.span(seconds) == said


def test_a_death_is_told_with_all_that_is_known():
    """And its stacks below."""
    text = shown.deaths(
        {
            "deaths": [
                {
                    **WORKER,
                    "seconds_ago": 30.0,
                    "cause": "request timeout",
                    "ending": "signal SIGABRT",
                    "last_request": "GET / HTTP/1.1",
                    "busy_seconds": 30.1,
                    "stacks": "Thread 1\n  File x",
                }
            ]
        }
    )
    assert text.startswith("web/1 (pid 4243, generation 3), 30 s ago: request timeout\n  ended with: signal SIGABRT")
    assert "  last request: GET / HTTP/1.1 (30 s)\n  Thread 1\n    File x" in text
    assert "no worker" in shown.deaths({"deaths": []})


def test_a_template_has_no_number():
    """It is named by its pool."""
    template = {key: value for key, value in WORKER.items() if key != "worker"}
    assert shown.name_of(template) == "web template"


def test_a_worker_that_wrote_no_stacks_is_said_to_have_written_none():
    """The others follow."""
    text = shown.dumps({"workers": [{**WORKER, "stacks": ""}, {**WORKER, "worker": 2, "stacks": "Thread 1"}]})
    assert "did not write its stacks" in text
    assert text.endswith("web/2, pid 4243, idle\nThread 1")


def test_progress_is_told_of_what_matters_to_who_waits():
    """Of other events nothing; fields that an event lacks, and braces in what it has, do no harm."""
    assert shown.progress({"event": "reload_started"}, SHAPES) == "reading the configuration"
    assert shown.progress({"event": "request_slow", "stacks": "x"}, SHAPES) == ""
    assert shown.progress({"event": "worker_died"}, SHAPES).startswith("/ of generation  died")
    assert "{evil}" in shown.progress({"event": "worker_died", "pool": "web", "worker": 1, "cause": "{evil}"}, SHAPES)
