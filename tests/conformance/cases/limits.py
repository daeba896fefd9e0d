"""The limits of request lines, heads and bodies (RFC 9112 3, RFC 9110 5.4, 15.5.14, 15.5.15, RFC 6585 5)."""

from __future__ import annotations

from tests.conformance.case import (
    NEXT,
    NEXT_REQUEST,
    Answer,
    Ending,
    Mark,
    Reach,
    broken,
    chunked,
    get,
    head,
    post,
    refused,
    served,
    status,
    table,
)

LINE = "RFC 9112 3, HTTP.md: a request line of 8,000 octets is taken; one beyond the limit is answered 414"
FIELDS = "RFC 9110 5.4, RFC 6585 5, HTTP.md: 100 fields are taken; more, or a larger head, are answered 431"
BODY = "RFC 9110 15.5.14: a body larger than the server is willing to process is answered 413"
TRAILERS = "HTTP.md, RFC 9112 7.1.2: trailers, chunk extensions and chunk-size lines count and are limited"
UNENDING = "HTTP.md: limits hold while the line has not ended yet"
SMALL = "prefork: the limits of [pool.*.http] are the operator's"
QUICK = ("whole", "lines", "pipelined")


def path(size: int) -> str:
    """A target so long that the request line has ``size`` octets."""
    return "/" + "p" * (size - len("GET / HTTP/1.1"))


def fields(count: int, size: int = 1) -> list[str]:
    """So many field lines with a value of so many octets."""
    return [f"X-{number}: " + "v" * size for number in range(count)]


CASES = (
    served(LINE, "line-4096", get(path=path(4096))),
    served(LINE, "line-8000", get(path=path(8000))),
    served(LINE, "line-8000-query", get(path="/tiny?" + "q" * 7980), Answer(body=b"q" * 7980)),
    refused(LINE, "line-9000", get(path=path(9000)), 414),
    refused(LINE, "line-9000-query", get(path="/?" + path(8990)), 414),
    refused(LINE, "line-40000", get(path=path(40000)), 414, modes=QUICK),
    refused(LINE, "line-1-mebibyte", get(path=path(1 << 20)), 414, modes=("whole", "pipelined")),
    refused(UNENDING, "line-without-end", b"GET /" + b"p" * 20000, 414),
    refused(UNENDING, "method-without-end", b"G" * 20000, 414, 400, 501),
    refused(UNENDING, "version-without-end", b"GET / HTTP/1.1" + b"1" * 20000, 414, 400, 505),
    served(FIELDS, "fields-99-and-host", get(*fields(99)), Answer(environ={"HTTP_X_98": "v"})),
    refused(FIELDS, "fields-101", get(*fields(100)), 431),
    refused(FIELDS, "fields-200", get(*fields(200)), 431),
    refused(FIELDS, "fields-same-name", get(*["X: a"] * 200), 431),
    refused(FIELDS, "fields-dropped-names-count", get(*["X_Y: a"] * 200), 431),
    served(FIELDS, "value-8000", get("X: " + "v" * 8000), Answer(environ={"HTTP_X": "v" * 8000})),
    served(FIELDS, "value-30000", get("X: " + "v" * 30000), Answer(environ={"HTTP_X": "v" * 30000}), modes=QUICK),
    refused(FIELDS, "value-40000", get("X: " + "v" * 40000), 431, modes=QUICK),
    refused(FIELDS, "name-40000", get("N" * 40000 + ": v"), 431, 400, modes=QUICK),
    refused(FIELDS, "head-of-many-values", get(*fields(90, 500)), 431, modes=QUICK),
    refused(FIELDS, "cookie-of-1-mebibyte", get("Cookie: a=" + "c" * (1 << 20)), 431, modes=("whole", "pipelined")),
    refused(UNENDING, "value-without-end", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"v" * 40000, 431, modes=QUICK),
    refused(UNENDING, "fields-without-end", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: v\r\n" * 150, 431),
    refused(UNENDING, "name-without-end", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"N" * 40000, 431, 400, modes=QUICK),
    served(
        "HTTP.md: counted from the beginning of each message, not of the connection",
        "limits-are-per-request",
        get(*fields(60, 300)) + get(*fields(60, 300)) + NEXT_REQUEST,
        Answer(),
        Answer(),
        NEXT,
        modes=QUICK,
    ),
    # The small server: a line of 512, 10 fields, a head of 2 KiB, a body of 64 KiB.
    *(
        served(SMALL, f"small-{label}", send + NEXT_REQUEST, Answer(), NEXT, variant="small")
        for label, send in {
            "line-512": get(path=path(512)),
            "fields-10": get(*fields(9)),
            "head-1900": get("X: " + "v" * 1850),
            "body-65536": post("Content-Length: 65536", body=b"b" * 65536),
            "chunked-65536": chunked(b"8000\r\n" + b"b" * 32768 + b"\r\n8000\r\n" + b"b" * 32768 + b"\r\n0\r\n\r\n"),
            "trailer": chunked("5\r\nhello\r\n0\r\nX: a\r\n\r\n"),
            "extension": chunked("5;a=b\r\nhello\r\n0\r\n\r\n"),
            "many-small-chunks": chunked("1\r\nb\r\n" * 5000 + "0\r\n\r\n"),
        }.items()
    ),
    *table(
        refused,
        SMALL,
        {"small-line-513": get(path=path(513)), "small-line-4000": get(path=path(4000))},
        414,
        variant="small",
    ),
    *table(
        refused,
        SMALL,
        {"small-fields-11": get(*fields(10)), "small-head-3000": get("X: " + "v" * 3000)},
        431,
        variant="small",
    ),
    refused(BODY, "length-65537", post("Content-Length: 65537", body=b"b" * 65537), 413, variant="small"),
    refused(BODY, "length-65537-unsent", post("Content-Length: 65537"), 413, variant="small"),
    refused(BODY, "length-65537-part-sent", post("Content-Length: 65537", body=b"b" * 1000), 413, variant="small"),
    refused(BODY, "length-1-tebibyte", post(f"Content-Length: {1 << 40}", body="b"), 413, variant="small"),
    refused(
        BODY,
        "length-2-mebibytes-sent",
        post(f"Content-Length: {2 << 20}", body=b"b" * (2 << 20)),
        413,
        variant="small",
        modes=("whole", "pipelined"),
    ),
    refused(BODY, "length-over-default", post(f"Content-Length: {(100 << 20) + 1}"), 413),
    refused(
        "RFC 9110 10.1.1, 15.5.14: a body that is refused by its length needs no 100",
        "length-expected",
        post("Content-Length: 65537", "Expect: 100-continue"),
        413,
        variant="small",
    ),
    *(
        broken(BODY, f"chunked-{label}", chunked(body), 413, variant="small")
        for label, body in {
            "65537": b"10001\r\n" + b"b" * 65537 + b"\r\n0\r\n\r\n",
            "size-alone": b"10001\r\n",
            "two-chunks": b"8001\r\n" + b"b" * 32769 + b"\r\n8001\r\n" + b"b" * 32769 + b"\r\n0\r\n\r\n",
            "many-chunks": (b"400\r\n" + b"b" * 1024 + b"\r\n") * 66 + b"0\r\n\r\n",
            "huge-size": b"7fffffff\r\n" + b"b" * 100,
            "without-end": (b"400\r\n" + b"b" * 1024 + b"\r\n") * 300,
        }.items()
    ),
    *(
        broken(TRAILERS, f"trailers-{label}", chunked(body), 431, 400, 413)
        for label, body in {
            "many": "5\r\nhello\r\n0\r\n" + "X: v\r\n" * 2000 + "\r\n",
            "long": "5\r\nhello\r\n0\r\nX: " + "v" * 40000 + "\r\n\r\n",
            "without-end": "5\r\nhello\r\n0\r\nX: " + "v" * 40000,
            "fields-without-end": "5\r\nhello\r\n0\r\n" + "X: v\r\n" * 8000,
            "extension-long": "5;a=" + "e" * 40000 + "\r\nhello\r\n0\r\n\r\n",
            "extension-without-end": "5;a=" + "e" * 40000,
            "last-extension-long": "5\r\nhello\r\n0;a=" + "e" * 40000 + "\r\n\r\n",
            "size-of-zeros-without-end": "0" * 40000,
            "extensions-on-every-chunk": ("1;a=" + "e" * 1000 + "\r\nb\r\n") * 200 + "0\r\n\r\n",
        }.items()
    ),
    served(
        "RFC 9110 9.3.1: an unfinished head is never dispatched, nor answered as whole",
        "unfinished-head",
        (head("GET / HTTP/1.1", "Host: a")[:-2], Mark.HALF_CLOSE),
        Answer(status=status(400, 408), reach=Reach.NEVER, optional=True),
        ending=Ending.CLOSED,
    ),
    served(
        "RFC 9112 9.6: a connection that ends before a request is no error",
        "nothing-sent",
        (b"", Mark.HALF_CLOSE),
        Answer(status=status(400, 408), reach=Reach.NEVER, optional=True),
        ending=Ending.CLOSED,
    ),
    served(
        "RFC 9112 9.6: an unfinished request-line is never dispatched",
        "unfinished-line",
        (b"GET / HT", Mark.HALF_CLOSE),
        Answer(status=status(400, 408), reach=Reach.NEVER, optional=True),
        ending=Ending.CLOSED,
    ),
)
