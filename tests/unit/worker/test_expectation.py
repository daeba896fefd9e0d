"""Expect: 100-continue: the application says whether it wants the body, and nobody else waits for it."""

from __future__ import annotations

import threading

import pytest

from prefork.worker import sync
from prefork.worker.protocol import Directive
from prefork.worker.settings import HttpSettings, TimeoutSettings
from tests.unit.worker.live import PATIENCE, body_of, read_all, read_until, status_of

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = b"POST /%b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


def app(environ, start_response):
    """Reads if the path says how."""
    how, body = environ["PATH_INFO"][1:], environ["wsgi.input"]
    if how == "lines":
        text = b"|".join(body)
    elif how == "by-two":
        text = body.read(2) + b"|" + body.read(2) + b"|" + body.read()
    elif how:
        text = getattr(body, how)()
        text = b"|".join(text) if isinstance(text, list) else text
    else:
        text = b"not read"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("read", b"ab\ncd"),
        ("readline", b"ab\n"),
        ("readlines", b"ab\n|cd"),
        ("lines", b"ab\n|cd"),
        ("by-two", b"ab|\nc|d"),
    ],
)
def test_reading_asks_for_the_body(live, how, text):
    """RFC 9110 section 10.1.1: 100 when the application reads, whichever way, and once."""
    with live(app).connect() as client:
        client.sendall(HEAD % how.encode())
        assert client.recv(1000) == CONTINUE
        client.sendall(b"ab\ncd")
        answer = read_until(client, text)
    assert status_of(answer) == 200
    assert b"100 Continue" not in answer


def test_who_does_not_read_asks_for_nothing(live):
    """The final answer alone; then the connection ends, for the body may come all the same."""
    with live(app).connect() as client:
        client.sendall(HEAD % b"")
        answer = read_until(client, b"not read")
        client.sendall(b"ab\ncdGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_all(client) == b""
    assert b"\r\nConnection: close\r\n" in answer


def test_a_body_that_comes_at_once_is_just_read(live):
    """A client need not wait; then there is nothing to ask for."""
    with live(app).connect() as client:
        client.sendall(HEAD % b"read" + b"ab\ncd")
        assert body_of(read_until(client, b"ab\ncd")) == b"ab\ncd"


def test_http_1_0_is_not_asked(live):
    """It knows no interim answers."""
    with live(app).connect() as client:
        client.sendall((HEAD % b"read").replace(b"HTTP/1.1", b"HTTP/1.0"))
        client.sendall(b"ab\ncd")
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_a_body_that_is_too_large_is_not_asked_for(live):
    """Refused by its head."""
    worker = live(app, http=HttpSettings(max_body=4))
    with worker.connect() as client:
        client.sendall(HEAD % b"read")
        assert status_of(read_all(client)) == 413
    assert worker.line.begun == []


def test_who_waits_for_a_slow_body_keeps_nobody_waiting(live):
    """Many at once, none of which sends; the next client is served, and then each of them."""
    worker = live(app)
    clients = [worker.connect() for _ in range(20)]
    for client in clients:
        client.sendall(HEAD % b"read")
    for client in clients:
        assert client.recv(1000) == CONTINUE
    assert body_of(worker.get()) == b"not read"
    for client in reversed(clients):
        client.sendall(b"ab\ncd")
        read_until(client, b"ab\ncd")
        client.close()


def waiting(outcome):
    """An application that notes how its read went."""

    def reading(environ, start_response):
        try:
            outcome.append(environ["wsgi.input"].read())
        except BaseException as error:
            outcome.append(error)
            raise
        start_response("200 OK", [])
        return [b"ok"]

    return reading


@pytest.mark.parametrize("end", ["gone", "stalled", "malformed"])
def test_a_body_that_does_not_come_is_an_error_where_it_is_read(live, end):
    """It never looks short, or empty; the worker goes on."""
    outcome = []
    worker = live(waiting(outcome), timeout=TimeoutSettings(body=0.2 if end == "stalled" else 30.0))
    with worker.connect() as client:
        client.sendall((HEAD % b"").replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"))
        assert client.recv(1000) == CONTINUE
        if end == "malformed":
            client.sendall(b"zz\r\n")
        if end != "gone":
            assert status_of(read_all(client)) == (408 if end == "stalled" else 400)
    worker.get()  # may be answered in the very turn in which the other is seen to have gone
    worker.get()
    assert sum(isinstance(each, ConnectionError) for each in outcome) == 1
    assert outcome.count(b"") == 2


def test_the_body_cannot_be_read_after_the_answer_has_begun(live):
    """Nobody asked for it, so nobody has it."""
    errors = []

    def late(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        try:
            environ["wsgi.input"].read()
        except ConnectionError as error:
            errors.append(error)
        yield b"b"

    with live(late).connect() as client:
        client.sendall(HEAD % b"")
        assert body_of(read_all(client)).startswith(b"1\r\na\r\n")
    assert len(errors) == 1


@pytest.mark.parametrize("directive", [Directive.RETIRE, Directive.QUIT])
def test_it_does_not_hold_a_worker_that_goes(live, monkeypatch, directive):
    """RETIRE waits for the body as for any other; QUIT for nothing."""
    monkeypatch.setattr(sync, "GRACE", 0.2)
    outcome = []
    worker = live(waiting(outcome))
    with worker.connect() as client:
        client.sendall(HEAD % b"")
        assert client.recv(1000) == CONTINUE
        worker.line.say(directive)
        if directive is Directive.RETIRE:
            assert worker.line.has_closed.wait(PATIENCE)
            client.sendall(b"ab\ncd")
            assert status_of(read_all(client)) == 200
        worker.wait()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefork-early-call"]
