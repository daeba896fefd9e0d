"""What applications answer: lengths, streams, write() and wsgi.file_wrapper (PEP 3333, RFC 9112 6, 7)."""

from __future__ import annotations

from tests.conformance.case import ABSENT, MAYBE_NEXT, NEXT, NEXT_REQUEST, Answer, Ending, OneOf, get, served, status

SHORT = (
    "HTTP.md, RFC 9112 6.3, 8: fewer bytes than the Content-Length: the connection is closed so that the client knows"
)
LONG = "PEP 3333 (Handling the Content-Length Header): no more bytes than the declared Content-Length are sent"
STREAM = "RFC 9112 6.1, 7.1: to a 1.1 client an answer of unknown length is chunked"
LENGTH = "RFC 9112 6.3: an answer with a length is that long"
WRITE = "PEP 3333 (The write() Callable): what is written goes out before what is iterated"
WRAPPER = "PEP 3333 (Optional Platform-Specific File Handling): wsgi.file_wrapper is answered from the file's position"


def pattern(size: int, start: int = 0) -> bytes:
    """What ``/wrapped`` has in its file."""
    return bytes(index % 251 for index in range(start, size))


CASES = (
    # Lengths and streams.
    *(
        served(
            LENGTH if "length" in path else STREAM,
            f"ok-{label}",
            get(path=path) + NEXT_REQUEST,
            Answer(body=body, closes=closes),
            NEXT,
        )
        for label, path, body, closes in (
            ("length", "/sized?length=7&pieces=3,4", b"x" * 7, 1),
            ("length-zero", "/sized?length=0", b"", 1),
            ("stream", "/sized?pieces=3,4", b"x" * 7, 1),
            ("stream-one", "/sized?pieces=3", b"xxx", 1),
            ("stream-nothing", "/sized", b"", 1),
            ("empty-piece-first", "/sized?pieces=0,4", b"xxxx", 1),
            ("empty-piece-between", "/sized?pieces=3,0,4", b"x" * 7, 1),
            ("empty-piece-last", "/sized?pieces=3,0", b"xxx", 1),
            ("empty-pieces-only", "/sized?pieces=0,0,0", b"", 1),
            ("empty-pieces-length", "/sized?length=7&pieces=0,3,0,4,0", b"x" * 7, 1),
            ("length-leading-zeros", "/sized?length=007&pieces=7", b"x" * 7, 1),
            ("pieces-many", "/sized?pieces=" + ",".join(["1"] * 300), b"x" * 300, 1),
            ("piece-large", "/sized?pieces=1000000", b"x" * 1000000, 1),
            ("length-large", "/sized?length=1000000&pieces=500000,500000", b"x" * 1000000, 1),
            ("list-one", "/listed?pieces=abc", b"abc", None),
            ("list-two", "/listed?pieces=abc,de", b"abcde", None),
            ("list-empty-piece", "/listed?pieces=", b"", None),
            ("late-start", "/late-start", b"late", None),
        )
    ),
    served(
        "PEP 3333: a one-piece list without a length may be given one",
        "list-length",
        get(path="/listed?pieces=abc"),
        Answer(body=b"abc", fields={"content-length": OneOf("3", ABSENT)}),
    ),
    # Too short, too long.
    *(
        served(
            SHORT,
            f"short-{label}",
            get(path=path) + NEXT_REQUEST,
            Answer(body=body, complete=False, closes=closes),
            ending=Ending.CLOSED,
        )
        for label, path, body, closes in (
            ("by-five", "/sized?length=10&pieces=5", b"xxxxx", 1),
            ("by-one", "/sized?length=10&pieces=9", b"x" * 9, 1),
            ("pieces", "/sized?length=10&pieces=3,3", b"x" * 6, 1),
            ("write", "/writes?length=10&written=4", b"wwww", 1),
            ("large", "/sized?length=1000000&pieces=500000", b"x" * 500000, 1),
            ("wrapper", "/wrapped?size=5&length=10", pattern(5), None),
            ("wrapper-file", "/wrapped?kind=file&size=5&length=10", pattern(5), None),
        )
    ),
    served(
        "HTTP.md, RFC 9112 8: a length without a single byte is a 500 or an incomplete answer, never a whole one",
        "short-nothing",
        get(path="/sized?length=10") + NEXT_REQUEST,
        Answer(status=status(200, 500), complete=None, closes=1, body=lambda body: b"next" not in body),
        ending=Ending.CLOSED,
    ),
    *(
        served(
            LONG,
            f"long-{label}",
            get(path=path) + NEXT_REQUEST,
            Answer(body=body, closes=closes),
            MAYBE_NEXT,
            ending=Ending.IN_STEP,
        )
        for label, path, body, closes in (
            ("by-five", "/sized?length=5&pieces=10", b"xxxxx", 1),
            ("second-piece", "/sized?length=5&pieces=5,5", b"xxxxx", 1),
            ("across-pieces", "/sized?length=5&pieces=3,3", b"xxxxx", 1),
            ("zero", "/sized?length=0&pieces=5", b"", 1),
            ("write", "/writes?length=5&written=10", b"wwwww", None),
            ("write-and-pieces", "/writes?length=5&written=3&pieces=10", b"wwwxx", None),
            ("wrapper", "/wrapped?size=10&length=5", pattern(5), None),
            ("wrapper-file", "/wrapped?kind=file&size=10&length=5", pattern(5), None),
        )
    ),
    # write().
    *(
        served(WRITE, f"write-{label}", get(path=path) + NEXT_REQUEST, Answer(body=body, closes=1), NEXT)
        for label, path, body in (
            ("stream", "/writes?written=3,2&pieces=4", b"wwwwwxxxx"),
            ("length", "/writes?written=3,2&pieces=4&length=9", b"wwwwwxxxx"),
            ("alone", "/writes?written=3,2", b"wwwww"),
            ("empty", "/writes?written=0", b""),
            ("empty-between", "/writes?written=3,0,2&pieces=0,4", b"wwwwwxxxx"),
            ("large", "/writes?written=300000&pieces=300000", b"w" * 300000 + b"x" * 300000),
        )
    ),
    # wsgi.file_wrapper.
    *(
        served(WRAPPER, f"wrapper-{label}", get(path=path) + NEXT_REQUEST, Answer(body=body, closes=closes), NEXT)
        for label, path, body, closes in (
            ("bytes", "/wrapped?size=10", pattern(10), 1),
            ("bytes-length", "/wrapped?size=10&length=10", pattern(10), 1),
            ("bytes-large", "/wrapped?size=300000&length=300000", pattern(300000), 1),
            ("bytes-seek", "/wrapped?size=100&seek=40", pattern(100, 40), 1),
            ("bytes-block", "/wrapped?size=100&block=7", pattern(100), 1),
            ("read-only", "/wrapped?kind=read-only&size=100&length=100", pattern(100), None),
            ("read-only-stream", "/wrapped?kind=read-only&size=100", pattern(100), None),
            ("file", "/wrapped?kind=file&size=10", pattern(10), 1),
            ("file-length", "/wrapped?kind=file&size=10&length=10", pattern(10), 1),
            ("file-large", "/wrapped?kind=file&size=1000000&length=1000000", pattern(1000000), 1),
            ("file-large-stream", "/wrapped?kind=file&size=1000000", pattern(1000000), 1),
            ("file-seek", "/wrapped?kind=file&size=100&seek=40&length=60", pattern(100, 40), 1),
            ("file-seek-stream", "/wrapped?kind=file&size=100&seek=40", pattern(100, 40), 1),
            ("file-seek-cut", "/wrapped?kind=file&size=100&seek=40&length=20", pattern(60, 40), 1),
            ("file-empty", "/wrapped?kind=file&size=0&length=0", b"", 1),
            ("file-empty-stream", "/wrapped?kind=file&size=0", b"", 1),
        )
    ),
)
