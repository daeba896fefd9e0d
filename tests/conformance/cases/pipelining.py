"""Several requests on one connection, sent without waiting (RFC 9112 9.3.2)."""

from __future__ import annotations

from tests.conformance.case import MAYBE_NEXT, Answer, Ending, Reach, chunked, get, head, post, refused, served, status

ORDER = "RFC 9112 9.3.2: pipelined requests are answered in the order in which they came"
GOOD_FIRST = "HTTP.md: a bad request pipelined after a good one does not displace the good answer"
CLOSED = "RFC 9112 9.6: after a request with `close`, which a 1.0 one has by default, no further request is processed; the answer is whole"
BODY = "RFC 9112 6.3: the body of one request ends before the next begins, read by the application or not"


def tiny(word: str) -> bytes:
    """A GET that is answered with the word."""
    return get(path=f"/tiny?{word}")


def told(word: str) -> Answer:
    """Its answer."""
    return Answer(body=word.encode())


def numbered(count: int) -> tuple[bytes, list[Answer]]:
    """So many requests and their answers."""
    return b"".join(tiny(str(number)) for number in range(count)), [told(str(number)) for number in range(count)]


MANY, MANY_ANSWERS = numbered(500)
UNREAD = (
    "RFC 9112 9.3: a body that the application does not read is drained or the connection closes; it is never a request"
)

CASES = (
    *(served(ORDER, f"{count}-requests", numbered(count)[0], *numbered(count)[1]) for count in (2, 3, 10, 50)),
    served(
        "HTTP.md: 500 pipelined requests are answered in order",
        "500-requests",
        MANY,
        *MANY_ANSWERS,
        modes=("whole", "pipelined"),
    ),
    served(
        ORDER,
        "get-and-post",
        tiny("a") + post("Content-Length: 5", body="hello", path="/echo") + tiny("b"),
        told("a"),
        told("hello"),
        told("b"),
    ),
    served(
        ORDER,
        "chunked-between",
        tiny("a") + chunked("5\r\nhello\r\n0\r\n\r\n", path="/echo") + tiny("b"),
        told("a"),
        told("hello"),
        told("b"),
    ),
    served(
        ORDER,
        "head-between",
        tiny("a") + head("HEAD /tiny?hidden HTTP/1.1", "Host: a") + tiny("b"),
        told("a"),
        Answer(head=True, body=b""),
        told("b"),
    ),
    served(
        ORDER,
        "options-between",
        tiny("a") + head("OPTIONS * HTTP/1.1", "Host: a") + tiny("b"),
        told("a"),
        Answer(),
        told("b"),
    ),
    served(
        ORDER,
        "stream-between",
        tiny("a") + get(path="/sized?pieces=3,4") + tiny("b"),
        told("a"),
        told("xxxxxxx"),
        told("b"),
    ),
    served(
        ORDER,
        "204-between",
        tiny("a") + get(path="/sized?status=204+No") + tiny("b"),
        told("a"),
        Answer(status=status(204)),
        told("b"),
    ),
    served(
        ORDER,
        "304-between",
        tiny("a") + get(path="/sized?status=304+No") + tiny("b"),
        told("a"),
        Answer(status=status(304)),
        told("b"),
    ),
    served(
        ORDER,
        "404-between",
        tiny("a") + get(path="/sized?status=404+No&pieces=2") + tiny("b"),
        told("a"),
        Answer(status=status(404), body=b"xx"),
        told("b"),
    ),
    served(ORDER, "empty-line-between", tiny("a") + b"\r\n" + tiny("b"), told("a"), told("b")),
    served(ORDER, "many-posts", post("Content-Length: 3", body="abc", path="/echo") * 20, *[told("abc")] * 20),
    served(ORDER, "many-chunked", chunked("3\r\nabc\r\n0\r\n\r\n", path="/echo") * 20, *[told("abc")] * 20),
    served(
        ORDER,
        "large-answers",
        get(path="/sized?length=300000&pieces=300000") * 5 + tiny("z"),
        *[told("x" * 300000)] * 5,
        told("z"),
        modes=("whole", "pipelined"),
    ),
    *(
        served(
            GOOD_FIRST,
            f"good-then-{label}",
            tiny("a") + tiny("b") + bad,
            told("a"),
            told("b"),
            Answer(status=status(*allowed), reach=Reach.NEVER, fields={"connection": "close"}),
            ending=Ending.CLOSED,
        )
        for label, bad, allowed in (
            ("no-host", head("GET /xyzzy HTTP/1.1"), (400,)),
            ("noise", b"\x00\x01\x02\r\n\r\n", (400,)),
            ("bad-field", get("X : a"), (400,)),
            ("both-framings", post("Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n"), (400,)),
            ("version", head("GET / HTTP/3.0", "Host: a"), (505, 400)),
            ("long-line", get(path="/" + "p" * 9000), (414,)),
            ("many-fields", get(*["X: a"] * 200), (431,)),
            ("connect", head("CONNECT a:1 HTTP/1.1", "Host: a:1"), (400, 405, 501)),
            ("bad-length", post("Content-Length: x"), (400,)),
            ("bad-coding", post("Transfer-Encoding: gzip, chunked"), (501, 400)),
        )
    ),
    served(
        GOOD_FIRST,
        "good-bad-good",
        tiny("a") + head("GET /xyzzy HTTP/1.1") + tiny("b"),
        told("a"),
        Answer(status=status(400), reach=Reach.NEVER),
        ending=Ending.CLOSED,
    ),
    served(
        CLOSED,
        "close-then-request",
        get("Connection: close", path="/tiny?a") + tiny("b"),
        told("a"),
        ending=Ending.GONE,
    ),
    served(
        CLOSED,
        "close-then-noise",
        get("Connection: close", path="/tiny?a") + b"\x00\x01noise\r\n\r\n",
        told("a"),
        ending=Ending.GONE,
    ),
    served(
        CLOSED,
        "close-then-megabyte",
        get("Connection: close", path="/tiny?a") + b"z" * (1 << 20),
        told("a"),
        ending=Ending.GONE,
        modes=("whole", "pipelined"),
    ),
    served(
        CLOSED,
        "close-with-body-then-request",
        post("Connection: close", "Content-Length: 2", body="ab", path="/echo") + tiny("b"),
        told("ab"),
        ending=Ending.GONE,
    ),
    served(
        CLOSED,
        "close-chunked-then-request",
        chunked("2\r\nab\r\n0\r\n\r\n", "Connection: close", path="/echo") + tiny("b"),
        told("ab"),
        ending=Ending.GONE,
    ),
    served(CLOSED, "1.0-then-request", head("GET /tiny?a HTTP/1.0") + tiny("b"), told("a"), ending=Ending.GONE),
    served(
        CLOSED,
        "refusal-then-request",
        tiny("a") + head("GET /xyzzy HTTP/1.1", "Host: a", "Host: b") + tiny("b") * 20,
        told("a"),
        Answer(status=status(400), reach=Reach.NEVER),
        ending=Ending.CLOSED,
    ),
    refused(
        CLOSED, "refusal-then-megabyte", head("GET /xyzzy HTTP/1.1") + b"z" * (1 << 20), modes=("whole", "pipelined")
    ),
    *(
        served(
            UNREAD,
            f"unread-{label}",
            send + tiny("next"),
            told(""),
            MAYBE_NEXT,
            ending=Ending.IN_STEP,
            modes=modes,
        )
        for label, send, modes in (
            ("small", post("Content-Length: 5", body="hello", path="/tiny"), ("whole", "bytes", "lines", "pipelined")),
            (
                "request-looking",
                post(f"Content-Length: {len(get(path='/xyzzy'))}", body=get(path="/xyzzy"), path="/tiny"),
                ("whole", "bytes", "lines", "pipelined"),
            ),
            ("chunked", chunked("5\r\nhello\r\n0\r\n\r\n", path="/tiny"), ("whole", "bytes", "lines", "pipelined")),
            (
                "chunked-request-looking",
                chunked(f"{len(get(path='/xyzzy')):x}\r\n{get(path='/xyzzy').decode()}\r\n0\r\n\r\n", path="/tiny"),
                ("whole", "bytes", "lines", "pipelined"),
            ),
            (
                "chunked-trailers",
                chunked("5\r\nhello\r\n0\r\nX: a\r\n\r\n", path="/tiny"),
                ("whole", "bytes", "lines", "pipelined"),
            ),
            ("large", post("Content-Length: 300000", body=b"y" * 300000, path="/tiny"), ("whole", "pipelined")),
            (
                "3-mebibytes",
                post(f"Content-Length: {3 << 20}", body=b"y" * (3 << 20), path="/tiny"),
                ("whole", "pipelined"),
            ),
            (
                "chunked-large",
                chunked(b"10000\r\n" + b"y" * 65536 + b"\r\n0\r\n\r\n", path="/tiny"),
                ("whole", "pipelined"),
            ),
        )
    ),
    served(
        BODY,
        "partly-read",
        post("Content-Length: 20", body="GET /xyzzy HTTP/1.1\n", path="/reading?do=read:3") + tiny("b"),
        Answer(body=b'["GET"]'),
        Answer(body=b"b", optional=True, reach=Reach.EITHER),
        ending=Ending.IN_STEP,
    ),
    served(
        BODY,
        "over-read",
        post("Content-Length: 5", body="hello", path="/reading?do=read:500,read,read:1") + tiny("b"),
        Answer(body=b'["hello", "", ""]'),
        told("b"),
    ),
    served(
        BODY,
        "over-read-of-nothing",
        get(path="/reading?do=read,read:9,readline,iter") + tiny("b"),
        Answer(body=b'["", "", "", []]'),
        told("b"),
    ),
    served(
        BODY,
        "failure-with-unread-body",
        post("Content-Length: 5", body="hello", path="/raises?before") + tiny("b"),
        Answer(status=status(500)),
        Answer(body=b"b", optional=True, reach=Reach.EITHER),
        ending=Ending.IN_STEP,
    ),
)
