"""H7. The ``write`` of PEP 3333: what an application writes is sent as it comes, as the pieces of an iterable are."""

from __future__ import annotations

import json
import resource
import threading

import pytest

from prefork.worker import outbox as deliveries
from prefork.worker.protocol import Directive
from tests.unit.worker.live import PATIENCE, body_of, read_all, read_until, status_of

ONE = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def writing(*pieces, result=(), headers=()):
    def app(environ, start_response):
        write = start_response("200 OK", list(headers))
        for piece in pieces:
            write(piece)
        return list(result)

    return app


def test_what_is_written_arrives_before_the_call_returns(live):
    """A client that waits for it can answer while the application waits for the client."""
    read = threading.Event()

    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"first")
        assert read.wait(PATIENCE)
        return [b"second"]

    worker = live(app)
    with worker.connect() as client:
        client.sendall(LAST)
        read_until(client, b"first\r\n")
        read.set()
        assert read_all(client) == b"6\r\nsecond\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("app", "body"),
    [
        (writing(b"ab", b"", b"c", headers=[("Content-Length", "3")]), b"abc"),
        (writing(b"ab", result=[b"c"], headers=[("Content-Length", "3")]), b"abc"),
        (writing(b"ab", result=[b"c", b"d"]), b"2\r\nab\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"),
        (writing(b"ab"), b"2\r\nab\r\n0\r\n\r\n"),
        (writing(b"", result=[b"c"]), b"c"),
        (writing(), b""),
    ],
)
def test_a_response_that_is_written_is_framed_as_any_other(live, app, body):
    """With its length, or in chunks; an empty write sends nothing; and the connection is kept."""
    worker = live(app)
    assert body_of(worker.get()) == body
    assert body_of(worker.get(method="HEAD")) == b""
    with worker.connect() as client:
        client.sendall(ONE * 3)
        answers = read_until(client, body)
        while answers.count(b"HTTP/1.1 200 OK") < 3 or not answers.endswith(body):
            answers += client.recv(65536)
    assert worker.log.events == []


def test_a_generator_may_write_between_its_pieces(live):
    """In the order of time."""

    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"a")
        yield b"b"
        write(b"c")
        yield b"d"

    assert body_of(live(app).get()) == b"".join(b"1\r\n%c\r\n" % letter for letter in b"abcd") + b"0\r\n\r\n"


def test_a_slow_reader_of_what_is_written_keeps_nothing_in_memory(live):
    """100 MiB that nobody takes wait in a file; the application is done with them, and others are served."""
    written = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/":
            start_response("200 OK", [])
            return [b"small"]
        write = start_response("200 OK", [])
        for _ in range(100):
            write(b"x" * (1 << 20))
        written.set()
        return []

    worker = live(app)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert written.wait(PATIENCE)
        assert body_of(worker.get()) == b"small"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024  # KiB
        left = 100 << 20
        while piece := client.recv(1 << 20):
            left -= piece.count(b"x")
        assert left == 0


def test_an_error_after_something_was_written_cuts_the_response(live):
    """It must not look whole, and is logged."""

    def app(environ, start_response):
        start_response("200 OK", [])(b"first")
        raise ZeroDivisionError

    worker = live(app)
    answer = worker.get()
    assert status_of(answer) == 200
    assert body_of(answer) == b"5\r\nfirst\r\n"
    assert worker.log.names() == ["request_failed"]


def test_less_than_the_length_cuts_the_connection(live):
    """And more is cut, and told of once."""
    worker = live(writing(b"ab", headers=[("Content-Length", "3")]))
    assert body_of(worker.get()) == b"ab"
    assert worker.log.names() == ["content_length_wrong"]
    worker = live(writing(b"ab", b"cd", b"ef", headers=[("Content-Length", "3")]))
    assert body_of(worker.get()) == b"abc"
    assert worker.log.names() == ["content_length_wrong"]


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_client_that_goes_ends_the_writing(live, stubborn):
    """An exception tells the application, which is no failure of it; what it does about that costs nothing."""
    told, closed = [], threading.Event()

    class Result(list):
        def close(self):
            closed.set()

    def app(environ, start_response):
        write = start_response("200 OK", [])
        while len(told) < 3:
            try:
                write(b"x" * 65536)
            except ConnectionError as error:
                told.append(error)
                if not stubborn:
                    raise
        return Result([b"more"])

    worker = live(app, access="json")
    with worker.connect() as client:
        client.sendall(ONE)
        client.recv(1000)
    if stubborn:
        assert closed.wait(PATIENCE)
    worker.line.say(Directive.RETIRE)
    worker.wait()
    assert len(told) == (3 if stubborn else 1)
    assert worker.log.events == []
    assert len(worker.line.ended) == 1
    [line] = [json.loads(line) for line in b"".join(worker.sink.writes).splitlines()]
    assert line["status"] == 200


def test_a_full_disk_ends_the_writing(live, monkeypatch):
    """As it ends an iterable: the log says what to do."""

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deliveries.FileRegion, "temporary", full)
    ended = threading.Event()

    def app(environ, start_response):
        write = start_response("200 OK", [])
        try:
            for _ in range(100):
                write(b"x" * 1_000_000)
        finally:
            ended.set()

    worker = live(app)
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(ONE)
        assert ended.wait(PATIENCE)
        assert not read_all(client).endswith(b"0\r\n\r\n")
    assert worker.log.names() == ["response_spool_failed"]


def test_the_write_of_another_request_is_refused(live):
    """An application that has kept it reaches nobody with it."""
    kept = []

    def app(environ, start_response):
        kept.append(start_response("200 OK", []))
        if len(kept) == 2:
            kept[0](b"stray")
        return [b"ok"]

    worker = live(app)
    assert body_of(worker.get()) == b"ok"
    answer = worker.get()
    assert status_of(answer) == 500
    assert b"stray" not in answer
