"""Expect: 100-continue (RFC 9110 10.1.1)."""

from __future__ import annotations

from tests.conformance.case import (
    MAYBE_NEXT,
    NEXT,
    NEXT_REQUEST,
    Answer,
    Ending,
    Mark,
    get,
    head,
    post,
    refused,
    served,
    table,
)

SENT = "RFC 9110 10.1.1, PEP 3333: 100 (Continue) is sent when the head is acceptable, then comes the final answer"
UNREAD = "PEP 3333 (HTTP 1.1 Expect/Continue): the body is asked for whether the application reads it or not; it is never a request"
NEEDLESS = "RFC 9110 10.1.1: 100 MAY be omitted when some or all of the body has been received, or there is none"
OTHER = "RFC 9110 10.1.1, 15.5.18: an expectation that the server does not know is answered 417"
REFUSED = "RFC 9110 10.1.1: a request that is refused by its head is answered at once, without a 100"
EXPECT = "Expect: 100-continue"
HIDDEN = get(path="/xyzzy")


def waits(*lines: str, path: str = "/echo") -> bytes:
    """The head of a POST that expects 100."""
    return post(*lines, path=path)


CASES = (
    served(
        SENT,
        "length",
        (waits(EXPECT, "Content-Length: 5"), Mark.INTERIM, b"hello"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "chunked",
        (waits(EXPECT, "Transfer-Encoding: chunked"), Mark.INTERIM, b"5\r\nhello\r\n0\r\n\r\n"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "case",
        (waits("expect: 100-Continue", "Content-Length: 5"), Mark.INTERIM, b"hello"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "blanks",
        (waits("Expect: \t 100-continue \t", "Content-Length: 5"), Mark.INTERIM, b"hello"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "before-length",
        (waits("Content-Length: 5", EXPECT), Mark.INTERIM, b"hello"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "put",
        (head("PUT /echo HTTP/1.1", "Host: a", EXPECT, "Content-Length: 5"), Mark.INTERIM, b"hello"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "with-close",
        (waits(EXPECT, "Connection: close", "Content-Length: 5"), Mark.INTERIM, b"hello"),
        Answer(body=b"hello", interim=(100,)),
        ending=Ending.CLOSED,
    ),
    served(
        SENT,
        "in-pieces",
        (waits(EXPECT, "Content-Length: 5"), Mark.INTERIM, b"he", b"l", b"lo"),
        Answer(body=b"hello", interim=(100,)),
    ),
    served(
        SENT,
        "then-next",
        (waits(EXPECT, "Content-Length: 5"), Mark.INTERIM, b"hello" + NEXT_REQUEST),
        Answer(body=b"hello", interim=(100,)),
        NEXT,
    ),
    served(
        SENT,
        "readline",
        (waits(EXPECT, "Content-Length: 5", path="/reading?do=readline"), Mark.INTERIM, b"hello"),
        Answer(body=b'["hello"]', interim=(100,)),
    ),
    served(
        SENT,
        "large",
        (waits(EXPECT, "Content-Length: 200000"), Mark.INTERIM, b"b" * 200000),
        Answer(body=b"b" * 200000, interim=(100,)),
    ),
    served(
        SENT,
        "two-in-a-row",
        (
            waits(EXPECT, "Content-Length: 1"),
            Mark.INTERIM,
            b"a",
            Mark.ANSWER,
            waits(EXPECT, "Content-Length: 1"),
            Mark.INTERIM,
            b"b",
        ),
        Answer(body=b"a", interim=(100,)),
        Answer(body=b"b", interim=(100,)),
    ),
    served(
        SENT,
        "after-a-plain-one",
        (NEXT_REQUEST + waits(EXPECT, "Content-Length: 1"), Mark.ANSWER, Mark.INTERIM, b"b"),
        NEXT,
        Answer(body=b"b", interim=(100,)),
    ),
    *(
        served(
            UNREAD,
            f"unread-{label}",
            (send, Mark.INTERIM, body, Mark.ANSWER, NEXT_REQUEST),
            Answer(status=frozenset({code}), interim=(100,)),
            MAYBE_NEXT if code == 500 else NEXT,
            ending=Ending.IN_STEP,
        )
        for label, send, body, code in (
            ("length", waits(EXPECT, "Content-Length: 5", path="/tiny?no"), b"hello", 200),
            ("chunked", waits(EXPECT, "Transfer-Encoding: chunked", path="/tiny?no"), b"5\r\nhello\r\n0\r\n\r\n", 200),
            ("failure", waits(EXPECT, "Content-Length: 5", path="/raises?before"), b"hello", 500),
            ("request-looking", waits(EXPECT, f"Content-Length: {len(HIDDEN)}", path="/tiny?no"), HIDDEN, 200),
        )
    ),
    *(
        served(NEEDLESS, f"needless-{label}", send, Answer(body=body, interim=None))
        for label, send, body in (
            ("length", post(EXPECT, "Content-Length: 5", body="hello", path="/echo"), b"hello"),
            (
                "chunked",
                post(EXPECT, "Transfer-Encoding: chunked", body="5\r\nhello\r\n0\r\n\r\n", path="/echo"),
                b"hello",
            ),
            ("part", (post(EXPECT, "Content-Length: 5", body="h", path="/echo"), b"ello"), b"hello"),
        )
    ),
    *(
        served(
            f"{NEEDLESS}; such a request is served at once", f"no-body-{label}", send, Answer(read=b"", interim=None)
        )
        for label, send in {
            "get": get(EXPECT),
            "post": post(EXPECT),
            "empty": get("Expect:"),
            "repeated": get("Expect: 100-continue, 100-continue"),
            "length-zero": post(EXPECT, "Content-Length: 0"),
        }.items()
    ),
    *table(
        refused,
        OTHER,
        {
            "unknown": post("Expect: something", "Content-Length: 5", body="hello"),
            "unknown-get": get("Expect: something"),
            "unknown-first": post("Expect: something, 100-continue", "Content-Length: 5", body="hello"),
            "unknown-last": post("Expect: 100-continue, something", "Content-Length: 5", body="hello"),
            "prefix": post("Expect: 100-continued", "Content-Length: 5", body="hello"),
            "100": post("Expect: 100", "Content-Length: 5", body="hello"),
            "parameter": post("Expect: 100-continue;a=b", "Content-Length: 5", body="hello"),
            "two-lines": post("Expect: 100-continue", "Expect: other", "Content-Length: 5", body="hello"),
        },
        417,
    ),
    *(
        refused(REFUSED, f"refused-{label}", send, *allowed)
        for label, send, allowed in (
            ("host", head("POST / HTTP/1.1", EXPECT, "Content-Length: 5"), (400,)),
            ("length", post(EXPECT, "Content-Length: x"), (400,)),
            ("both", post(EXPECT, "Content-Length: 5", "Transfer-Encoding: chunked"), (400,)),
            ("coding", post(EXPECT, "Transfer-Encoding: gzip, chunked"), (501, 400)),
            ("size", post(EXPECT, f"Content-Length: {(100 << 20) + 1}"), (413,)),
        )
    ),
)
