"""One client's connection, where it and its answer do not end as they should."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import threading

import pytest

from prefork.worker import connection as connections
from prefork.worker import outbox as deliveries
from prefork.worker import spool
from prefork.worker.protocol import Directive
from tests.unit.worker.live import PATIENCE, read_all, read_until, status_of

ONE = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
TWO = b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


BIG = b"x" * 20_000_000


class Stream:
    """A response in pieces; ``on_piece`` is called with the number of each before it is given."""

    def __init__(self, most=1000, on_piece=None):
        self.taken = self.closed = 0
        self._most = most
        self._on_piece = on_piece or (lambda number: None)
        self.gone = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        if self.taken == self._most:
            raise StopIteration
        self.taken += 1
        self._on_piece(self.taken)
        return b"x" * 2000

    def close(self):
        self.closed += 1
        self.gone.set()


@pytest.mark.parametrize("piece", [1, 2, 3, 900])
@pytest.mark.parametrize("unix", [False, True])
def test_a_client_that_goes_while_its_response_is_made(live, tmp_path, unix, piece):
    """Its iterable is closed, once, and soon; what it had sent behind is not begun."""
    called = []

    def go(number):
        if number == piece:
            client.sendall(TWO)
            if not unix:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

    stream = Stream(10_000_000, go)

    def app(environ, start_response):
        called.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return stream

    worker = live(app, unix=tmp_path / "socket" if unix else None)
    client = worker.connect()
    client.sendall(ONE)
    assert stream.gone.wait(PATIENCE)
    worker.line.say(Directive.RETIRE)
    worker.wait()
    assert called == ["/one"]
    assert stream.closed == 1
    assert stream.taken < 100_000
    assert len(worker.line.ended) == 1


def test_a_piece_is_on_its_way_before_the_next_is_asked_for(live):
    """PEP 3333: a client reads each piece while the application has not made the next."""
    read = []

    def look(number):
        if number > 1:
            read.append(client.recv(100_000).count(b"x"))

    stream = Stream(4, look)
    worker = live(lambda environ, start_response: start_response("200 OK", []) and stream)
    with worker.connect() as client:
        client.sendall(ONE)
        assert stream.gone.wait(PATIENCE)
        read_until(client, b"\r\n0\r\n\r\n")
    assert read == [2000, 2000, 2000]


def test_a_worker_that_retires_gives_nobody_two_turns(live, monkeypatch):
    """Whoever gives way waits once for its turn, whatever happens to the worker meanwhile."""
    monkeypatch.setattr(deliveries, "TURN_BYTES", 1000)
    waiting = []
    pump = deliveries.Outbox.pump

    def pumping(outbox, *turn):
        waiting.append(len(worker.worker._yielding))
        if len(waiting) == 3:
            worker.line.say(Directive.RETIRE)
        return pump(outbox, *turn)

    monkeypatch.setattr(deliveries.Outbox, "pump", pumping)
    worker = live(lambda environ, start_response: start_response("200 OK", []) and [BIG])
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(ONE)
        client.shutdown(socket.SHUT_WR)
        assert len(read_all(client)) > len(BIG)
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


def test_a_spool_that_does_not_fit_cuts_the_response(live, monkeypatch):
    """H1. A full disk: what was kept goes out without its end, the iterable is closed, the log says what to do."""
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(deliveries.FileRegion, "temporary", lambda: deliveries.FileRegion(os.dup(full), 0, 0))
    stream = Stream(10_000)
    worker = live(lambda environ, start_response: start_response("200 OK", []) and stream)
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(ONE)
        assert stream.gone.wait(PATIENCE)
        answer = read_all(client)
    os.close(full)
    assert answer.endswith(b"x\r\n")  # a whole chunk, and not the last
    assert stream.closed == 1
    ((event, fields),) = worker.log.events
    assert event == "response_spool_failed"
    assert (fields["method"], fields["target"]) == ("GET", "/one")
    assert "temporary directory" in fields["hint"]


def test_a_response_that_its_reader_leaves_is_told_as_it_was_sent(live):
    """The access log has the bytes that went out, and not those that were kept for a client that has gone."""
    stream = Stream(20_000)
    worker = live(lambda environ, start_response: start_response("200 OK", []) and stream, access="json")
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(ONE)
        assert stream.gone.wait(PATIENCE)
        assert worker.sink.writes == []
    worker.line.say(Directive.RETIRE)
    worker.wait()
    [line] = [json.loads(line) for line in b"".join(worker.sink.writes).splitlines()]
    assert 0 < line["bytes"] < 40_000_000
    assert worker.line.ended[0] > 40_000_000


def test_a_file_that_becomes_shorter_cuts_the_response(live, tmp_path):
    """H9. The log says so; the client cannot take what it has for the whole."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 40_000_000)
    opened = []

    def app(environ, start_response):
        opened.append(path.open("rb"))
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](opened[-1])

    worker = live(app)
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(ONE)
        assert b"Content-Length: 40000000" in client.recv(1000)
        assert opened[0].closed  # the call is over, whatever its reader takes
        os.truncate(path, 1000)
        assert len(read_all(client)) < 40_000_000
    assert worker.log.names() == ["response_cut"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ENXIO, errno.EISDIR])
def test_an_error_of_a_file_is_not_taken_for_the_clients(live, tmp_path, monkeypatch, number):
    """H9. The response is cut, and the log says why."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)

    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", fail)
    monkeypatch.setattr(os, "pread", fail)

    def app(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    worker = live(app)
    assert worker.get().endswith(b"\r\n\r\n")
    ((event, fields),) = worker.log.events
    assert event == "response_cut"
    assert os.strerror(number) in fields["reason"]


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
