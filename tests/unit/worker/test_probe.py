"""The question that an application is asked before its worker is ready."""

from __future__ import annotations

from io import StringIO
from wsgiref.validate import validator

import pytest

from prefork.errors import BootError
from prefork.worker import probe


def answering(status: str, *pieces: bytes):
    def application(_environ, start_response):
        start_response(status, [("Content-Type", "text/plain")])
        return iter(pieces)

    return application


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "302 Found", "404 Not Found"])
def test_an_answer_is_an_answer(status: str):
    """Whatever it is, but a failure of the server."""
    probe.ask(answering(status, b"fine"), "/healthz", StringIO())


def test_a_failure_is_told_with_its_status_and_what_it_says():
    """The body is cut; there is a hint to the key."""
    with pytest.raises(BootError) as refused:
        probe.ask(answering("503 Service Unavailable", b"no data", b"base" + b"x" * 9999), "/healthz", StringIO())
    text = str(refused.value)
    assert "the probe of /healthz was answered 503 Service Unavailable" in text
    assert "no database" in text
    assert len(text) < 1000
    assert "pool.*.probe" in text


def test_no_status_is_no_answer():
    """An application that never called start_response."""
    with pytest.raises(BootError, match="no response status"):
        probe.ask(lambda _environ, _start: [], "/", StringIO())


def test_what_is_asked_is_a_valid_request_and_is_read_to_its_end():
    """By the reference checker of PEP 3333; the iterable is closed."""
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"a", b"b"])

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        assert environ["PATH_INFO"] == "/health"
        assert environ["QUERY_STRING"] == "deep=1"
        assert environ["HTTP_USER_AGENT"] == "prefork-probe"
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["wsgi.input"].read(10) == b""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    probe.ask(validator(application), "/health?deep=1", StringIO())
    assert closed == [True]


def test_what_an_application_raises_is_raised():
    """It is a failed boot like any other, with its traceback."""

    def application(_environ, _start_response):
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError):
        probe.ask(application, "/", StringIO())
