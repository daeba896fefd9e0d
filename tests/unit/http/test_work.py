"""How much work a connection makes of what arrives: counted, not timed, so that it holds on any machine."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import pytest

from prefork.errors import RequestError
from prefork.http.connection import Connection
from prefork.http.limits import Limits
from tests.unit.http.reading import head, status_of

MIB = 1024 * 1024
PIECE = 64
CHUNKED = head(b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked")
SIZED = head(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % MIB)

STREAMS = {
    "large chunks": CHUNKED + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * (MIB // 0x4000),
    "small chunks": CHUNKED + (b"20\r\n" + b"x" * 32 + b"\r\n") * (MIB // 38),
    "a length": SIZED + b"x" * MIB,
    "pipelined heads": head(b"GET / HTTP/1.1", b"Host: a") * (MIB // 30),
    "empty lines": b"\r\n" * (MIB // 2),
}


@contextmanager
def counted_calls():
    """Calls of functions, those in C too."""
    calls = [0]

    def count(_frame, event, _argument):
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_long_stream_costs_the_same_all_the_way(stream):
    """1 MiB in pieces of 64 bytes: so many calls a piece, and nothing is kept that would be looked at again."""
    connection = Connection(Limits())
    data = STREAMS[stream]
    kept = 0
    with counted_calls() as calls:
        for place in range(0, len(data), PIECE):
            connection.receive(data[place : place + PIECE])
            while connection.next_event() is not None:
                pass
            kept = max(kept, len(connection.buffer))
    assert calls[0] < 120 * (len(data) // PIECE)
    assert kept <= 4 * PIECE


ENDLESS = {
    "a request line": (b"GET /" + b"a" * MIB, 414),
    "a field": (b"GET / HTTP/1.1\r\nX: " + b"a" * MIB, 431),
    "fields": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * (MIB // 6), 431),
    "a chunk-size line": (CHUNKED + b"1;a=" + b"b" * MIB, 400),
    "chunk extensions": (CHUNKED + (b"1;" + b"a" * 500 + b"\r\nx\r\n") * (MIB // 507), 413),
    "a trailer": (CHUNKED + b"0\r\nX: " + b"a" * MIB, 431),
    "trailers": (CHUNKED + b"0\r\n" + b"X: a\r\n" * (MIB // 6), 431),
}


def refusal(connection, data):
    """The status, where it came, and the most that was kept until then."""
    kept = 0
    for place in range(0, len(data), PIECE):
        connection.receive(data[place : place + PIECE])
        try:
            while connection.next_event() is not None:
                pass
        except RequestError as error:
            return error.status, place, kept
        kept = max(kept, len(connection.buffer))
    return 0, len(data), kept


@pytest.mark.parametrize("part", ENDLESS)
def test_what_has_no_end_is_refused_at_its_limit(part):
    """Long before 1 MiB has come, with the right status, and with no more kept than the limit allows."""
    data, status = ENDLESS[part]
    limits = Limits()
    with counted_calls() as calls:
        code, place, kept = refusal(Connection(limits), data)
    assert code == status
    assert place <= limits.request_line + limits.field_bytes
    assert kept <= limits.field_bytes + 2 * PIECE
    assert calls[0] < 150 * (place // PIECE + 2)


def test_a_body_over_its_limit_is_refused_before_it_is_taken():
    """At the size that is announced, not at the byte that is too many."""
    for data in (
        head(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 1001"),
        CHUNKED + b"3e9\r\n",
        CHUNKED + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n",
    ):
        assert status_of(data, Limits(body=1000)) == 413
