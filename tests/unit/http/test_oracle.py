"""Our parser against another: on requests that are good to both, httptools and Connection say the same."""

from __future__ import annotations

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.http.connection import Connection
from prefork.http.events import End, Request
from prefork.http.limits import Limits

METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
PATHS = st.text("abcXYZ019-._~/%20:@!$&'()*+,;=", max_size=30).map(lambda text: b"/" + text.encode())
QUERIES = st.one_of(st.just(b""), st.text("ab=&%2B/?", max_size=15).map(lambda text: b"?" + text.encode()))
NAMES = st.from_regex(rb"X-[A-Za-z0-9]{1,8}", fullmatch=True)
VALUES = st.from_regex(rb"([!-~\x80-\xff]([\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?", fullmatch=True)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b": ", b":", b":  "]), VALUES), max_size=6)
BODIES = st.one_of(st.none(), st.binary(max_size=80), st.lists(st.binary(min_size=1, max_size=30), max_size=4))
CONNECTIONS = st.sampled_from([b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"])


@st.composite
def requests(draw):
    """The bytes of a good request: without a body, with a length, or in chunks."""
    minor = draw(st.sampled_from([0, 1]))
    head = b"%b %b%b HTTP/1.%d\r\nHost: a.example:8000\r\n" % (draw(METHODS), draw(PATHS), draw(QUERIES), minor)
    head += draw(CONNECTIONS) + b"".join(name + colon + value + b"\r\n" for name, colon, value in draw(FIELDS))
    body = draw(BODIES)
    if isinstance(body, bytes):
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if body is None or not minor:
        return head + b"\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


class Oracle:
    """What httptools says of one request, in the words of an environ."""

    def __init__(self, data):
        self.target, self.body, self.headers, self.complete = b"", b"", {}, False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.method = self._parser.get_method()
        self.version = self._parser.get_http_version()

    def on_url(self, url):
        self.target += url

    def on_header(self, name, value):
        key = name.decode().upper().replace("-", "_")
        key = key if key == "CONTENT_LENGTH" else f"HTTP_{key}"
        text = value.decode("latin-1").strip(" \t")  # it leaves a tab at the end of a value
        self.headers[key] = f"{self.headers[key]},{text}" if key in self.headers else text

    def on_headers_complete(self):
        self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.complete = True


@settings(max_examples=300)
@given(requests())
def test_a_good_request_is_what_another_parser_takes_it_for(data):
    """Method, target, version, fields, body, and whether the connection is kept."""
    oracle = Oracle(data)
    assert oracle.complete
    connection = Connection(Limits())
    connection.receive(data)
    request = connection.next_event()
    assert isinstance(request, Request)
    body = b""
    if request.chunked or request.length:
        while (event := connection.next_event()) is not End.OF_BODY:
            assert isinstance(event, bytes)
            body += event
    line = request.line
    assert (line.method.encode(), line.target.encode(), f"1.{line.minor}") == (
        oracle.method,
        oracle.target,
        oracle.version,
    )
    assert request.headers == oracle.headers
    assert request.keep_alive == oracle.keep_alive
    assert body == oracle.body
    assert not connection.in_message


@given(st.lists(requests(), min_size=2, max_size=4), st.integers(1, 50))
def test_requests_one_behind_the_other_are_those_alone(several, size):
    """A pipeline, in pieces of any size, is the same requests: nothing of one becomes another's."""
    alone = [_told(Connection(Limits()), [data]) for data in several]
    data = b"".join(several)
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert _told(Connection(Limits()), pieces) == [request for told in alone for request in told]


def _told(connection, pieces):
    told = []
    for piece in pieces:
        connection.receive(piece)
        while (event := connection.next_event()) is not None:
            if isinstance(event, Request):
                told.append([event.line, event.headers, event.keep_alive, b""])
            elif event is not End.OF_BODY:
                told[-1][3] += event
    return told
