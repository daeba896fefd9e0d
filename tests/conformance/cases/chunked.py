"""The chunked coding of request bodies: sizes, extensions, data, trailers (RFC 9112 7.1)."""

from __future__ import annotations

from tests.conformance.case import (
    ABSENT,
    NEXT,
    NEXT_REQUEST,
    Answer,
    Case,
    Ending,
    Mark,
    Reach,
    broken,
    chunked,
    get,
    served,
    status,
    table,
    tolerated,
)

SIZE = "RFC 9112 7.1: chunk-size is 1*HEXDIG"
EXTENSION = "RFC 9112 7.1.1: a recipient MUST ignore unrecognised chunk extensions"
BAD_EXTENSION = "RFC 9112 7.1.1, 2.2: a chunk extension holds no control characters, bare CR or bare LF"
ODD_EXTENSION = "RFC 9112 7.1.1: an extension outside of the grammar may be refused or ignored, never taken for data"
DATA = "RFC 9112 7.1: chunk-data has exactly chunk-size octets and is followed by CRLF"
OVERFLOW = "RFC 9112 7.1: a recipient MUST anticipate large hexadecimal numerals and prevent overflow"
TRAILER = "RFC 9112 7.1.2, RFC 9110 6.5.1: trailer fields are discarded and never merged into the header section"
BAD_TRAILER = "RFC 9112 7.1.2, 5.1: the trailer section follows the grammar of fields"
SHORT = "RFC 9112 8: a chunked body without its last chunk is incomplete, whatever the connection does then"


def whole(rule: str, label: str, body: str | bytes, read: bytes, **environ: object) -> Case:
    """A body that is read as these bytes, with a request after it."""
    return served(rule, label, chunked(body) + NEXT_REQUEST, Answer(read=read, environ=environ), NEXT)


SIZES = {
    "one": ("1\r\na\r\n0\r\n\r\n", b"a"),
    "two-chunks": ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
    "hex-lower": ("a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "hex-upper": ("A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "hex-mixed": ("1a\r\n" + "x" * 26 + "\r\n1B\r\n" + "y" * 27 + "\r\n0\r\n\r\n", b"x" * 26 + b"y" * 27),
    "leading-zero": ("05\r\nhello\r\n0\r\n\r\n", b"hello"),
    "leading-zeros": ("00000005\r\nhello\r\n0\r\n\r\n", b"hello"),
    "last-chunk-zeros": ("5\r\nhello\r\n000\r\n\r\n", b"hello"),
    "many-single-bytes": ("1\r\nz\r\n" * 200 + "0\r\n\r\n", b"z" * 200),
    "data-is-crlf": ("4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    "data-looks-like-end": ("5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    "data-looks-like-size": ("3\r\n5\r\n\r\n0\r\n\r\n", b"5\r\n"),
    "big-chunk": ("10000\r\n" + "b" * 65536 + "\r\n0\r\n\r\n", b"b" * 65536),
}
EXTENSIONS = {
    "name": ";a",
    "name-value": ";a=b",
    "quoted": ';a="b"',
    "quoted-empty": ';a=""',
    "quoted-semicolon": ';a="b;c"',
    "quoted-escape": ';a="b\\"c"',
    "quoted-tab": ';a="b\tc"',
    "quoted-space": ';a="b c"',
    "two": ";a=b;c=d",
    "space-before": " ;a=b",
    "space-after-semicolon": "; a=b",
    "spaces-around-equals": ";a = b",
    "tab-before": "\t;a",
    "tab-after-semicolon": ";\ta",
    "token-characters": ";!#$%&'*+-.^_`|~=1",
    "looks-like-size": ";5",
}
SIZES_BAD = {
    "empty": "\r\nhello\r\n0\r\n\r\n",
    "extension-alone": ";a\r\nhello\r\n0\r\n\r\n",
    "hex-prefix": "0x5\r\nhello\r\n0\r\n\r\n",
    "plus": "+5\r\nhello\r\n0\r\n\r\n",
    "minus": "-5\r\nhello\r\n0\r\n\r\n",
    "minus-zero": "5\r\nhello\r\n-0\r\n\r\n",
    "not-hex": "g\r\nhello\r\n0\r\n\r\n",
    "hex-then-letter": "5g\r\nhello\r\n0\r\n\r\n",
    "leading-space": " 5\r\nhello\r\n0\r\n\r\n",
    "leading-tab": "\t5\r\nhello\r\n0\r\n\r\n",
    "inner-space": "0 5\r\nhello\r\n0\r\n\r\n",
    "two-numbers": "5 5\r\nhello\r\n0\r\n\r\n",
    "underscore": "0_5\r\nhello\r\n0\r\n\r\n",
    "float": "5.0\r\nhello\r\n0\r\n\r\n",
    "comma": "5,\r\nhello\r\n0\r\n\r\n",
    "colon": "5:a\r\nhello\r\n0\r\n\r\n",
    "quoted": '"5"\r\nhello\r\n0\r\n\r\n',
    "nul": "5\x00\r\nhello\r\n0\r\n\r\n",
    "vertical-tab": "5\x0b\r\nhello\r\n0\r\n\r\n",
    "fullwidth-utf-8": "\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",
    "superscript": "\xb2\r\nab\r\n0\r\n\r\n",
    "bare-lf": "5\nhello\r\n0\r\n\r\n",
    "bare-cr": "5\rhello\r\n0\r\n\r\n",
    "cr-cr-lf": "5\r\r\nhello\r\n0\r\n\r\n",
    "looks-like-request": "GET /xyzzy HTTP/1.1\r\n\r\n",
    "empty-line-before-size": "\r\n5\r\nhello\r\n0\r\n\r\n",
    "last-empty": "5\r\nhello\r\n\r\n\r\n",
}
OVERFLOWS = {
    "16-f": "FFFFFFFFFFFFFFFF",
    "2-63": "8000000000000000",
    "2-64": "10000000000000000",
    "2-64-and-5": "10000000000000005",
    "2-32-and-5-wraps": "100000005",
    "32-digits": "f" * 32,
    "7-f": "7FFFFFFFFFFFFFFF",
}
DATA_BAD = {
    "too-long": "5\r\nhello!\r\n0\r\n\r\n",
    "too-short": "6\r\nhello\r\n0\r\n\r\n",
    "no-crlf": "5\r\nhello0\r\n\r\n",
    "bare-lf-after": "5\r\nhello\n0\r\n\r\n",
    "bare-cr-after": "5\r\nhello\r0\r\n\r\n",
    "cr-then-other": "5\r\nhello\rX0\r\n\r\n",
    "lf-cr-after": "5\r\nhello\n\r0\r\n\r\n",
    "two-other-bytes-after": "5\r\nhelloXX0\r\n\r\n",
    "second-too-long": "5\r\nhello\r\n5\r\nworld!\r\n0\r\n\r\n",
    "crlf-twice": "5\r\nhello\r\n\r\n0\r\n\r\n",
}
EXTENSIONS_BAD = {
    "bare-lf": ";a\nb",
    "bare-lf-then-size": ";\n5",
    "bare-cr": ";a\rb",
    "nul": ";a\x00",
    "bell": ";a\x07b",
    "delete": ";a=\x7f",
    "nul-quoted": ';a="\x00"',
    "lf-quoted": ';a="\n"',
}
EXTENSIONS_ODD = {
    "empty-name": ";",
    "two-semicolons": ";;a",
    "no-value": ";a=",
    "trailing-space": " ",
    "trailing-tab": "\t",
    "space-after-extension": ";a ",
    "unclosed-quote": ';a="b',
    "latin-1": ";a=\xe9",
    "slash": ";a/b",
    "comma": ";a,b",
    "two-equals": ";a=b=c",
    "bracket": ";[a]",
}
TRAILERS = {
    "host": ("Host: xyzzy", {"HTTP_HOST": "a"}),
    "authorization": ("Authorization: xyzzy", {"HTTP_AUTHORIZATION": ABSENT}),
    "cookie": ("Cookie: a=xyzzy", {"HTTP_COOKIE": ABSENT}),
    "forwarded-for": ("X-Forwarded-For: 192.0.2.9", {"HTTP_X_FORWARDED_FOR": ABSENT}),
    "forwarded-proto": ("X-Forwarded-Proto: https", {"HTTP_X_FORWARDED_PROTO": ABSENT, "wsgi.url_scheme": "http"}),
    "content-type": ("Content-Type: text/xyzzy", {"CONTENT_TYPE": lambda value: value is ABSENT or value == ""}),
    "content-length": ("Content-Length: 500", {"CONTENT_LENGTH": lambda value: value is ABSENT or value in ("", "5")}),
    "transfer-encoding": ("Transfer-Encoding: gzip", {}),
    "unknown": ("X-Trailer: a", {"HTTP_X_TRAILER": ABSENT}),
    "two": ("X-One: a\r\nX-Two: b", {"HTTP_X_ONE": ABSENT, "HTTP_X_TWO": ABSENT}),
    "no-blank": ("X-One:a", {"HTTP_X_ONE": ABSENT}),
    "empty-value": ("X-One:", {"HTTP_X_ONE": ABSENT}),
    "connection-close": ("Connection: close", {"HTTP_CONNECTION": ABSENT}),
    "expect": ("Expect: 100-continue", {"HTTP_EXPECT": ABSENT}),
    "same-name": ("X-Known: trailer", {"HTTP_X_KNOWN": "head"}),
}
TRAILERS_BAD = {
    "no-colon": "X-One",
    "space-before-colon": "X-One : a",
    "empty-name": ": a",
    "bad-name": "X(One): a",
    "nul": "X-One: a\x00",
    "nul-in-name": "X\x00One: a",
    "bare-lf": "X-One: a\nX-Two: b",
    "bare-cr": "X-One: a\rX-Two: b",
    "leading-space": " X-One: a",
    "folded": "X-One: a\r\n b",
    "request-line": "GET /xyzzy HTTP/1.1",
}

CASES = (
    *(whole(SIZE, f"size-{label}", body, read) for label, (body, read) in SIZES.items()),
    *(
        whole(EXTENSION, f"extension-{label}", f"5{text}\r\nhello\r\n0\r\n\r\n", b"hello")
        for label, text in EXTENSIONS.items()
    ),
    *(
        whole(EXTENSION, f"last-chunk-extension-{label}", f"5\r\nhello\r\n0{text}\r\n\r\n", b"hello")
        for label, text in list(EXTENSIONS.items())[:6]
    ),
    *table(broken, SIZE, {f"bad-size-{label}": chunked(body) for label, body in SIZES_BAD.items()}),
    *table(
        broken,
        OVERFLOW,
        {f"overflow-{label}": chunked(f"{size}\r\nhello\r\n0\r\n\r\n") for label, size in OVERFLOWS.items()},
        400,
        413,
    ),
    *table(broken, DATA, {f"data-{label}": chunked(body) for label, body in DATA_BAD.items()}),
    *table(
        broken,
        BAD_EXTENSION,
        {f"bad-extension-{label}": chunked(f"5{text}\r\nhello\r\n0\r\n\r\n") for label, text in EXTENSIONS_BAD.items()},
    ),
    *table(
        broken,
        BAD_EXTENSION,
        {
            f"bad-last-extension-{label}": chunked(f"5\r\nhello\r\n0{text}\r\n\r\n")
            for label, text in EXTENSIONS_BAD.items()
        },
    ),
    *(
        served(
            ODD_EXTENSION,
            f"odd-extension-{label}",
            chunked(f"5{text}\r\nhello\r\n0\r\n\r\n"),
            Answer(status=status(200, 400), reach=Reach.EITHER, calls=lambda record: record["body"] in ("hello", None)),
            ending=Ending.IN_STEP,
        )
        for label, text in EXTENSIONS_ODD.items()
    ),
    *(
        served(
            TRAILER,
            f"trailer-{label}",
            chunked(f"5\r\nhello\r\n0\r\n{line}\r\n\r\n", "X-Known: head") + NEXT_REQUEST,
            Answer(read=b"hello", environ=environ),
            NEXT,
        )
        for label, (line, environ) in TRAILERS.items()
    ),
    served(
        TRAILER,
        "trailer-announced",
        chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "Trailer: X-Sum") + NEXT_REQUEST,
        Answer(read=b"hello", environ={"HTTP_X_SUM": ABSENT, "HTTP_TRAILER": "X-Sum"}),
        NEXT,
    ),
    served(
        TRAILER,
        "trailer-of-one-request-is-not-the-next-one's",
        chunked("0\r\nX-Leak: a\r\n\r\n") + get(path="/"),
        Answer(read=b"", environ={"HTTP_X_LEAK": ABSENT}),
        Answer(environ={"HTTP_X_LEAK": ABSENT}),
    ),
    *table(
        broken,
        BAD_TRAILER,
        {f"bad-trailer-{label}": chunked(f"5\r\nhello\r\n0\r\n{line}\r\n\r\n") for label, line in TRAILERS_BAD.items()},
    ),
    *(
        broken(SHORT, f"short-{label}", (chunked(body), Mark.HALF_CLOSE), 400, 408)
        for label, body in {
            "nothing": "",
            "in-size": "5",
            "after-size": "5\r\n",
            "in-data": "5\r\nhel",
            "after-data": "5\r\nhello",
            "after-chunk": "5\r\nhello\r\n",
            "in-last-chunk": "5\r\nhello\r\n0",
            "after-last-size": "5\r\nhello\r\n0\r\n",
            "before-last-lf": "5\r\nhello\r\n0\r\n\r",
            "in-trailer": "5\r\nhello\r\n0\r\nX-One: a\r\n",
        }.items()
    ),
    served(
        "RFC 9112 9.3: a request after a chunked one is read where the last chunk ended",
        "two-chunked-in-a-row",
        chunked("3\r\none\r\n0\r\n\r\n") + chunked("3\r\ntwo\r\n0\r\n\r\n") + NEXT_REQUEST,
        Answer(read=b"one"),
        Answer(read=b"two"),
        NEXT,
    ),
    served(
        "PEP 3333: CONTENT_LENGTH, if there, is the length of what can be read; a request may not name both",
        "environ-of-chunked",
        chunked("5\r\nhello\r\n0\r\n\r\n"),
        Answer(read=b"hello", environ={"CONTENT_LENGTH": lambda value: value is ABSENT or value in ("", "5")}),
    ),
    *table(
        tolerated,
        SIZE,
        {
            "size-of-200-zeros": chunked("0" * 200 + "5\r\nhello\r\n0\r\n\r\n"),
            "size-of-17-digits": chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"),
        },
        200,
        400,
        413,
        431,
    ),
    *(
        broken(SIZE, f"no-chunks-{label}", (chunked(body), Mark.HALF_CLOSE))
        for label, body in {
            "word": "hello",
            "lf-everywhere": "5\nhello\n0\n\n",
            "cr-everywhere": "5\rhello\r0\r\r",
        }.items()
    ),
)
