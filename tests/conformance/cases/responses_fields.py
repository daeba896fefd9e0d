"""Statuses and fields of the application's, the impossible ones too (PEP 3333, RFC 9110 5.5, 6.6.1, 8.6, 15)."""

from __future__ import annotations

from urllib.parse import quote

from tests.conformance.case import ABSENT, NEXT, NEXT_REQUEST, Answer, fails, get, served, status, tolerated

FIELD = "PEP 3333, RFC 9110 5.5, HTTP.md: CR, LF, NUL and bad names in the application's fields are a 500, never sent"
STATUS = "PEP 3333, RFC 9110 15, HTTP.md: a bad status is a 500"
FRAMING = "HTTP.md, RFC 9110 8.6: a bad or repeated Content-Length of the application's is a 500"
HOPS = "PEP 3333 (Other HTTP Features): hop-by-hop fields are the server's: whatever the application says, the framing is right"


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


CASES = (
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
)
