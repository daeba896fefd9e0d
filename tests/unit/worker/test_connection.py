"""One client's connection, where it and its answer do not end as they should."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from prefork.worker import connection as connections
from prefork.worker import outbox as deliveries
from prefork.worker import spool
from prefork.worker.protocol import Directive
from tests.unit.worker.live import PATIENCE, body_of, read_all, read_until, status_of

ONE = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
TWO = b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
EXPECTING = POST + b"Expect: 100-continue\r\nContent-Length: 500000\r\n"


class Stream:
    """An answer without end, or of so many pieces, each of them a turn."""

    def __init__(self, most=0):
        self.taken = self.closed = 0
        self._most = most
        self.gone = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        if self.taken == self._most > 0:
            raise StopIteration
        self.taken += 1
        return b"x" * 2000

    def close(self):
        self.closed += 1
        self.gone.set()


@pytest.fixture
def short_turns(monkeypatch):
    monkeypatch.setattr(deliveries, "TURN_BYTES", 1000)


def on_pause(worker, number, act):
    """Do something in the loop's own thread, when an answer gives way for the time of that number."""
    pause = worker.line.pause

    def pausing():
        pause()
        if worker.line.pauses == number:
            act()

    worker.line.pause = pausing


@pytest.mark.parametrize("turn", [1, 2, 3, 4])
@pytest.mark.parametrize("unix", [False, True])
def test_a_client_that_goes_while_its_answer_gives_way(live, tmp_path, short_turns, unix, turn):
    """Its iterable is closed, once; what it had sent behind is not begun in the middle of the answer."""
    stream, called = Stream(), []

    def app(environ, start_response):
        called.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return stream if len(called) == 1 else [b"two"]

    worker = live(app, unix=tmp_path / "socket" if unix else None)
    client = worker.connect()

    def go():
        client.sendall(TWO)
        if not unix:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    on_pause(worker, turn, go)
    client.sendall(ONE)
    assert stream.gone.wait(PATIENCE)
    worker.line.say(Directive.RETIRE)
    worker.wait()
    assert called == ["/one"]
    assert stream.closed == 1
    assert len(worker.line.ended) == 1


def test_a_worker_that_retires_gives_nobody_two_turns(live, short_turns):
    """Whoever gives way waits once for its turn, whatever happens to the worker meanwhile."""
    waiting = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return Stream(20)

    worker = live(app)
    pause = worker.line.pause

    def pausing():
        pause()
        waiting.append(len(worker.worker._yielding))
        if worker.line.pauses == 3:
            worker.line.say(Directive.RETIRE)

    worker.line.pause = pausing
    with worker.connect() as client:
        client.sendall(ONE)
        read_until(client, b"\r\n0\r\n\r\n")
    worker.wait()
    assert set(waiting) == {0}  # it is taken out while it has its turn


def test_a_disk_that_fills_up_is_told_to_the_client(live, monkeypatch):
    """507, also when what the file still held back cannot be written as it is closed."""
    monkeypatch.setattr(spool, "_file_on_disk", lambda: open("/dev/full", "w+b"))  # noqa: SIM115 - the spool closes it
    monkeypatch.setattr(connections, "RECEIVE", 3000)  # less than a file holds back
    worker = live(lambda environ, start_response: [])
    answer = worker.ask(POST + b"Content-Length: 2000000\r\n\r\n" + b"x" * 100_000)
    assert status_of(answer) == 507
    assert worker.log.names() == ["request_body_failed"]
    assert worker.line.begun == []


def test_an_application_that_is_told_that_its_body_will_not_come_is_watched(live):
    """It runs again then, and may hang: the row says that it is busy."""
    tellings = []

    def app(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except OSError:
            tellings.append((len(worker.line.begun), worker.line.pauses))
            told.set()
        start_response("200 OK", [])
        return []

    told = threading.Event()
    worker = live(app)
    with worker.connect() as client:
        client.sendall(EXPECTING + b"\r\n")
        read_until(client, b"100 Continue\r\n\r\n")
    assert told.wait(PATIENCE)
    assert tellings == [(2, 1)]


def test_an_answer_instead_of_100_reaches_a_client_that_sends_on(live):
    """RFC 9112 section 9.6: no reset costs it the answer, also when it had asked for the end of the connection."""

    def app(environ, start_response):
        start_response("403 Forbidden", [])
        return [b"x" * 1_000_000]

    worker = live(app)
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(EXPECTING + b"Connection: close\r\n\r\n")
        answer = client.recv(10)
        client.sendall(b"x" * 500_000)
        answer += read_all(client)
    assert status_of(answer) == 403
    assert len(body_of(answer)) == 1_000_000


@pytest.mark.parametrize("data", [b"", b"\r\n", b"G", POST, POST + b"Content-Length: 5\r\n\r\nhel"])
def test_a_client_that_resets_is_forgotten(live, data):
    """Whatever it had sent; nothing is dispatched, and nothing is logged."""
    worker = live(lambda environ, start_response: [])
    client = worker.connect()
    client.sendall(data)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    worker.line.say(Directive.RETIRE)
    worker.wait()
    assert worker.log.events == []
    assert worker.line.begun == []


def test_what_a_refused_client_still_sends_is_dropped_within_bounds(live, monkeypatch):
    """It can read its answer, but not keep the connection by sending for ever."""
    monkeypatch.setattr(connections, "LINGER_BYTES", 200_000)
    worker = live(lambda environ, start_response: [])
    with worker.connect() as client:
        client.sendall(b"BAD\r\n\r\n")
        assert status_of(read_all(client)) == 400
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.sendall(bytes(64 * 1024 * 1024))


def test_a_refused_client_that_stays_is_left(live, monkeypatch):
    """After a while the connection is closed from our side."""
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)
    worker = live(lambda environ, start_response: [])
    with worker.connect() as client:
        client.sendall(b"BAD\r\n\r\n")
        assert status_of(read_all(client)) == 400
        worker.line.say(Directive.RETIRE)
        worker.wait()


def test_two_pipelining_clients_take_turns(live, monkeypatch):
    """However much one has sent ahead, the other is served after so many of its requests."""
    monkeypatch.setattr(connections, "TURN_REQUESTS", 4)
    order = []

    def app(environ, start_response):
        order.append(environ["PATH_INFO"])
        if len(order) == 1:
            other.sendall(TWO)
        start_response("200 OK", [])
        return [b"ok"]

    worker = live(app)
    with worker.connect() as client, worker.connect() as other:
        other.sendall(b"\r\n")
        client.sendall(ONE * 100)
        read_until(other, b"ok")
        assert order.index("/two") < 40
