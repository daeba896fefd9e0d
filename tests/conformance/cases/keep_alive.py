"""Whether the connection is kept (RFC 9112 9.3, 9.6)."""

from __future__ import annotations

from tests.conformance.case import ABSENT, Answer, Ending, Mark, get, head, post, served, status

KEPT = "RFC 9112 9.3: an HTTP/1.1 connection persists unless `close` is present"
CLOSE = "RFC 9112 9.6: after a request with the `close` option the server closes, and says so in its answer"
LIST = "RFC 9110 7.6.1, HTTP.md: Connection is a list of case-insensitive tokens over several lines"
NOT_SAID = {"connection": lambda value: value is ABSENT or "close" not in value.lower()}
SAID = Answer(fields={"connection": "close"})

CASES = (
    served(KEPT, "default", get(), Answer(fields=NOT_SAID)),
    served(KEPT, "keep-alive-token", get("Connection: keep-alive"), Answer(fields=NOT_SAID)),
    *(
        served(LIST, f"kept-{label}", get(*lines), Answer(fields=NOT_SAID))
        for label, lines in {
            "unknown-token": ("Connection: x",),
            "te": ("Connection: TE", "TE: trailers"),
            "not-close": ("Connection: closed",),
            "prefix": ("Connection: xclose",),
            "hyphen": ("Connection: close-x",),
            "empty": ("Connection:",),
            "commas": ("Connection: ,,",),
            "field-named-close": ("Close: yes",),
            "proxy-connection": ("Proxy-Connection: close",),
            "keep-alive-field": ("Keep-Alive: timeout=1, max=1",),
            "two-words": ("Connection: not, closing",),
        }.items()
    ),
    *(
        served(LIST if label != "plain" else CLOSE, f"close-{label}", get(*lines), SAID, ending=Ending.CLOSED)
        for label, lines in {
            "plain": ("Connection: close",),
            "upper": ("Connection: CLOSE",),
            "mixed": ("Connection: Close",),
            "name-lower": ("connection: close",),
            "first": ("Connection: close, x",),
            "last": ("Connection: x, close",),
            "no-space": ("Connection: x,close",),
            "blanks": ("Connection:  \t close \t ",),
            "inner-blanks": ("Connection: x , close , y",),
            "tab-before-comma": ("Connection: x\t,\tclose",),
            "empty-members": ("Connection: ,, close ,",),
            "second-line": ("Connection: x", "Connection: close"),
            "first-line": ("Connection: close", "Connection: x"),
            "third-line": ("Connection: x", "Connection: y", "Connection: close"),
            "lines-apart": ("Connection: x", "Accept: */*", "Connection: close"),
            "beats-keep-alive": ("Connection: keep-alive, close",),
            "beats-keep-alive-after": ("Connection: close, keep-alive",),
            "beats-keep-alive-lines": ("Connection: close", "Connection: keep-alive"),
            "beats-keep-alive-lines-after": ("Connection: keep-alive", "Connection: close"),
        }.items()
    ),
    *(
        served(CLOSE, f"close-on-{label}", send, answer, ending=Ending.CLOSED)
        for label, send, answer in (
            (
                "head",
                head("HEAD / HTTP/1.1", "Host: a", "Connection: close"),
                Answer(head=True, fields={"connection": "close"}),
            ),
            (
                "post",
                post("Connection: close", "Content-Length: 5", body="hello", path="/echo"),
                Answer(body=b"hello", fields={"connection": "close"}),
            ),
            (
                "stream",
                get("Connection: close", path="/sized?pieces=3,4"),
                Answer(body=b"xxxxxxx", fields={"connection": "close"}),
            ),
            (
                "204",
                get("Connection: close", path="/sized?status=204+No"),
                Answer(status=status(204), fields={"connection": "close"}),
            ),
            (
                "304",
                get("Connection: close", path="/sized?status=304+No"),
                Answer(status=status(304), fields={"connection": "close"}),
            ),
            (
                "failure",
                get("Connection: close", path="/raises?before"),
                Answer(status=status(500), fields={"connection": "close"}),
            ),
            (
                "large",
                get("Connection: close", path="/sized?length=1000000&pieces=1000000"),
                Answer(body=b"x" * 1000000, fields={"connection": "close"}),
            ),
        )
    ),
    *(
        served(KEPT, f"kept-after-{label}", send, answer)
        for label, send, answer in (
            ("post", post("Content-Length: 5", body="hello", path="/echo"), Answer(body=b"hello")),
            ("stream", get(path="/sized?pieces=3,4"), Answer(body=b"xxxxxxx")),
            ("head", head("HEAD / HTTP/1.1", "Host: a"), Answer(head=True)),
            ("head-of-stream", head("HEAD /sized?pieces=3 HTTP/1.1", "Host: a"), Answer(head=True)),
            ("204", get(path="/sized?status=204+No"), Answer(status=status(204))),
            ("304", get(path="/sized?status=304+No"), Answer(status=status(304))),
            ("404", get(path="/sized?status=404+No&length=2&pieces=2"), Answer(status=status(404), body=b"xx")),
            (
                "application-500",
                get(path="/sized?status=500+No&length=2&pieces=2"),
                Answer(status=status(500), body=b"xx"),
            ),
            ("empty", get(path="/sized?length=0"), Answer(body=b"")),
        )
    ),
    served(
        "RFC 9112 9.3: requests one after the other on one connection, each after the answer before",
        "one-after-the-other",
        (
            get(path="/tiny?a"),
            Mark.ANSWER,
            get(path="/tiny?b"),
            Mark.ANSWER,
            post("Content-Length: 1", body="c", path="/echo"),
            Mark.ANSWER,
            get(path="/tiny?d"),
        ),
        *(Answer(body=word) for word in (b"a", b"b", b"c", b"d")),
    ),
    served(
        "RFC 9112 9.3: one request leaves nothing of itself to the next",
        "nothing-is-inherited",
        get("X-One: a", "Cookie: c=1", "Authorization: b", path="/?a=b") + get(),
        Answer(environ={"HTTP_X_ONE": "a", "QUERY_STRING": "a=b"}),
        Answer(environ={"HTTP_X_ONE": ABSENT, "HTTP_COOKIE": ABSENT, "HTTP_AUTHORIZATION": ABSENT, "QUERY_STRING": ""}),
    ),
    served(
        "PEP 3333: the application may change environ; the next request has one of its own",
        "environ-is-not-shared",
        get(path="/mutating") + get(),
        Answer(body=b"mutated", fields={"x-too-late": ABSENT}),
        Answer(environ={"HTTP_X_LEAK": ABSENT, "wsgi.url_scheme": "http"}),
    ),
)
