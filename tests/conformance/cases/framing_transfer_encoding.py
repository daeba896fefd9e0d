"""The length of a body by Transfer-Encoding (RFC 9112 6.1, 6.3)."""

from __future__ import annotations

from tests.conformance.case import (
    NEXT,
    NEXT_REQUEST,
    Answer,
    chunked,
    get,
    head,
    post,
    refused,
    served,
    table,
    tolerated,
)

FINAL = "RFC 9112 6.3 (4): a request whose final transfer coding is not chunked has no reliable length: 400 and closed"
UNKNOWN = (
    "RFC 9112 6.1: a transfer coding that the server does not understand before a final chunked SHOULD be answered 501"
)
ONCE = "RFC 9112 6.1: chunked is applied no more than once"
BOTH = "RFC 9112 6.1, 6.3 (3): Content-Length with Transfer-Encoding ought to be handled as an error (HTTP.md: 400, in any order)"
OLD = "RFC 9112 6.1: Transfer-Encoding in HTTP/1.0 means faulty framing, even with Content-Length (HTTP.md: 400)"
NAME = "RFC 9112 7: transfer coding names are case-insensitive tokens"
LIST = "RFC 9110 5.6.1: empty list members may be ignored or, where framing is at stake, refused"
BLANKS = "RFC 9112 5: blanks around a field value, tabs included, are not part of it"

BODY = "5\r\nhello\r\n0\r\n\r\n"


def coded(*values: str, body: str = BODY) -> bytes:
    """A POST with one Transfer-Encoding line a value."""
    return post(*(f"Transfer-Encoding: {value}" for value in values), body=body)


CASES = (
    *table(
        refused,
        FINAL,
        {
            "gzip": coded("gzip"),
            "identity": coded("identity"),
            "deflate": coded("deflate"),
            "unknown": coded("cow"),
            "empty": coded(""),
            "comma": coded(","),
            "blank": coded(" \t "),
            "chunked-gzip": coded("chunked, gzip"),
            "chunked-identity": coded("chunked, identity"),
            "chunked-then-gzip-line": coded("chunked", "gzip"),
            "chunked-then-identity-line": coded("chunked", "identity"),
            "chunked-then-empty-line": coded("chunked", ""),
            "empty-then-chunked-line": coded("", "chunked"),
            "prefix": coded("xchunked"),
            "suffix": coded("chunkedx"),
            "hyphen": coded("chunked-x"),
            "short": coded("chunke"),
            "quoted": coded('"chunked"'),
            "single-quoted": coded("'chunked'"),
            "semicolon": coded("chunked;"),
            "parameter": coded("chunked;q=1"),
            "space-inside": coded("chun ked"),
            "two-words": coded("chunked x"),
            "dot": coded("chunked."),
            "colon": coded("chunked:"),
            "equals": coded("=chunked"),
            "bracket": coded("[chunked]"),
            "comment": coded("chunked (a)"),
            "plus": coded("+chunked"),
            "long-s-utf-8": coded("chun\xe2\x84\xaaed"),
            "unknown-with-length": post("Transfer-Encoding: cow", "Content-Length: 5", body="hello"),
        },
    ),
    *table(
        refused,
        "RFC 9112 2.2, RFC 9110 5.5: a control character in the value is refused, not trimmed or skipped",
        {
            "vertical-tab-before": coded("\x0bchunked"),
            "vertical-tab-after": coded("chunked\x0b"),
            "form-feed": coded("\x0cchunked"),
            "nul-after": coded("chunked\x00"),
            "nul-before": coded("\x00chunked"),
            "bell-inside": coded("chu\x07nked"),
            "delete": coded("chunked\x7f"),
            "escape": coded("\x1bchunked"),
            "bare-cr-after": coded("chunked\r"),
            "bare-lf-then-value": post("Transfer-Encoding:\n chunked", body=BODY),
            "folded": post("Transfer-Encoding:", " chunked", body=BODY),
            "folded-list": post("Transfer-Encoding: gzip,", "\tchunked", body=BODY),
            "folded-after": post("Transfer-Encoding: chunked", " , gzip", body=BODY),
        },
    ),
    *table(
        refused,
        UNKNOWN,
        {
            "gzip-chunked": coded("gzip, chunked"),
            "gzip-chunked-lines": coded("gzip", "chunked"),
            "deflate-chunked": coded("deflate,chunked"),
            "identity-chunked": coded("identity, chunked"),
            "unknown-chunked": coded("cow, chunked"),
            "unknown-parameter-chunked": coded("cow;a=b, chunked"),
        },
        501,
    ),
    *table(
        refused,
        ONCE,
        {
            "chunked-chunked": coded("chunked, chunked"),
            "chunked-chunked-no-space": coded("chunked,chunked"),
            "chunked-twice": coded("chunked", "chunked"),
            "chunked-gzip-chunked": coded("chunked, gzip, chunked"),
            "chunked-case-twice": coded("chunked", "Chunked"),
        },
    ),
    *table(
        refused,
        BOTH,
        {
            "length-first": post("Content-Length: 5", "Transfer-Encoding: chunked", body=BODY),
            "length-last": post("Transfer-Encoding: chunked", "Content-Length: 5", body=BODY),
            "length-right": post(f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked", body=BODY),
            "length-zero": post("Content-Length: 0", "Transfer-Encoding: chunked", body=BODY),
            "length-apart": post("Content-Length: 5", "Accept: */*", "Transfer-Encoding: chunked", body=BODY),
            "length-bad": post("Content-Length: x", "Transfer-Encoding: chunked", body=BODY),
            "length-empty": post("Content-Length:", "Transfer-Encoding: chunked", body=BODY),
            "length-twice": post("Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length: 5", body=BODY),
            "length-and-identity": post("Content-Length: 5", "Transfer-Encoding: identity", body="hello"),
            "length-and-gzip": post("Content-Length: 5", "Transfer-Encoding: gzip", body="hello"),
            "length-and-empty": post("Content-Length: 5", "Transfer-Encoding:", body="hello"),
            "get": get("Content-Length: 0", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            "lower-case": post("content-length: 5", "transfer-encoding: chunked", body=BODY),
        },
    ),
    *table(
        refused,
        OLD,
        {
            "1.0": head("POST / HTTP/1.0", "Transfer-Encoding: chunked", body=BODY),
            "1.0-host": head("POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked", body=BODY),
            "1.0-keep-alive": head(
                "POST / HTTP/1.0", "Host: a", "Connection: keep-alive", "Transfer-Encoding: chunked", body=BODY
            ),
            "1.0-with-length": head("POST / HTTP/1.0", "Content-Length: 5", "Transfer-Encoding: chunked", body="hello"),
            "1.0-identity": head("POST / HTTP/1.0", "Transfer-Encoding: identity", "Content-Length: 5", body="hello"),
            "1.0-get": head("GET / HTTP/1.0", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
        },
    ),
    *table(
        refused,
        "RFC 9112 5.1: no white space between a field name and the colon; the coding must not be lost with it",
        {
            "space-before-colon": post("Transfer-Encoding : chunked", body=BODY),
            "tab-before-colon": post("Transfer-Encoding\t: chunked", body=BODY),
            "space-before-colon-with-length": post("Content-Length: 5", "Transfer-Encoding : chunked", body=BODY),
            "leading-space-with-length": post("Content-Length: 5", " Transfer-Encoding: chunked", body=BODY),
            "nul-in-name-with-length": post("Content-Length: 5", "Transfer-Encoding\x00: chunked", body=BODY),
            "control-in-name-with-length": post("Content-Length: 5", "Transfer\x0b-Encoding: chunked", body=BODY),
            "no-colon-with-length": post("Content-Length: 5", "Transfer-Encoding chunked", body=BODY),
            "bare-cr-hides-it": post("Content-Length: 5", "X: a\rTransfer-Encoding: chunked", body=BODY),
            "bare-lf-hides-it": post("Content-Length: 5", "X: a\nTransfer-Encoding: chunked", body=BODY),
        },
    ),
    *table(
        tolerated,
        LIST,
        {
            "empty-member-after": coded("chunked,"),
            "empty-member-before": coded(", chunked"),
            "empty-members-around": coded(",, chunked ,,"),
        },
        200,
        400,
        501,
    ),
    *(
        served(NAME, f"case-{value}", coded(value) + NEXT_REQUEST, Answer(read=b"hello"), NEXT)
        for value in ("chunked", "Chunked", "CHUNKED", "cHuNkEd")
    ),
    *(
        served(
            BLANKS,
            f"blanks-{label}",
            post(f"Transfer-Encoding:{value}", body=BODY) + NEXT_REQUEST,
            Answer(read=b"hello"),
            NEXT,
        )
        for label, value in {
            "none": "chunked",
            "two-spaces": "  chunked",
            "tab-before": "\tchunked",
            "space-after": " chunked ",
            "tab-after": " chunked\t",
            "tabs-and-spaces": " \t chunked \t ",
        }.items()
    ),
    served(
        "RFC 9110 5.1: field names are case-insensitive",
        "name-lower",
        post("transfer-encoding: chunked", body=BODY) + NEXT_REQUEST,
        Answer(read=b"hello"),
        NEXT,
    ),
    served(
        "RFC 9110 5.1: field names are case-insensitive",
        "name-upper",
        post("TRANSFER-ENCODING: chunked", body=BODY) + NEXT_REQUEST,
        Answer(read=b"hello"),
        NEXT,
    ),
    served(
        "RFC 9110 10.1.4: TE says what the client takes in answers; it does not frame the request",
        "te-field",
        post("TE: trailers, gzip", "Connection: TE", "Content-Length: 5", body="hello") + NEXT_REQUEST,
        Answer(read=b"hello"),
        NEXT,
    ),
    served(
        "PEP 3333, CGI: names with an underscore are other names and never reach environ; they do not frame",
        "underscore-name",
        post("Transfer_Encoding: chunked", "Content-Length: 5", body="hello") + NEXT_REQUEST,
        Answer(read=b"hello", environ={"CONTENT_LENGTH": "5"}),
        NEXT,
    ),
    *(
        served(
            f"RFC 9112 6.3 (4): chunked frames the body of {method} as well",
            f"chunked-{method}",
            head(f"{method} / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=BODY) + NEXT_REQUEST,
            Answer(read=b"hello", head=method == "HEAD"),
            NEXT,
        )
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
    ),
    served(
        "RFC 9112 7.1: the last chunk ends the body",
        "empty-body",
        chunked("0\r\n\r\n") + NEXT_REQUEST,
        Answer(read=b""),
        NEXT,
    ),
)
