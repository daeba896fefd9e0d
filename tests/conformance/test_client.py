"""The client of the suite is strict: it is tested on answers good and bad, however they arrive."""

from __future__ import annotations

import pytest

from tests.conformance.client import EndedError, MalformedError, Response, Source, read_interim, read_response

OK = b"HTTP/1.1 200 OK\r\n"


def parse(data: bytes, *, head: bool = False, piece: int = 0) -> Response:
    """Parse one answer from bytes that arrive at once or in pieces of this size."""
    source = arriving(data, piece or len(data) or 1)
    return read_response(source, head=head)


def arriving(data: bytes, piece: int) -> Source:
    """A source that gives these bytes in pieces, then the end."""
    parts = iter([data[start : start + piece] for start in range(0, len(data), piece)])
    return Source(lambda: next(parts, b""))


GOOD = {
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", "length", True),
    "length-zero": (OK + b"Content-Length: 0\r\n\r\n", b"", "length", True),
    "length-short": (OK + b"Content-Length: 6\r\n\r\nhello", b"hello", "length", False),
    "chunked": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
        b"hello!",
        "chunked",
        True,
    ),
    "chunked-upper-hex": (
        OK + b"Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"0123456789",
        "chunked",
        True,
    ),
    "chunked-without-last": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"hello", "chunked", False),
    "chunked-cut-in-data": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", b"hel", "chunked", False),
    "chunked-cut-before-final-crlf": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"", "chunked", False),
    "close": (OK + b"\r\nhello", b"hello", "close", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", "none", True),
    "304-with-length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", "none", True),
    "no-reason": (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", b"", "length", True),
    "version-1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", "length", True),
}

BAD = {
    "lf-line": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "cr-inside": b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "no-version": b"200 OK\r\n\r\n",
    "version-2": b"HTTP/2.0 200 OK\r\n\r\n",
    "two-digit-status": b"HTTP/1.1 20 OK\r\n\r\n",
    "status-600": b"HTTP/1.1 600 OK\r\n\r\n",
    "no-space-after-status": b"HTTP/1.1 200\r\n\r\n",
    "two-spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "nul-in-reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "space-before-colon": OK + b"X : a\r\n\r\n",
    "no-colon": OK + b"X\r\n\r\n",
    "empty-name": OK + b": a\r\n\r\n",
    "folded": OK + b"X: a\r\n b\r\n\r\n",
    "nul-in-value": OK + b"X: a\x00\r\n\r\n",
    "two-lengths": OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "length-list": OK + b"Content-Length: 1, 1\r\n\r\na",
    "length-plus": OK + b"Content-Length: +1\r\n\r\na",
    "length-and-chunked": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding-gzip": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "204-with-length": b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
    "204-chunked": b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk-size-extension": OK + b"Transfer-Encoding: chunked\r\n\r\n1;a\r\na\r\n0\r\n\r\n",
    "chunk-size-space": OK + b"Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
    "chunk-without-crlf": OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "chunk-lf": OK + b"Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
    "ends-in-status-line": b"HTTP/1.1 200",
    "ends-in-head": OK + b"X: a\r\n",
    "leading-garbage": b"hello" + OK + b"\r\n",
}


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("name", GOOD)
def test_reads_a_good_answer(name: str, piece: int) -> None:
    """An answer by RFC 9112 6.3 has its body, its framing, and whether it is whole."""
    data, body, framing, complete = GOOD[name]
    response = parse(data, piece=piece)
    assert (response.body, response.framing, response.complete) == (body, framing, complete)


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize("name", BAD)
def test_refuses_a_bad_answer(name: str, piece: int) -> None:
    """What RFC 9112 does not allow is never read as an answer."""
    with pytest.raises(MalformedError):
        parse(BAD[name], piece=piece)


def test_tells_a_clean_end() -> None:
    """No byte before the end of the stream is the end of a connection, not a broken answer."""
    with pytest.raises(EndedError):
        parse(b"")


def test_reads_no_further_than_the_message() -> None:
    """What follows an answer is the next one."""
    source = arriving(GOOD["length"][0] + GOOD["chunked"][0] + GOOD["204"][0], 7)
    assert [read_response(source).body for _ in range(3)] == [b"hello", b"hello!", b""]
    with pytest.raises(EndedError):
        read_response(source)


def test_an_answer_to_head_has_no_body() -> None:
    """RFC 9112 6.3 (1): the answer to HEAD ends with its head, whatever its fields say."""
    source = arriving(OK + b"Content-Length: 5\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", 100)
    assert read_response(source, head=True).body == b""
    assert read_response(source).body == b"a"


def test_tells_interim_answers() -> None:
    """RFC 9110 15.2: 1xx answers come before the final one."""
    source = arriving(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD["length"][0], 5)
    response = read_response(source)
    assert (response.interim, response.body) == ((100,), b"hello")
    assert read_interim(arriving(b"HTTP/1.1 100 Continue\r\n\r\n", 5)) == 100
    with pytest.raises(MalformedError):
        read_interim(arriving(GOOD["length"][0], 5))


def test_fields_are_lists_and_lines() -> None:
    """RFC 9110 5.3, 5.6.1: lines stay apart, tokens are gathered over them, names are case-insensitive."""
    response = parse(OK + b"Content-Length: 0\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nConnection: X, close\r\n\r\n")
    assert response.values("set-cookie") == ["a=1", "b=2"]
    assert response.tokens("connection") == ["x", "close"]
