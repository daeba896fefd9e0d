"""Expect: 100-continue is answered by the server, at once; then the request is a request like any other."""

from __future__ import annotations

import threading

import pytest

from prefork.worker import sync
from prefork.worker.protocol import Directive
from prefork.worker.settings import HttpSettings
from tests.unit.worker.live import PATIENCE, body_of, read_all, read_until, status_of

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n%bContent-Length: 5\r\n\r\n"
EXPECTING = HEAD % b"Expect: 100-continue\r\n"
CHUNKED = EXPECTING.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked")


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


@pytest.mark.parametrize(
    "lines", [b"Expect: 100-continue\r\n", b"Expect: 100-Continue, 100-continue\r\n", b"Expect: 100-continue\r\n" * 2]
)
def test_the_client_is_told_to_send_before_the_application_is_called(live, lines):
    """H2. RFC 9110 section 10.1.1; also where the expectation is repeated."""
    worker = live(echo)
    with worker.connect() as client:
        client.sendall(HEAD % lines)
        assert client.recv(1000) == CONTINUE
        assert worker.line.begun == []
        client.sendall(b"ab\ncd")
        answer = read_until(client, b"ab\ncd")
        assert status_of(answer) == 200
        assert b"100 Continue" not in answer
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")  # the connection goes on
        assert status_of(read_all(client)) == 200
    assert len(worker.line.begun) == 2


@pytest.mark.parametrize("lines", [b"Expect:\r\n", b"Expect: , \r\n"])
def test_an_empty_expectation_says_nothing(live, lines):
    """H9. RFC 9110 section 5.6.1: empty members of a list are ignored."""
    with live(echo).connect() as client:
        client.sendall(HEAD % lines + b"ab\ncd")
        assert read_until(client, b"ab\ncd").startswith(b"HTTP/1.1 200")


def test_a_body_that_comes_at_once_is_just_read(live):
    """A client need not wait; then nothing has to be said."""
    with live(echo).connect() as client:
        client.sendall(EXPECTING + b"ab\ncd")
        answer = read_until(client, b"ab\ncd")
        assert answer.startswith(b"HTTP/1.1 200")
        assert body_of(answer) == b"ab\ncd"


def test_http_1_0_is_not_told(live):
    """It knows no interim responses."""
    with live(echo).connect() as client:
        client.sendall(EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0"))
        client.sendall(b"ab\ncd")
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_a_body_that_is_too_large_is_not_asked_for(live):
    """Refused by its head."""
    worker = live(echo, http=HttpSettings(max_body=4))
    assert status_of(worker.ask(EXPECTING)) == 413
    assert worker.line.begun == []


def test_who_waits_for_a_slow_body_keeps_nobody_waiting(live):
    """Many at once, none of which sends; the next client is served, and then each of them. No thread is made."""
    worker = live(echo)
    threads = threading.active_count()
    clients = [worker.connect() for _ in range(20)]
    for client in clients:
        client.sendall(EXPECTING)
    for client in clients:
        assert client.recv(1000) == CONTINUE
    assert status_of(worker.get()) == 200
    assert threading.active_count() == threads
    for client in reversed(clients):
        client.sendall(b"ab\ncd")
        read_until(client, b"ab\ncd")
        client.close()


@pytest.mark.parametrize("length", [EXPECTING, CHUNKED])
def test_the_environ_is_that_of_any_other_request(live, length):
    """H3. But for the field itself: a chunked body has a length by the time the application sees it."""
    environ_builder = []

    def app(environ, start_response):
        environ_builder.append({name: value for name, value in environ.items() if type(value) in (str, bool)})
        return echo(environ, start_response)

    worker = live(app)
    body = b"ab\ncd" if length is EXPECTING else b"5\r\nab\ncd\r\n0\r\n\r\n"
    with worker.connect() as client:
        client.sendall(length)
        assert client.recv(1000) == CONTINUE
        client.sendall(body)
        assert body_of(read_until(client, b"ab\ncd")) == b"ab\ncd"
        client.sendall(length.replace(b"Expect: 100-continue\r\n", b"") + body)
        assert body_of(read_until(client, b"ab\ncd")) == b"ab\ncd"
    assert environ_builder[0].pop("HTTP_EXPECT") == "100-continue"
    assert environ_builder[0] == environ_builder[1]
    assert environ_builder[0]["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in environ_builder[0]


def test_every_call_is_in_the_thread_of_the_worker(live):
    """H2. An object that is bound to its thread, as those of sqlite3 are, serves both kinds of requests."""
    threads = set()

    def app(environ, start_response):
        threads.add(threading.get_ident())
        return echo(environ, start_response)

    worker = live(app)
    with worker.connect() as client:
        client.sendall(EXPECTING)
        assert client.recv(1000) == CONTINUE
        client.sendall(b"ab\ncd")
        read_until(client, b"ab\ncd")
    worker.get()
    assert len(threads) == 1


def test_100_is_not_lost_to_a_client_that_reads_late(live):
    """It waits its turn behind responses that the client has not read yet."""
    worker = live(lambda environ, start_response: start_response("200 OK", []) and [b"x" * 3_000_000])
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + EXPECTING)
        read_until(client, CONTINUE)
        client.sendall(b"ab\ncd")
        assert client.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("directive", [Directive.RETIRE, Directive.QUIT])
def test_it_does_not_hold_a_worker_that_goes(live, monkeypatch, directive):
    """RETIRE waits for the body as for any other; QUIT for nothing."""
    monkeypatch.setattr(sync, "GRACE", 0.2)
    worker = live(echo)
    with worker.connect() as client:
        client.sendall(EXPECTING)
        assert client.recv(1000) == CONTINUE
        worker.line.say(directive)
        if directive is Directive.RETIRE:
            assert worker.line.has_closed.wait(PATIENCE)
            client.sendall(b"ab\ncd")
            assert status_of(read_all(client)) == 200
        worker.wait()
