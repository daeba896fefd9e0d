"""Reading the body by wsgi.input (PEP 3333, Input and Error Streams)."""

from __future__ import annotations

import json

from tests.conformance.case import NEXT, NEXT_REQUEST, Answer, chunked, post, served

INPUT = "PEP 3333: wsgi.input has read, readline, readlines and iteration, and ends where the body ends"

READS = {
    "read": ("read", "abc\ndef", ["abc\ndef"]),
    "read-all-minus-one": ("read:-1", "abc\ndef", ["abc\ndef"]),
    "read-zero": ("read:0,read", "abc", ["", "abc"]),
    "read-size": ("read:2,read:2,read:2", "abc", ["ab", "c", ""]),
    "read-large-size": ("read:100000", "abc", ["abc"]),
    "read-at-end": ("read,read,read:5", "abc", ["abc", "", ""]),
    "readline": ("readline,readline,readline", "abc\ndef", ["abc\n", "def", ""]),
    "readline-size": ("readline:2,readline:5,readline", "abc\ndef", ["ab", "c\n", "def"]),
    "readline-large-size": ("readline:100,readline:100", "abc\ndef", ["abc\n", "def"]),
    "readline-empty-line": ("readline,readline", "\nabc", ["\n", "abc"]),
    "readline-crlf": ("readline,readline", "abc\r\ndef\r\n", ["abc\r\n", "def\r\n"]),
    "readlines": ("readlines", "a\nb\nc", [["a\n", "b\n", "c"]]),
    "readlines-hint": ("readlines:1000", "a\nb\nc", [["a\n", "b\n", "c"]]),
    "iter": ("iter", "a\nb\nc\n", [["a\n", "b\n", "c\n"]]),
    "mixed": ("read:1,readline,iter,read", "abc\nd\ne", ["a", "bc\n", ["d\n", "e"], ""]),
    "empty": ("read,readline,readlines,iter", "", ["", "", [], []]),
}


def body_is(value: object) -> object:
    """A predicate: the body is this as JSON."""
    return lambda body: json.loads(body) == value


CASES = (
    *(
        served(
            INPUT,
            f"input-{label}",
            post(f"Content-Length: {len(body)}", body=body, path=f"/reading?do={do}") + NEXT_REQUEST,
            Answer(body=body_is(wanted)),
            NEXT,
        )
        for label, (do, body, wanted) in READS.items()
    ),
    *(
        served(
            f"{INPUT}; HTTP.md: on chunked bodies too",
            f"input-chunked-{label}",
            chunked("".join(f"1\r\n{letter}\r\n" for letter in body) + "0\r\n\r\n", path=f"/reading?do={do}")
            + NEXT_REQUEST,
            Answer(body=body_is(wanted)),
            NEXT,
        )
        for label, (do, body, wanted) in READS.items()
    ),
)
