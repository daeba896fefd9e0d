"""Requests that take too long: told of, then ended, and their clients told so."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, until

HANGING = "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"


def ask(daemon: Preforkd, path: str) -> socket.socket:
    client = daemon.connect()
    client.sendall(HANGING.format(path=path).encode())
    return client


def known(daemon: Preforkd) -> socket.socket:
    """A connection that the worker has accepted, and keeps."""
    client = ask(daemon, "/")
    assert client.recv(1000).endswith(b"hello")
    return client


def answer(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    found = b""
    while data := client.recv(65536):
        found += data
    return found


def test_a_slow_request_is_told_once_and_answered(daemon: Preforkd):
    """One event with the request line, for how long it runs and where it stands; its client notices nothing."""
    daemon.configure(timeout='slow = "200ms"')
    daemon.start()
    with ask(daemon, "/wait") as client:
        slow = daemon.expect("request_slow")
        assert slow["request"] == "GET /wait HTTP/1.1"
        assert 0.2 <= slow["busy_seconds"] < PATIENCE
        assert "site_of_test.py" in slow["stacks"]
        (daemon.home / "go").touch()
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    daemon.stop()
    assert len(daemon.events.named("request_slow")) == 1
    assert daemon.events.named("worker_died") == []


@pytest.mark.parametrize("how", ["/hang", "/spin", "/lock", "/join", "/recv"])
def test_the_client_of_a_stuck_request_is_told_504(daemon: Preforkd, how: str):
    """And it is in the access log; whoever waited behind it is told 503, and an idle connection is just closed."""
    log = daemon.home / "access.log"
    daemon.configure(timeout='request = "1s"', more=f'[log.access]\nfile = "{log}"')
    daemon.start()
    with known(daemon) as idle, known(daemon) as waiting, ask(daemon, how) as stuck:
        until((daemon.home / "waiting").exists, "the request to be taken up")
        waiting.sendall(HANGING.format(path="/").encode())
        assert answer(stuck).startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert answer(waiting).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert answer(idle) == b""
    stuck_event = daemon.expect("worker_stuck")
    assert stuck_event["cause"] == "request timeout"
    assert "site_of_test.py" in stuck_event["stacks"]
    daemon.expect("worker_died", ending="signal SIGABRT")
    daemon.stop()
    told = [json.loads(line) for line in log.read_text().splitlines()]
    [line] = [entry for entry in told if entry["status"] == 504]
    assert line["target"] == how
    assert line["duration_ms"] >= 1000


def test_c_code_that_holds_the_interpreter_is_explained_and_ended(daemon: Preforkd):
    """Its stacks are taken and it is killed; there is nobody left to tell the client."""
    daemon.configure(timeout='request = "500ms"')
    daemon.start()
    with ask(daemon, "/hold") as client:
        stuck = daemon.expect("worker_stuck")
        assert "site_of_test.py" in stuck["stacks"]
        daemon.expect("worker_died")
        assert answer(client) == b""
    assert daemon.get()[0] == 200


def test_time_in_the_queue_is_in_the_access_log(daemon: Preforkd):
    """A connection that waited behind a busy worker says for how long."""
    log = daemon.home / "access.log"
    daemon.configure(more=f'[log.access]\nfile = "{log}"')
    daemon.start()
    with ask(daemon, "/wait") as busy:
        until((daemon.home / "waiting").exists, "the worker to be busy")
        with ask(daemon, "/") as queued:
            time.sleep(0.3)  # this is the time that is measured
            (daemon.home / "go").touch()
            assert queued.recv(100).startswith(b"HTTP/1.1 200")
        assert busy.recv(100).startswith(b"HTTP/1.1 200")
    daemon.stop()
    [line] = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["target"] == "/"]
    assert 300 <= line["queue_ms"] < PATIENCE * 1000
