"""What applications answer, the misbehaving ones too (PEP 3333, RFC 9110 5.5, 6.6.1, 8.6, RFC 9112 6, 7)."""

from __future__ import annotations

from urllib.parse import quote

from tests.conformance.case import ABSENT, Answer, Case, Ending, OneOf, Reach, get, post, served, status, tolerated

SHORT = (
    "HTTP.md, RFC 9112 6.3, 8: fewer bytes than the Content-Length: the connection is closed so that the client knows"
)
LONG = "PEP 3333 (Handling the Content-Length Header): no more bytes than the declared Content-Length are sent"
STREAM = "RFC 9112 6.1, 7.1: to a 1.1 client an answer of unknown length is chunked"
LENGTH = "RFC 9112 6.3: an answer with a length is that long"
FAILS = "PEP 3333 (Error Handling), HTTP.md: an exception before the first piece is a 500 with nothing of the half-made answer"
MIDDLE = "PEP 3333, HTTP.md: an exception in the middle leaves no last chunk and closes the connection"
FIELD = "PEP 3333, RFC 9110 5.5, HTTP.md: CR, LF, NUL and bad names in the application's fields are a 500, never sent"
STATUS = "PEP 3333, RFC 9110 15, HTTP.md: a bad status is a 500"
FRAMING = "HTTP.md, RFC 9110 8.6: a bad or repeated Content-Length of the application's is a 500"
TYPES = (
    "PEP 3333: status and fields are native texts, pieces are bytes; anything else is a 500, and never a dead worker"
)
CLOSE = "PEP 3333: close() of the iterable is called exactly once, however the request ends"
WRITE = "PEP 3333 (The write() Callable): what is written goes out before what is iterated"
EXC_INFO = "PEP 3333: exc_info replaces the fields as long as none were sent, and is raised again after that"
WRAPPER = "PEP 3333 (Optional Platform-Specific File Handling): wsgi.file_wrapper is answered from the file's position"
HOPS = "PEP 3333 (Other HTTP Features): hop-by-hop fields are the server's: whatever the application says, the framing is right"
NEXT_REQUEST = get(path="/tiny?next")
NEXT = Answer(body=b"next")
MAYBE_NEXT = Answer(body=b"next", optional=True, reach=Reach.EITHER)


def raw(**fields: str) -> bytes:
    """A GET whose answer has this status and these fields (``_`` for ``-``)."""
    return raw_of(*((name.replace("_", "-"), value) for name, value in fields.items()))


def raw_of(*fields: tuple[str, str]) -> bytes:
    """The same with any names."""
    return get(
        path="/raw?"
        + "&".join(
            f"{quote(name, safe='', encoding='latin-1')}={quote(value, safe='', encoding='latin-1')}"
            for name, value in fields
        )
    )


def fails(rule: str, label: str, send: bytes, **more: object) -> Case:
    """The application fails before its first piece: a 500 that is logged; the worker and, perhaps, the connection go on."""
    answer = Answer(status=status(500), fields={"x-half-made": ABSENT}, **more)  # type: ignore[arg-type]
    return served(rule, label, send + NEXT_REQUEST, answer, MAYBE_NEXT, ending=Ending.IN_STEP, logged="request_failed")


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
    # Failures.
    *(
        fails(FAILS, f"raises-{place}", get(path=f"/raises?{place}"), closes=closes)
        for place, closes in (("before", None), ("after-start", None), ("first-step", 1), ("after-empty", None))
    ),
    fails(
        "HTTP.md: an application that calls sys.exit fails its request, and the worker lives",
        "raises-exit",
        get(path="/raises?exit"),
    ),
    fails(
        "HTTP.md: whatever the application raises, the worker lives",
        "raises-generator-exit",
        get(path="/raises?generator-exit"),
    ),
    fails(FAILS, "raises-with-body", post("Content-Length: 5", body="hello", path="/raises?before")),
    served(
        MIDDLE,
        "raises-middle",
        get(path="/raises?middle") + NEXT_REQUEST,
        Answer(body=b"first", complete=False, closes=1),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    served(
        MIDDLE,
        "raises-middle-length",
        get(path="/raises?middle-length") + NEXT_REQUEST,
        Answer(body=b"first", complete=False, closes=1),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    served(
        MIDDLE,
        "raises-after-write",
        get(path="/writes?written=5&raise=1") + NEXT_REQUEST,
        Answer(body=b"wwwww", complete=False),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    served(
        "PEP 3333: an error in close() comes after the whole answer and is only logged",
        "raises-close",
        get(path="/raises?close") + NEXT_REQUEST,
        Answer(body=b"first", closes=1),
        MAYBE_NEXT,
        ending=Ending.IN_STEP,
        logged="request_failed",
    ),
    fails("PEP 3333: start_response comes before the first piece", "unstarted", get(path="/unstarted"), closes=1),
    fails(
        "PEP 3333: start_response is called, even for no content",
        "unstarted-empty",
        get(path="/unstarted-empty"),
        closes=1,
    ),
    fails("PEP 3333: start_response is called twice only with exc_info", "start-twice", get(path="/start-twice")),
    served(
        EXC_INFO,
        "exc-info",
        get(path="/exc-info") + NEXT_REQUEST,
        Answer(
            status=status(503),
            body=b"sorry",
            fields={"x-half-made": ABSENT, "x-replaced": "yes", "content-length": "5"},
        ),
        NEXT,
    ),
    served(
        EXC_INFO,
        "exc-info-late",
        get(path="/exc-info?late") + NEXT_REQUEST,
        Answer(body=b"first", complete=False, fields={"x-replaced": ABSENT}),
        ending=Ending.CLOSED,
        logged="request_failed",
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
    # Fields.
    *(
        fails(FIELD, f"field-{label}", raw_of(field))
        for label, field in {
            "value-crlf": ("X-A", "a\r\nX-Injected: xyzzy"),
            "value-crlf-crlf": ("X-A", "a\r\n\r\nxyzzy"),
            "value-lf": ("X-A", "a\nX-Injected: xyzzy"),
            "value-cr": ("X-A", "a\rX-Injected: xyzzy"),
            "value-nul": ("X-A", "a\x00xyzzy"),
            "value-folded": ("X-A", "a\r\n xyzzy"),
            "value-trailing-lf": ("X-A", "xyzzy\n"),
            "value-leading-cr": ("X-A", "\rxyzzy"),
            "name-crlf": ("X-A\r\nX-Injected", "xyzzy"),
            "name-lf": ("X-A\nX-B", "xyzzy"),
            "name-colon": ("X-A:", "xyzzy"),
            "name-colon-inside": ("X:A", "xyzzy"),
            "name-space": ("X A", "xyzzy"),
            "name-space-end": ("X-A ", "xyzzy"),
            "name-space-start": (" X-A", "xyzzy"),
            "name-tab": ("X\tA", "xyzzy"),
            "name-nul": ("X\x00A", "xyzzy"),
            "name-empty": ("", "xyzzy"),
            "name-latin": ("X-\xe9", "xyzzy"),
            "name-parenthesis": ("X(A)", "xyzzy"),
            "name-slash": ("X/A", "xyzzy"),
            "name-delete": ("X\x7fA", "xyzzy"),
            "location-crlf": ("Location", "/a\r\nSet-Cookie: xyzzy"),
            "cookie-crlf": ("Set-Cookie", "a=b\r\nSet-Cookie: xyzzy"),
            "type-crlf": ("Content-Type", "text/html\r\n\r\n<b>xyzzy"),
            "length-crlf": ("Content-Length", "3\r\nX-A: xyzzy"),
        }.items()
    ),
    *(
        served(
            "RFC 9110 5.5, PEP 3333: these fields are the application's, and go out unchanged",
            f"field-kept-{label}",
            raw_of(*fields) + NEXT_REQUEST,
            Answer(body=b"raw", fields={name: wanted}),
            NEXT,
        )
        for label, fields, name, wanted in (
            ("value", (("X-A", "b"),), "x-a", "b"),
            ("empty", (("X-A", ""),), "x-a", ""),
            ("latin-1", (("X-A", "\xe9"),), "x-a", "\xe9"),
            ("utf-8-as-latin-1", (("X-A", "\xc3\xa9"),), "x-a", "\xc3\xa9"),
            ("token-name", (("X!#$%&'*+.^_`|~A", "b"),), "x!#$%&'*+.^_`|~a", "b"),
            ("underscore-name", (("X_A", "b"),), "x_a", "b"),
            ("colon-value", (("X-A", "a:b"),), "x-a", "a:b"),
            ("long", (("X-A", "b" * 5000),), "x-a", "b" * 5000),
            ("cookies-stay-apart", (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")), "set-cookie", "a=1\nb=2"),
            ("order", (("X-A", "2"), ("X-A", "1"), ("X-A", "3")), "x-a", "2\n1\n3"),
            ("location", (("Location", "/a?b=c"),), "location", "/a?b=c"),
            ("www-authenticate", (("WWW-Authenticate", 'Basic realm="a"'),), "www-authenticate", 'Basic realm="a"'),
        )
    ),
    tolerated(
        "PEP 3333: a tab in a field value, which RFC 9110 5.5 allows, may be a 500",
        "field-tab",
        raw_of(("X-A", "a\tb")),
        200,
        500,
    ),
    *(
        fails(
            "PEP 3333: a field value must not include any control characters",
            f"field-control-{code:02x}",
            raw_of(("X-A", f"xyzzy{chr(code)}b")),
        )
        for code in (1, 8, 0x0B, 0x0C, 0x1B, 0x7F)
    ),
    served(
        "RFC 9110 6.6.1, HTTP.md: one Date",
        "date-once",
        raw_of(("Date", "Sun, 06 Nov 1994 08:49:37 GMT")) + NEXT_REQUEST,
        Answer(body=b"raw"),
        NEXT,
    ),
    served(
        "RFC 9110 10.2.4, HTTP.md: one Server",
        "server-once",
        raw_of(("Server", "mine")) + NEXT_REQUEST,
        Answer(body=b"raw"),
        NEXT,
    ),
    served(
        "RFC 9110 6.6.1, HTTP.md: one Date, however it is written",
        "date-once-case",
        raw_of(("dAtE", "Sun, 06 Nov 1994 08:49:37 GMT")) + NEXT_REQUEST,
        Answer(body=b"raw"),
        NEXT,
    ),
    served(
        "RFC 9110 10.2.4, HTTP.md: one Server, however it is written",
        "server-once-case",
        raw_of(("sErVeR", "mine")) + NEXT_REQUEST,
        Answer(body=b"raw"),
        NEXT,
    ),
    served(
        "RFC 9110 10.2.4: by default the server names itself",
        "server-default",
        get(path="/tiny"),
        Answer(fields={"server": lambda value: value is not ABSENT and value != ""}),
    ),
    # Status.
    *(
        fails(STATUS, f"status-{label}", raw_of(("status", text)))
        for label, text in {
            "empty": "",
            "word": "OK",
            "two-digits": "20 xyzzy",
            "four-digits": "2000 xyzzy",
            "letters": "2xx xyzzy",
            "leading-space": " 200 xyzzy",
            "plus": "+20 xyzzy",
            "minus": "-20 xyzzy",
            "crlf": "200 OK\r\nX-Injected: xyzzy",
            "lf": "200 OK\nX-Injected: xyzzy",
            "cr": "200 OK\rxyzzy",
            "nul": "200 OK\x00xyzzy",
            "trailing-crlf": "200 xyzzy\r\n",
            "hyphen": "200-xyzzy",
            "no-space": "200xyzzy",
            "superscript": "20\xb2 xyzzy",
            "099": "099 xyzzy",
            "000": "000 xyzzy",
            "600": "600 xyzzy",
            "999": "999 xyzzy",
            "100": "100 xyzzy",
            "102": "102 xyzzy",
            "199": "199 xyzzy",
        }.items()
    ),
    *(
        served(
            "RFC 9110 15, RFC 9112 4: any final status goes out, with its reason or without",
            f"status-ok-{label}",
            raw_of(("status", text)) + NEXT_REQUEST,
            Answer(status=status(int(text[:3])), body=b"raw"),
            NEXT,
        )
        for label, text in {
            "200": "200 OK",
            "299": "299 Odd",
            "418": "418 I'm a teapot",
            "499": "499 Odd",
            "599": "599 Odd",
            "empty-reason": "200 ",
            "long-reason": "200 " + "r" * 200,
            "latin-reason": "200 \xc9",
            "words-reason": "404 Not Found Here",
        }.items()
    ),
    tolerated(
        "PEP 3333: a status without a reason is not of the form `999 Message`; it may be a 500",
        "status-no-reason",
        raw(status="200"),
        200,
        500,
    ),
    # Framing fields of the application's.
    *(
        fails(FRAMING, f"length-{label}", raw_of(*fields))
        for label, fields in {
            "letters": (("Content-Length", "abc"),),
            "empty": (("Content-Length", ""),),
            "minus": (("Content-Length", "-1"),),
            "plus": (("Content-Length", "+3"),),
            "float": (("Content-Length", "3.0"),),
            "hex": (("Content-Length", "0x3"),),
            "list": (("Content-Length", "3, 3"),),
            "underscore": (("Content-Length", "0_3"),),
            "space-inside": (("Content-Length", "3 3"),),
            "superscript": (("Content-Length", "\xb3"),),
            "twice": (("Content-Length", "3"), ("Content-Length", "3")),
            "twice-different": (("Content-Length", "3"), ("Content-Length", "4")),
            "twice-case": (("Content-Length", "3"), ("content-length", "3")),
        }.items()
    ),
    *(
        tolerated(HOPS, f"hop-{label}", raw_of(*fields), 200, 500)
        for label, fields in {
            "chunked": (("Transfer-Encoding", "chunked"),),
            "identity": (("Transfer-Encoding", "identity"),),
            "gzip": (("Transfer-Encoding", "gzip"),),
            "chunked-and-length": (("Transfer-Encoding", "chunked"), ("Content-Length", "3")),
            "close": (("Connection", "close"),),
            "close-and-length": (("Connection", "close"), ("Content-Length", "3")),
            "keep-alive": (("Connection", "keep-alive"),),
            "keep-alive-field": (("Keep-Alive", "timeout=5"),),
            "upgrade": (("Connection", "upgrade"), ("Upgrade", "xyz")),
            "trailer": (("Trailer", "X-A"),),
            "te": (("TE", "trailers"),),
            "proxy-authenticate": (("Proxy-Authenticate", "Basic"),),
        }.items()
    ),
    # Types.
    *(
        fails(TYPES, f"type-{label}", get(path=f"/odd?{label}"))
        for label in [
            "status-none",
            "status-bytes",
            "status-int",
            "status-latin",
            "fields-none",
            "field-value-int",
            "field-value-none",
            "field-value-bytes",
            "field-name-bytes",
            "field-value-wide",
            "field-triple",
            "body-none",
            "body-int",
            "piece-text",
            "piece-none",
            "piece-int",
            "body-text",
        ]
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
