"""The length of a body by Content-Length (RFC 9110 8.6, RFC 9112 6.3)."""

from __future__ import annotations

from tests.conformance.case import (
    ABSENT,
    NEXT,
    NEXT_REQUEST,
    Answer,
    Ending,
    Mark,
    OneOf,
    broken,
    get,
    head,
    post,
    refused,
    served,
    status,
    table,
    tolerated,
)

INVALID = "RFC 9112 6.3 (5): a request with an invalid Content-Length is an unrecoverable error, 400 and closed"
SAME = "RFC 9110 8.6: identical repeated lengths are refused or taken as the one value"
DIFFER = "RFC 9112 6.3 (5): Content-Length fields that differ are answered 400 and closed"
EXACT = "RFC 9112 6.3 (6): a valid Content-Length is the length of the body in octets; what follows is the next request"
NONE = "RFC 9112 6.3 (7): a request with neither Content-Length nor Transfer-Encoding has no body"
SHORT = "RFC 9112 6.3 (6): if the sender closes before the length is received, the message is incomplete and is not processed as whole"
HUGE = "RFC 9110 8.6: a length has no upper limit: it is refused by size or as invalid, never wrapped around"

BAD = {
    "plus": "+5",
    "minus": "-5",
    "minus-zero": "-0",
    "two-minus": "--5",
    "float": "5.0",
    "exponent": "5e0",
    "hex": "0x5",
    "hex-digit": "5a",
    "letters": "abc",
    "octal": "0o5",
    "underscore": "1_0",
    "inner-space": "1 0",
    "inner-tab": "1\t0",
    "comma-different": "5, 6",
    "comma-different-no-space": "5,6",
    "comma-garbage": "5,x",
    "semicolon": "5;a",
    "quoted": '"5"',
    "parenthesis": "(5)",
    "empty": "",
    "blank": " ",
    "arabic-digit-utf-8": "\xd9\xa5",
    "superscript": "\xb2",
    "fullwidth-utf-8": "\xef\xbc\x95",
    "vertical-tab": "\x0b5",
    "form-feed-after": "5\x0c",
    "nul-after": "5\x00",
    "nul-before": "\x005",
    "no-break-space": "\xa05",
    "percent": "%35",
    "slash": "5/1",
    "infinity": "inf",
    "carriage-return-within": "5\r5",
    "unit": "5b",
    "equals": "=5",
    "dollar": "$5",
    "colon": ":5",
}
HUGE_VALUES = {
    "2-31": str(2**31),
    "2-32": str(2**32 + 5),
    "2-63-1": str(2**63 - 1),
    "2-63": str(2**63),
    "2-64-1": str(2**64 - 1),
    "2-64": str(2**64),
    "2-64-5": str(2**64 + 5),
    "10-30": "1" + "0" * 30,
    "4000-digits": "9" * 4000,
}

CASES = (
    *table(refused, INVALID, {f"bad-{label}": post(f"Content-Length: {v}", body="hello") for label, v in BAD.items()}),
    *table(refused, INVALID, {f"bad-get-{label}": get(f"Content-Length: {v}") for label, v in list(BAD.items())[:10]}),
    *table(
        refused,
        DIFFER,
        {
            "differ": post("Content-Length: 5", "Content-Length: 6", body="hello!"),
            "differ-zero-first": post("Content-Length: 0", "Content-Length: 5", body="hello"),
            "differ-zero-last": post("Content-Length: 5", "Content-Length: 0", body="hello"),
            "differ-apart": post("Content-Length: 5", "Accept: */*", "content-length: 6", body="hello!"),
            "differ-one-empty": post("Content-Length: 5", "Content-Length:", body="hello"),
            "differ-one-bad": post("Content-Length: 5", "Content-Length: x", body="hello"),
            "differ-third": post("Content-Length: 5", "Content-Length: 5", "Content-Length: 6", body="hello!"),
            "differ-1.0": head("POST / HTTP/1.0", "Content-Length: 5", "Content-Length: 6", body="hello!"),
            "differ-in-list": post("Content-Length: 5, 5, 6", body="hello!"),
        },
    ),
    *table(
        tolerated,
        SAME,
        {
            "same-twice": post("Content-Length: 5", "Content-Length: 5", body="hello"),
            "same-in-list": post("Content-Length: 5, 5", body="hello"),
            "same-value-other-digits": post("Content-Length: 5", "Content-Length: 05", body="hello"),
        },
    ),
    *table(
        refused,
        HUGE,
        {f"huge-{label}": post(f"Content-Length: {v}", body="hello") for label, v in HUGE_VALUES.items()},
        400,
        413,
    ),
    *table(
        refused,
        "RFC 9112 5.1: no white space between a field name and the colon; the length must not be lost with it",
        {
            "space-before-colon": post("Content-Length : 5", body="hello"),
            "tab-before-colon": post("Content-Length\t: 5", body="hello"),
            "no-colon": post("Content-Length 5", body="hello"),
        },
    ),
    served(
        EXACT,
        "five",
        post("Content-Length: 5", body="hello") + NEXT_REQUEST,
        Answer(read=b"hello", environ={"CONTENT_LENGTH": "5"}),
        NEXT,
    ),
    served(
        EXACT, "zero", post("Content-Length: 0") + NEXT_REQUEST, Answer(read=b"", environ={"CONTENT_LENGTH": "0"}), NEXT
    ),
    served(
        EXACT, "leading-zeros", post("Content-Length: 005", body="hello") + NEXT_REQUEST, Answer(read=b"hello"), NEXT
    ),
    served(
        EXACT,
        "blanks-around",
        post("Content-Length: \t 5 \t ", body="hello") + NEXT_REQUEST,
        Answer(read=b"hello", environ={"CONTENT_LENGTH": "5"}),
        NEXT,
    ),
    served(EXACT, "no-blank", post("Content-Length:5", body="hello") + NEXT_REQUEST, Answer(read=b"hello"), NEXT),
    served(
        EXACT, "lower-case-name", post("content-length: 5", body="hello") + NEXT_REQUEST, Answer(read=b"hello"), NEXT
    ),
    *(
        served(
            EXACT,
            f"body-on-{method}",
            head(f"{method} / HTTP/1.1", "Host: a", "Content-Length: 5", body="hello") + NEXT_REQUEST,
            Answer(read=b"hello", environ={"REQUEST_METHOD": method}),
            NEXT,
        )
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")
    ),
    served(
        EXACT,
        "body-on-HEAD",
        head("HEAD / HTTP/1.1", "Host: a", "Content-Length: 5", body="hello") + NEXT_REQUEST,
        Answer(read=b"hello", head=True),
        NEXT,
    ),
    served(
        EXACT,
        "every-byte",
        post("Content-Length: 256", body=bytes(range(256))) + NEXT_REQUEST,
        Answer(read=bytes(range(256))),
        NEXT,
    ),
    served(
        EXACT,
        "crlf-body",
        post("Content-Length: 8", body="\r\n\r\n\r\n\r\n") + NEXT_REQUEST,
        Answer(read=b"\r\n" * 4),
        NEXT,
    ),
    served(
        EXACT,
        "chunked-looking-body",
        post("Content-Length: 5", body="0\r\n\r\n") + NEXT_REQUEST,
        Answer(read=b"0\r\n\r\n"),
        NEXT,
    ),
    served(
        EXACT,
        "request-looking-body",
        post(f"Content-Length: {len(get(path='/xyzzy'))}", body=get(path="/xyzzy")) + NEXT_REQUEST,
        Answer(read=get(path="/xyzzy")),
        NEXT,
    ),
    served(
        EXACT,
        "100-kilobytes",
        post("Content-Length: 100000", body=b"0123456789" * 10000, path="/echo") + NEXT_REQUEST,
        Answer(body=b"0123456789" * 10000),
        NEXT,
    ),
    served(
        EXACT,
        "3-mebibytes",
        post(f"Content-Length: {3 << 20}", body=b"0123456789abcdef" * (3 << 16), path="/echo") + NEXT_REQUEST,
        Answer(body=b"0123456789abcdef" * (3 << 16)),
        NEXT,
        modes=("whole", "pipelined"),
    ),
    served(
        "RFC 9112 2.2: a CRLF that old clients send after a body is not the body's and is ignored before the next request",
        "crlf-after-body",
        post("Content-Length: 5", body="hello\r\n") + NEXT_REQUEST,
        Answer(read=b"hello"),
        NEXT,
    ),
    served(
        NONE,
        "post-without-length",
        post() + NEXT_REQUEST,
        Answer(read=b"", environ={"CONTENT_LENGTH": OneOf(ABSENT, "", "0")}),
        NEXT,
    ),
    served(
        NONE,
        "get-without-length",
        get() + NEXT_REQUEST,
        Answer(read=b"", environ={"CONTENT_LENGTH": OneOf(ABSENT, "", "0")}),
        NEXT,
    ),
    refused(
        NONE, "bytes-after-bodiless-post-are-a-request", post(body="hello=world\r\n\r\n"), before=(Answer(read=b""),)
    ),
    refused(
        EXACT,
        "bytes-after-the-length-are-a-request",
        post("Content-Length: 5", body="hello world\r\n\r\n"),
        before=(Answer(read=b"hello"),),
    ),
    *(
        broken(SHORT, f"short-{label}", (send, Mark.HALF_CLOSE), 400, 408)
        for label, send in {
            "by-one": post("Content-Length: 6", body="hello"),
            "nothing": post("Content-Length: 5"),
            "much": post("Content-Length: 100000", body="hello"),
            "echo": post("Content-Length: 6", body="hello", path="/echo"),
            "1.0": head("POST / HTTP/1.0", "Content-Length: 6", body="hello"),
            "get": get("Content-Length: 1"),
        }.items()
    ),
    served(
        "RFC 9112 9.6: a client that has closed its sending side after a whole request still gets its answer",
        "half-close-after-whole",
        (post("Content-Length: 5", body="hello"), Mark.HALF_CLOSE),
        Answer(read=b"hello", status=status(200)),
        ending=Ending.CLOSED,
    ),
)
