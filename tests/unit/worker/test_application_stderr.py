"""H11. ``wsgi.errors``: one event a request, or a flush, with the text whole and the request that it belongs to."""

from __future__ import annotations

import logging
import threading

import pytest

from tests.unit.worker.live import PATIENCE, body_of, read_until


def told(worker):
    return [fields for event, fields in worker.log.events if event == "application_stderr"]


def saying(*texts, flush=False):
    def app(environ, start_response):
        for text in texts:
            environ["wsgi.errors"].write(text)
            if flush:
                environ["wsgi.errors"].flush()
        start_response("200 OK", [])
        return [b"x"]

    return app


@pytest.mark.parametrize("texts", [["one\ntwo\n"], ["on", "e\n", "two"], ["one\ntwo"]])
def test_what_a_request_writes_is_one_event(live, texts):
    """However it is written, with or without a line end behind it; nothing of it is glued to the next request's."""
    worker = live(saying(*texts))
    worker.get("/a?b")
    worker.get("/c", method="HEAD")
    assert told(worker) == [
        {"method": "GET", "target": "/a?b", "text": "one\ntwo"},
        {"method": "HEAD", "target": "/c", "text": "one\ntwo"},
    ]


def test_a_flush_ends_an_event(live):
    """As logging flushes after each record; a flush of nothing says nothing."""
    worker = live(saying("one\n", "", "two\n", flush=True))
    worker.get("/a")
    assert [fields["text"] for fields in told(worker)] == ["one", "two"]


def test_a_failure_is_one_event_of_logging(live):
    """As Flask writes it: the message and the traceback together."""

    def app(environ, start_response):
        logger = logging.Logger("application")  # noqa: LOG001 - its handlers are this request's
        logger.addHandler(logging.StreamHandler(environ["wsgi.errors"]))
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("Exception on /a [GET]")
        start_response("500 Sorry", [])
        return [b"x"]

    worker = live(app)
    worker.get("/a")
    [fields] = told(worker)
    assert fields["text"].startswith("Exception on /a [GET]\nTraceback")
    assert fields["text"].endswith("ZeroDivisionError: division by zero")
    assert fields["target"] == "/a"


@pytest.mark.parametrize("where", ["piece", "close", "raise", "write"])
def test_whatever_of_a_request_writes_belongs_to_it(live, where):
    """A generator, close(), what then fails, what is written to the client at the same time."""

    class Result:
        def __init__(self, errors):
            self._errors = errors

        def __iter__(self):
            yield b"a"
            if where == "piece":
                self._errors.write("late")
            yield b"b"

        def close(self):
            if where == "close":
                self._errors.write("late")

    def app(environ, start_response):
        write = start_response("200 OK", [])
        if where == "write":
            write(b"a")
            environ["wsgi.errors"].write("late")
        if where == "raise":
            environ["wsgi.errors"].write("late")
            raise ZeroDivisionError
        return Result(environ["wsgi.errors"])

    worker = live(app)
    with worker.connect() as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        read_until(client, b"Error\n" if where == "raise" else b"0\r\n\r\n")
    worker.get("/b", method="HEAD")
    assert told(worker)[0] == {"method": "GET", "target": "/a", "text": "late"}


def test_a_threads_words_between_requests_are_logged_by_lines(live):
    """And what has no line end when the worker ends is not lost."""
    said, kept = threading.Event(), []

    def app(environ, start_response):
        kept.append(environ["wsgi.errors"])
        start_response("200 OK", [])
        return [b"x"]

    def speak():
        kept[0].write("from a thread\n")
        kept[0].write("the last")
        said.set()

    worker = live(app)
    assert body_of(worker.get()) == b"x"
    threading.Thread(target=speak).start()
    assert said.wait(PATIENCE)
    assert told(worker) == [{"text": "from a thread"}]
    worker.worker.expire()  # as before it is aborted
    assert told(worker)[1:] == [{"text": "the last"}]
