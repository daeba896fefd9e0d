"""One request and its answer: whatever an application does, the worker goes on and the client is told the truth."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import socket
import sys
import threading

import pytest

from tests.unit.worker.live import PATIENCE, body_of, read_all, read_until, status_of

HTML = [("Content-Type", "text/html")]


class Pieces:
    """An iterable that counts what is taken from it, and how often it is closed."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self.taken = 0
        self.closed = 0
        self.gone = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self._pieces)
        self.taken += 1
        return piece

    def close(self):
        self.closed += 1
        self.gone.set()


def answering(result, headers=HTML, status="200 OK"):
    def app(environ, start_response):
        start_response(status, headers)
        return result(environ) if callable(result) else result

    return app


def silent(environ, start_response):
    return [b"x"]


def fail():
    raise ZeroDivisionError


def test_one_piece_has_a_length(live):
    """PEP 3333: an iterable of length 1 tells the server the Content-Length."""
    answer = live(answering([b"hello"])).get()
    assert status_of(answer) == 200
    assert b"\r\nContent-Length: 5\r\n" in answer
    assert body_of(answer) == b"hello"


def test_an_open_stream_is_chunked(live):
    """RFC 9112 section 7.1: without a length, chunks; the last one says that it is whole."""
    answer = live(answering(lambda _: iter([b"a", b"", b"bc"]))).get()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    assert body_of(answer) == b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"


def test_an_error_before_the_first_byte_is_a_500_and_the_traceback_is_logged(live):
    """Nothing of the half-made answer goes out; the log has method, target and traceback."""

    def app(environ, start_response):
        start_response("200 OK", [("X-Secret", "half-made")])
        raise ZeroDivisionError("by the application")

    worker = live(app)
    answer = worker.get("/x?y=1")
    assert status_of(answer) == 500
    assert b"half-made" not in answer
    ((event, fields),) = worker.log.events
    assert event == "request_failed"
    assert (fields["method"], fields["target"]) == ("GET", "/x?y=1")
    assert "by the application" in fields["traceback"]


def test_an_error_in_the_middle_leaves_no_last_chunk(live):
    """A cut answer must not look whole."""

    def pieces(_environ):
        yield b"first"
        raise ZeroDivisionError

    worker = live(answering(pieces))
    assert body_of(worker.get()) == b"5\r\nfirst\r\n"
    assert worker.log.names() == ["request_failed"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(), MemoryError()])
def test_whatever_is_raised_is_a_500_and_the_worker_goes_on(live, error):
    """An application may raise anything; sys.exit in a view must not cost a worker."""

    def app(environ, start_response):
        raise error

    worker = live(app)
    assert [status_of(worker.get()) for _ in range(2)] == [500, 500]


BROKEN = {
    "text instead of bytes": answering(["text"]),
    "text after bytes": answering([b"a", "b"], [("Content-Length", "2")]),
    "nothing at all": answering(None),
    "a number": answering(7),
    "no start_response": silent,
    "a status without code": answering([b""], status="OK"),
    "a status that is a number": answering([b""], status=200),
    "a split head": answering([b""], [("X", "a\r\nSet-Cookie: b")]),
    "a header name with a space": answering([b""], [("X Y", "a")]),
    "two lengths": answering([b"a"], [("Content-Length", "1"), ("Content-Length", "1")]),
    "a length that is none": answering([b"a"], [("Content-Length", "+1")]),
    "an interim status": answering([b""], status="100 Continue"),
    "headers in a tuple": answering([b""], ()),
    "a surrogate": answering([b""], [("X", "\ud800")]),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_an_application_that_breaks_the_rules_is_logged_and_answered(live, fault):
    """PEP 3333 and RFC 9110 hold for applications: what breaks them never goes out, and never ends the worker."""
    worker = live(BROKEN[fault])
    answer = worker.get()
    assert status_of(answer) == (200 if fault == "text after bytes" else 500)
    assert worker.log.names() == ["request_failed"]
    assert b"Set-Cookie" not in answer


def test_none_among_the_pieces_is_an_error_and_not_their_end(live):
    """A body that was cut short by a fault must not look whole."""
    worker = live(answering(lambda _: iter([b"abc", None, b"def"])))
    assert body_of(worker.get()) == b"3\r\nabc\r\n"
    assert worker.log.names() == ["request_failed"]


def test_less_than_the_length_cuts_the_connection(live):
    """Nothing of the next answer may become the rest of this one."""
    worker = live(answering([b"abc"], [("Content-Length", "10")]))
    with worker.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        data = b""
        while piece := client.recv(65536):
            data += piece
    assert data.count(b"HTTP/1.1 ") == 1
    assert body_of(data) == b"abc"
    assert worker.log.names() == ["content_length_wrong"]


def test_more_than_the_length_in_one_piece_is_cut_and_logged(live):
    """The application is told of its fault; the client has what it was promised."""
    worker = live(answering([b"abcdef"], [("Content-Length", "3")]))
    assert body_of(worker.get()) == b"abc"
    assert worker.log.names() == ["content_length_wrong"]


def test_more_than_the_length_is_cut_and_no_more_is_asked_for(live):
    """PEP 3333: the server stops iterating when enough data has been sent."""
    pieces = Pieces(b"x" for _ in itertools.count())
    worker = live(answering(pieces, [("Content-Length", "3")]))
    assert body_of(worker.get()) == b"xxx"
    assert pieces.closed == 1
    assert pieces.taken <= 4


def test_what_a_generator_does_after_its_last_piece_is_done(live):
    """Also when its last piece fills the Content-Length: many commit or count there."""
    finished = threading.Event()

    def pieces(_environ):
        yield b"ab"
        yield b"c"
        finished.set()

    assert body_of(live(answering(pieces, [("Content-Length", "3")])).get()) == b"abc"
    assert finished.wait(PATIENCE)


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_takes_nothing_more_from_its_iterable(live, status):
    """HEAD, 204 and 304 have no body: an endless iterable behind them is closed, not exhausted."""
    pieces = Pieces(b"x" for _ in itertools.count())
    worker = live(answering(pieces, status=status))
    assert body_of(worker.get(method="HEAD" if status == "200 OK" else "GET")) == b""
    assert pieces.closed == 1


def test_close_is_called_once_after_a_whole_answer(live):
    """PEP 3333: close() exactly once."""
    pieces = Pieces([b"a", b"b"])
    assert body_of(live(answering(pieces, [("Content-Length", "2")])).get()) == b"ab"
    assert pieces.closed == 1


def test_close_is_called_once_when_the_client_goes(live):
    """Also on disconnect, and nothing more is taken then."""
    pieces = Pieces(b"x" * 65536 for _ in itertools.count())
    worker = live(answering(pieces))
    with worker.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1000)
    assert pieces.gone.wait(PATIENCE)
    assert worker.get("/", method="HEAD")  # it has gone on
    assert pieces.closed == 2


def test_a_close_that_fails_is_logged_and_costs_nothing(live):
    """The answer has been given by then."""

    class Failing(Pieces):
        def close(self):
            raise ZeroDivisionError

    worker = live(answering(lambda _: Failing([b"a"]), [("Content-Length", "1")]))
    assert [body_of(worker.get()) for _ in range(2)] == [b"a", b"a"]
    assert worker.log.names() == ["request_failed"] * 2


def test_a_close_that_cannot_even_be_looked_up_is_logged(live):
    """A property may raise."""

    class Failing:
        def __iter__(self):
            return iter([b"a"])

        @property
        def close(self):
            raise ZeroDivisionError

    worker = live(answering(lambda _: Failing(), [("Content-Length", "1")]), access="json")
    assert [body_of(worker.get()) for _ in range(2)] == [b"a", b"a"]


@pytest.mark.parametrize("form", ["json", "combined", "common"])
def test_the_environ_is_the_applications_to_spoil(live, form):
    """The access log does not depend on what an application leaves of it."""

    def app(environ, start_response):
        environ.clear()
        environ["REMOTE_ADDR"] = environ["RAW_URI"] = object()
        start_response("200 OK", [])
        return [b"x"]

    worker = live(app, access=form)
    assert [body_of(worker.get("/kept")) for _ in range(2)] == [b"x", b"x"]
    assert b"/kept" in b"".join(worker.sink.writes)


def test_what_is_written_comes_before_what_is_iterated(live):
    """PEP 3333, the write() callable: each on its way by itself."""

    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"a")
        write(b"b")
        return [b"c"]

    assert body_of(live(app).get()) == b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"


def test_many_small_writes_cost_no_square(live):
    """An old application that writes a byte at a time is served all the same."""

    def app(environ, start_response):
        write = start_response("200 OK", [("Content-Length", "100000")])
        for _ in range(100_000):
            write(b"x")
        return []

    assert len(body_of(live(app).get())) == 100_000


def test_exc_info_replaces_the_headers_until_they_are_sent(live):
    """PEP 3333, error handling: before the first byte the error page counts, after it the exception is raised again."""

    def before(environ, start_response):
        start_response("200 OK", [("X-Half", "made")])
        try:
            fail()
        except ZeroDivisionError:
            start_response("503 Busy", [], sys.exc_info())
        return [b"sorry"]

    answer = live(before).get()
    assert status_of(answer) == 503
    assert b"X-Half" not in answer

    def after(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        try:
            fail()
        except ZeroDivisionError:
            start_response("503 Busy", [], sys.exc_info())
        yield b"b"

    worker = live(after)
    assert body_of(worker.get()) == b"1\r\na\r\n"
    assert worker.log.names() == ["request_failed"]


def test_a_real_file_is_sent_from_where_it_stands(live, tmp_path):
    """PEP 3333, file_wrapper: from the current position, to the end; closed after it."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 100_000)
    opened = []

    def app(environ, start_response):
        opened.append(path.open("rb"))
        opened[-1].seek(5)
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](opened[-1])

    answer = live(app).get()
    assert b"\r\nContent-Length: 999995\r\n" in answer
    assert body_of(answer) == (b"0123456789" * 100_000)[5:]
    assert opened[0].closed


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_file_that_the_kernel_cannot_send_is_read(live, tmp_path, monkeypatch, number):
    """Some file systems have no sendfile(2): the answer is the same."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 100_000)

    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", refuse)
    worker = live(answering(lambda environ: environ["wsgi.file_wrapper"](path.open("rb"))))
    assert body_of(worker.get()) == b"0123456789" * 100_000
    assert worker.log.names() == []


def test_a_file_longer_than_the_length_is_cut(live, tmp_path):
    """A part of a file (RFC 9110 section 14) is an application's to give."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    app = answering(lambda environ: environ["wsgi.file_wrapper"](path.open("rb")), [("Content-Length", "4")])
    assert body_of(live(app).get()) == b"0123"


def test_a_file_that_is_read_otherwise_than_it_lies_on_disk_is_read(live, tmp_path):
    """A GzipFile has the descriptor of what is compressed."""
    path = tmp_path / "file.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"unpacked")
    app = answering(lambda environ: environ["wsgi.file_wrapper"](gzip.GzipFile(path)))
    assert body_of(live(app).get()) == b"8\r\nunpacked\r\n0\r\n\r\n"


def test_a_stopped_reader_does_not_occupy_the_application(live):
    """H1. All of 32 MiB is taken from the iterable, and it is closed, before any other call begins."""
    pieces = Pieces(b"x" * 65536 for _ in range(512))
    closed = []

    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/large":
            return pieces
        closed.append(pieces.closed)
        return [b"small"]

    worker = live(app)
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.recv(1)
        for _ in range(3):
            assert body_of(worker.get()) == b"small"
        assert closed == [1, 1, 1]
        assert pieces.taken == 512
        assert len(worker.line.ended) == 4
        answer = read_all(client)
        assert answer.endswith(b"\r\n0\r\n\r\n")
        assert answer.count(b"x" * 65536) == 512


def test_a_slow_reader_gets_everything(live):
    """An answer advances as its socket drains."""
    worker = live(answering(lambda _: (b"%07d\n" % n * 8192 for n in range(40))))
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := client.recv(7000):
            data += piece
    assert data.endswith(b"0\r\n\r\n")
    assert data.count(b"0000039\n") == 8192


def test_the_row_is_told_of_every_request_once(live):
    """begin and end come in pairs, whatever becomes of the request."""

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/fail":
            raise ZeroDivisionError
        start_response("200 OK", [])
        return [b"a", b"bc"] if environ["PATH_INFO"] == "/two" else [b"abc"]

    worker = live(app)
    for path in ("/", "/fail", "/two"):
        worker.get(path)
    assert worker.line.begun == [b"GET / HTTP/1.1", b"GET /fail HTTP/1.1", b"GET /two HTTP/1.1"]
    assert len(worker.line.ended) == 3


def test_http_1_0_is_answered_as_such(live):
    """RFC 9112 section 9.3: kept only when asked for; a stream without a length ends with the connection."""
    worker = live(answering(lambda environ: [b"ab"] if environ["PATH_INFO"] == "/" else iter([b"a", b"b"])))
    with worker.connect() as client:
        client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"\r\nConnection: keep-alive\r\n" in read_until(client, b"ab")
        client.sendall(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = read_until(client, b"\r\n\r\nab")
        assert b"chunked" not in answer
        assert client.recv(1) == b""


def test_a_file_whose_size_says_nothing_is_read(live):
    """Those of /proc are regular, have the size 0, and are not empty."""
    with open("/proc/version", "rb") as file:
        expected = file.read()
    answer = live(answering(lambda environ: environ["wsgi.file_wrapper"](open("/proc/version", "rb")))).get()  # noqa: SIM115 - the server closes it
    assert expected in body_of(answer)
