"""Clients of HTTP/1.0 (RFC 9112 2.3, 9.3, C.2; RFC 9110 2.5)."""

from __future__ import annotations

from tests.conformance.case import ABSENT, Answer, Ending, OneOf, head, served, status

CLOSES = "RFC 9112 9.3: a 1.0 connection closes after the answer unless the client asked for keep-alive"
KEPT = "RFC 9112 9.3, C.2.2, HTTP.md: keep-alive of 1.0 is honoured and answered as such"
NO_CHUNKS = "RFC 9112 6.1: no Transfer-Encoding to a 1.0 client; a stream ends by the end of the connection"
NO_INTERIM = "RFC 9110 15.2, 10.1.1: no 1xx answer to a 1.0 client, whose Expect is ignored"
KEEP = {"connection": lambda value: value is not ABSENT and "keep-alive" in value.lower()}
NOT_KEPT = {"connection": lambda value: value is ABSENT or "keep-alive" not in value.lower()}


def old(line: str, *fields: str, body: str = "") -> bytes:
    """A request in HTTP/1.0."""
    return head(f"{line} HTTP/1.0", *fields, body=body)


CASES = (
    served(
        CLOSES,
        "plain",
        old("GET /"),
        Answer(environ={"SERVER_PROTOCOL": "HTTP/1.0"}, fields=NOT_KEPT),
        ending=Ending.CLOSED,
    ),
    served(
        CLOSES,
        "host",
        old("GET /", "Host: a"),
        Answer(environ={"HTTP_HOST": "a"}, fields=NOT_KEPT),
        ending=Ending.CLOSED,
    ),
    served(
        CLOSES, "no-host-has-no-http-host", old("GET /"), Answer(environ={"HTTP_HOST": ABSENT}), ending=Ending.CLOSED
    ),
    served(
        CLOSES,
        "post",
        old("POST /echo", "Content-Length: 5", body="hello"),
        Answer(body=b"hello"),
        ending=Ending.CLOSED,
    ),
    served(CLOSES, "post-without-length", old("POST /"), Answer(read=b""), ending=Ending.CLOSED),
    served(CLOSES, "head", old("HEAD /"), Answer(head=True), ending=Ending.CLOSED),
    served(CLOSES, "close-token", old("GET /", "Connection: close"), Answer(fields=NOT_KEPT), ending=Ending.CLOSED),
    served(
        CLOSES,
        "close-beats-keep-alive",
        old("GET /", "Connection: keep-alive, close"),
        Answer(fields=NOT_KEPT),
        ending=Ending.CLOSED,
    ),
    served(
        CLOSES,
        "close-beats-keep-alive-lines",
        old("GET /", "Connection: keep-alive", "Connection: close"),
        Answer(fields=NOT_KEPT),
        ending=Ending.CLOSED,
    ),
    served(CLOSES, "unknown-token", old("GET /", "Connection: x"), Answer(fields=NOT_KEPT), ending=Ending.CLOSED),
    served(
        CLOSES, "keep-alive-field-alone", old("GET /", "Keep-Alive: 300"), Answer(fields=NOT_KEPT), ending=Ending.CLOSED
    ),
    served(
        CLOSES,
        "proxy-connection",
        old("GET /", "Proxy-Connection: keep-alive"),
        Answer(fields=NOT_KEPT),
        ending=Ending.CLOSED,
    ),
    *(
        served(KEPT, f"keep-alive-{label}", old("GET /", *lines), Answer(fields=KEEP))
        for label, lines in {
            "plain": ("Connection: keep-alive",),
            "case": ("Connection: Keep-Alive",),
            "upper": ("CONNECTION: KEEP-ALIVE",),
            "list": ("Connection: x, keep-alive",),
            "second-line": ("Connection: x", "Connection: keep-alive"),
            "with-field": ("Connection: keep-alive", "Keep-Alive: timeout=5"),
            "with-host": ("Host: a", "Connection: keep-alive"),
        }.items()
    ),
    served(
        KEPT,
        "keep-alive-post",
        old("POST /echo", "Connection: keep-alive", "Content-Length: 5", body="hello"),
        Answer(body=b"hello", fields=KEEP),
    ),
    served(
        KEPT, "keep-alive-twice", old("GET /", "Connection: keep-alive") * 2, Answer(fields=KEEP), Answer(fields=KEEP)
    ),
    served(
        KEPT,
        "keep-alive-then-last",
        old("GET /", "Connection: keep-alive") + old("GET /"),
        Answer(fields=KEEP),
        Answer(fields=NOT_KEPT),
        ending=Ending.CLOSED,
    ),
    served(KEPT, "keep-alive-head", old("HEAD /", "Connection: keep-alive"), Answer(head=True, fields=KEEP)),
    served(
        KEPT, "keep-alive-empty", old("GET /sized?length=0", "Connection: keep-alive"), Answer(body=b"", fields=KEEP)
    ),
    *(
        served(
            NO_CHUNKS,
            f"stream-{label}",
            old(f"GET {path}", *lines),
            Answer(body=body, fields={"transfer-encoding": ABSENT, **NOT_KEPT}),
            ending=Ending.CLOSED,
        )
        for label, path, lines, body in (
            ("close", "/sized?pieces=3,4", (), b"xxxxxxx"),
            ("keep-alive", "/sized?pieces=3,4", ("Connection: keep-alive",), b"xxxxxxx"),
            ("te", "/sized?pieces=3,4", ("TE: chunked",), b"xxxxxxx"),
            ("empty-pieces", "/sized?pieces=3,0,4", (), b"xxxxxxx"),
            ("write", "/writes?written=3,2&pieces=4", (), b"wwwwwxxxx"),
            ("large", "/sized?pieces=100000,100000", (), b"x" * 200000),
        )
    ),
    served(
        NO_CHUNKS,
        "length-known",
        old("GET /sized?length=7&pieces=3,4"),
        Answer(body=b"xxxxxxx", fields={"content-length": "7", "transfer-encoding": ABSENT}),
        ending=Ending.CLOSED,
    ),
    served(
        NO_CHUNKS,
        "head-of-stream",
        old("HEAD /sized?pieces=3"),
        Answer(head=True, fields={"transfer-encoding": ABSENT}),
        ending=Ending.CLOSED,
    ),
    served(
        "RFC 9112 6.3: a 1.0 stream that fails in the middle cannot be told from its end, save by what is missing",
        "stream-fails",
        old("GET /raises?middle"),
        Answer(body=b"first"),
        ending=Ending.CLOSED,
    ),
    served(
        "RFC 9112 6.3 (8): with a length, a 1.0 answer that fails in the middle is short",
        "length-fails",
        old("GET /raises?middle-length"),
        Answer(body=b"first", complete=False),
        ending=Ending.CLOSED,
    ),
    served(
        NO_INTERIM,
        "expect",
        old("POST /echo", "Expect: 100-continue", "Content-Length: 5", body="hello"),
        Answer(body=b"hello", interim=()),
        ending=Ending.CLOSED,
    ),
    served(
        NO_INTERIM,
        "expect-keep-alive",
        old("POST /echo", "Expect: 100-continue", "Connection: keep-alive", "Content-Length: 5", body="hello"),
        Answer(body=b"hello", interim=()),
    ),
    served(
        "RFC 9110 2.5, 6.2: the server answers with the highest version it has of the same major one",
        "version-of-answer",
        old("GET /"),
        Answer(),
        ending=Ending.CLOSED,
    ),
    served(
        "RFC 9112 3.2.2: servers MUST accept the absolute form",
        "absolute-form",
        old("GET http://b/c"),
        Answer(environ={"PATH_INFO": "/c", "HTTP_HOST": OneOf("b", ABSENT)}),
        ending=Ending.CLOSED,
    ),
    served(
        "RFC 9110 15.3.5: 204 to a 1.0 client",
        "204",
        old("GET /sized?status=204+No", "Connection: keep-alive"),
        Answer(status=status(204), fields=KEEP),
    ),
    served(
        "RFC 9110 15.4.5: 304 to a 1.0 client",
        "304",
        old("GET /sized?status=304+No", "Connection: keep-alive"),
        Answer(status=status(304), fields=KEEP),
    ),
)
