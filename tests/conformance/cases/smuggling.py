"""Request smuggling as it is published: whole attacks, whose hidden request must never be served (RFC 9112 11.2)."""

from __future__ import annotations

from tests.conformance.case import NEXT, NEXT_REQUEST, Answer, Case, Ending, Reach, head, refused, served, status

RULE = "RFC 9112 11.2, 6.1, 6.3, HTTP.md: a message whose framing is in doubt is refused, its connection closed, and what follows never read as a request"
TUNNEL = "RFC 9112 6.3, HTTP.md: what is a body for one recipient is never a request for another"
WHOLE_HIDDEN = "GET /xyzzy HTTP/1.1\r\nHost: a\r\n\r\n"


def attack(label: str, *lines: str, body: str, version: str = "1.1", allowed: tuple[int, ...] = (400, 501)) -> Case:
    """A POST with these framing lines and this body, which hides a request."""
    return refused(RULE, label, head(f"POST / HTTP/{version}", "Host: a", *lines, body=body), *allowed)


CL_TE_BODY = "0\r\n\r\n" + WHOLE_HIDDEN
TE_CL_BODY = f"{len(WHOLE_HIDDEN):x}\r\n{WHOLE_HIDDEN}\r\n0\r\n\r\n"

TE_TE = {
    "x-chunked": ("Transfer-Encoding: xchunked",),
    "space-before-colon": ("Transfer-Encoding : chunked",),
    "tab-before-colon": ("Transfer-Encoding\t: chunked",),
    "two-lines-x": ("Transfer-Encoding: chunked", "Transfer-Encoding: x"),
    "two-lines-x-first": ("Transfer-Encoding: x", "Transfer-Encoding: chunked"),
    "two-lines-identity": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "two-lines-case": ("Transfer-Encoding: chunked", "transfer-encoding: cow"),
    "folded": ("Transfer-Encoding:", " chunked"),
    "folded-tab": ("Transfer-Encoding:", "\tchunked"),
    "leading-space-line": (" Transfer-Encoding: chunked",),
    "after-lf": ("X: x\nTransfer-Encoding: chunked",),
    "after-cr": ("X: x\rTransfer-Encoding: chunked",),
    "quoted": ('Transfer-Encoding: "chunked"',),
    "single-quoted": ("Transfer-Encoding: 'chunked'",),
    "vertical-tab": ("Transfer-Encoding: \x0bchunked",),
    "form-feed": ("Transfer-Encoding: \x0cchunked",),
    "nul": ("Transfer-Encoding: \x00chunked",),
    "nul-end": ("Transfer-Encoding: chunked\x00",),
    "no-break-space": ("Transfer-Encoding:\xa0chunked",),
    "next-line": ("Transfer-Encoding: \x85chunked",),
    "high-octet": ("Transfer-Encoding: \xffchunked",),
    "name-latin": ("Transfer\xadEncoding: chunked",),
    "name-backslash": ("Transfer\\Encoding: chunked",),
    "name-space": ("Transfer Encoding: chunked",),
    "name-quote": ('"Transfer-Encoding": chunked',),
    "name-nul": ("Transfer-Encoding\x00: chunked",),
    "two-colons": ("Transfer-Encoding:: chunked",),
    "semicolon": ("Transfer-Encoding: chunked;",),
    "comma-word": ("Transfer-Encoding: chunked, cow",),
    "word-comma": ("Transfer-Encoding: cow, chunked",),
    "no-comma": ("Transfer-Encoding: cow chunked",),
    "cr-end": ("Transfer-Encoding: chunked\r",),
    "lf-start": ("Transfer-Encoding:\n chunked",),
    "backspace": ("Transfer-Encoding: chunke\x08d",),
    "chunked-twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
}

CASES = (
    *(
        attack(f"{order}-{kind}", *lines, body=body)
        for kind, body in (("cl-te", CL_TE_BODY), ("te-cl", TE_CL_BODY))
        for order, lines in (
            ("length-first", (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked")),
            ("coding-first", ("Transfer-Encoding: chunked", f"Content-Length: {len(body)}")),
            ("length-short", ("Content-Length: 4", "Transfer-Encoding: chunked")),
            ("length-zero", ("Content-Length: 0", "Transfer-Encoding: chunked")),
        )
    ),
    *(
        attack(f"te-te-length-{label}", f"Content-Length: {len(CL_TE_BODY)}", *lines, body=CL_TE_BODY)
        for label, lines in TE_TE.items()
    ),
    *(attack(f"te-te-{label}", *lines, body=TE_CL_BODY) for label, lines in TE_TE.items()),
    *(
        attack(f"cl-cl-{label}", *lines, body=WHOLE_HIDDEN, allowed=(400,))
        for label, lines in {
            "different": ("Content-Length: 0", f"Content-Length: {len(WHOLE_HIDDEN)}"),
            "different-reversed": (f"Content-Length: {len(WHOLE_HIDDEN)}", "Content-Length: 0"),
            "list": (f"Content-Length: 0, {len(WHOLE_HIDDEN)}",),
            "plus": (f"Content-Length: +{len(WHOLE_HIDDEN)}",),
            "space": (f"Content-Length: 0 {len(WHOLE_HIDDEN)}",),
            "space-before-colon": (f"Content-Length : {len(WHOLE_HIDDEN)}",),
            "folded": ("Content-Length: 0", f" {len(WHOLE_HIDDEN)}"),
            "after-lf": (f"X: x\nContent-Length: {len(WHOLE_HIDDEN)}",),
            "after-cr": (f"X: x\rContent-Length: {len(WHOLE_HIDDEN)}",),
            "nul": (f"Content-Length: {len(WHOLE_HIDDEN)}\x00",),
            "hex": (f"Content-Length: 0x{len(WHOLE_HIDDEN):x}",),
            "underscore-digits": ("Content-Length: 3_0",),
            "no-break-space": (f"Content-Length:\xa0{len(WHOLE_HIDDEN)}",),
            "leading-space-line": (f" Content-Length: {len(WHOLE_HIDDEN)}",),
        }.items()
    ),
    *(
        attack(f"te-1.0-{label}", *lines, body=CL_TE_BODY, version="1.0")
        for label, lines in {
            "alone": ("Transfer-Encoding: chunked",),
            "keep-alive": ("Connection: keep-alive", "Transfer-Encoding: chunked"),
            "length": (f"Content-Length: {len(CL_TE_BODY)}", "Transfer-Encoding: chunked"),
        }.items()
    ),
    *(
        served(
            "RFC 9112 7.1, HTTP.md: a chunk that ends where another recipient sees it going on is refused",
            f"chunk-{label}",
            head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=body),
            Answer(status=status(400, 413, 431), reach=Reach.NEVER_WHOLE, interim=None, optional=True),
            ending=Ending.CLOSED,
        )
        for label, body in {
            "extension-lf": f"2;\nxx\r\n{len(WHOLE_HIDDEN):x}\r\n0\r\n\r\n{WHOLE_HIDDEN}\r\n0\r\n\r\n",
            "extension-cr": f"2;\rxx\r\n0\r\n\r\n{WHOLE_HIDDEN}",
            "size-lf": f"2\nxx\r\n0\r\n\r\n{WHOLE_HIDDEN}",
            "data-terminator": f"2\r\nxxyy0\r\n\r\n{WHOLE_HIDDEN}",
            "data-lf": f"2\r\nxx\n0\r\n\r\n{WHOLE_HIDDEN}",
            "data-one-byte": f"2\r\nxx\r0\r\n\r\n{WHOLE_HIDDEN}",
            "size-prefix": f"0x2\r\nxx\r\n0\r\n\r\n{WHOLE_HIDDEN}",
            "size-wraps": f"10000000000000002\r\nxx\r\n0\r\n\r\n{WHOLE_HIDDEN}",
            "last-lf": f"0\n\n{WHOLE_HIDDEN}",
            "last-cr": f"0\r\r{WHOLE_HIDDEN}",
            "minus": f"-1\r\n\r\n0\r\n\r\n{WHOLE_HIDDEN}",
            "trailer-without-colon": f"0\r\n{WHOLE_HIDDEN}",
        }.items()
    ),
    *(
        served(TUNNEL, f"hidden-in-{label}", send + NEXT_REQUEST, Answer(read=read), NEXT)
        for label, send, read in (
            (
                "length",
                head("POST / HTTP/1.1", "Host: a", f"Content-Length: {len(WHOLE_HIDDEN)}", body=WHOLE_HIDDEN),
                WHOLE_HIDDEN.encode(),
            ),
            (
                "chunk",
                head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=TE_CL_BODY),
                WHOLE_HIDDEN.encode(),
            ),
            (
                "get-body",
                head("GET / HTTP/1.1", "Host: a", f"Content-Length: {len(WHOLE_HIDDEN)}", body=WHOLE_HIDDEN),
                WHOLE_HIDDEN.encode(),
            ),
            (
                "head-body",
                head("DELETE / HTTP/1.1", "Host: a", f"Content-Length: {len(WHOLE_HIDDEN)}", body=WHOLE_HIDDEN),
                WHOLE_HIDDEN.encode(),
            ),
            (
                "trailer-value",
                head(
                    "POST / HTTP/1.1",
                    "Host: a",
                    "Transfer-Encoding: chunked",
                    body="0\r\nX: GET /xyzzy HTTP/1.1\r\n\r\n",
                ),
                b"",
            ),
        )
    ),
    refused(
        "RFC 9112 9.6: what follows a refused request is never read as a request",
        "after-refusal",
        head("GET / HTTP/1.1", "Host: a", "Host: b", body=WHOLE_HIDDEN),
    ),
    refused(
        "RFC 9112 2.2, 5.2: a request hidden in a folded line",
        "in-fold",
        head("GET / HTTP/1.1", "Host: a", "X: y", " " + "GET /xyzzy HTTP/1.1"),
    ),
    refused(
        "RFC 9112 3.2: a request hidden in a target",
        "in-target",
        head("GET /a\tHTTP/1.1 GET /xyzzy HTTP/1.1", "Host: a"),
    ),
)
