"""A second opinion: on requests that are valid, our parser and httptools (llhttp) read the same."""

from __future__ import annotations

from typing import Any

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.http.connection import Connection
from prefork.http.events import End, Request
from prefork.http.limits import Limits

METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=1, max_size=12).map(str.encode)
TARGETS = st.builds(
    lambda path, query: b"/" + b"/".join(path) + (b"?" + query if query else b""),
    st.lists(WORDS, max_size=4),
    st.one_of(st.just(b""), WORDS),
)
# Names that mean nothing to a server, each once: what repeats is a matter of CGI, and not of parsing.
NAMES = st.sampled_from([b"Accept", b"User-Agent", b"X-One", b"x-two", b"Cookie", b"Referer", b"Accept-Encoding"])
VALUES = st.binary(max_size=60).map(lambda data: bytes(octet for octet in data if 0x20 < octet < 0x7F))
FIELDS = st.dictionaries(NAMES, VALUES, max_size=7)
BODIES = st.lists(st.binary(min_size=1, max_size=200), max_size=4)


def request_of(
    method: bytes, target: bytes, fields: dict[bytes, bytes], pieces: list[bytes], *, chunked: bool
) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: a"]
    lines += [name + b": " + value for name, value in fields.items()]
    body = b"".join(pieces)
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Oracle:
    """What httptools makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.target = self.body = b""
        self.headers: dict[str, str] = {}
        self.complete = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.method = self._parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().upper().replace("-", "_")] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


def ours(data: bytes) -> tuple[Request, bytes]:
    connection = Connection(Limits())
    connection.receive(data)
    events: list[Any] = []
    while (event := connection.next_event()) is not None:
        events.append(event)
    request, *body = events
    return request, b"".join(piece for piece in body if piece is not End.OF_BODY)


@settings(max_examples=300, deadline=None)
@given(METHODS, TARGETS, FIELDS, BODIES, st.booleans())
def test_both_parsers_read_a_valid_request_alike(method, target, fields, pieces, chunked):
    """Method, target, every field and the body; RFC 9112 leaves no choice in any of them."""
    data = request_of(method, target, fields, pieces, chunked=chunked)
    request, body = ours(data)
    oracle = Oracle(data)
    assert oracle.complete
    assert request.line.method.encode() == oracle.method
    assert request.line.target.encode() == oracle.target
    assert {key.removeprefix("HTTP_"): text for key, text in request.headers.items()} == oracle.headers
    assert body == oracle.body
