"""Pure. The head of a request: bytes up to the empty line become a Request, or a refusal.

Everything of RFC 9112 that a server must reject in a head is rejected here or in ``fields.py``, before anything else
looks at it. A refusal is a RequestError with the status that the client is told. As with fields, a request line that
was checked before is remembered.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from prefork.errors import RequestError
from prefork.http.events import Request, RequestLine
from prefork.http.fields import CACHE_SIZE, CACHED_LENGTH, DROPPED, TOKEN, Pair, cached, check_host, parse
from prefork.http.limits import Limits

_TARGET = rb"[\x21\x22\x24-\x7e\x80-\xff]+"  # a fragment is the client's alone (RFC 3986 section 3.5)
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") (" + _TARGET + rb") HTTP/1\.([01])")
_OTHER_VERSION = re.compile(rb"(" + TOKEN + rb") " + _TARGET + rb" HTTP/[0-9]\.[0-9]")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)(.*)", re.DOTALL)
# What no head can hold, at whatever point it stops: looked for while the rest is awaited.
_HOPELESS = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_EMPTY_LINES = re.compile(rb"(?:\r\n)*")

_lines: dict[bytes, RequestLine] = {}
_cached_line = _lines.get


def parse_line(raw: bytes, limits: Limits) -> RequestLine:
    """A request line, without its end. Raises RequestError."""
    line = _cached_line(raw) or _parse_line(raw)
    if len(raw) > limits.request_line:
        raise RequestError(414, "the request line is too long")
    return line


def parse_fields(line: RequestLine, block: bytes, limits: Limits) -> Request:
    """A request from its line and its fields, each with CRLF before it. Raises RequestError."""
    lines = block.split(b"\r\n")
    del lines[0]
    if len(lines) > limits.fields or len(block) > limits.field_bytes:
        raise RequestError(431, "there are too many header fields, or they are too long")
    pairs = [cached(line) or parse(line) for line in lines]
    headers = dict(pairs)
    if len(headers) != len(pairs) or DROPPED in headers:
        headers = _merge(pairs)
    if "HTTP_HOST" not in headers and line.minor:
        raise RequestError(400, "Host is missing")
    if line.authority:
        headers["HTTP_HOST"] = line.authority  # RFC 9112 section 3.2.2
    request = Request(line, headers)
    if "HTTP_CONNECTION" in headers:
        _apply_connection(request, headers["HTTP_CONNECTION"])
    if "CONTENT_LENGTH" in headers or "HTTP_TRANSFER_ENCODING" in headers:
        _frame(request, limits)
    if "HTTP_EXPECT" in headers and line.minor:  # RFC 9110 section 10.1.1: ignored in HTTP/1.0
        _apply_expect(request, headers["HTTP_EXPECT"])
    return request


def check_start(start: bytes, looked: int, limits: Limits) -> None:
    """Refuse a head of which only the start is there, if no rest can mend it. Raises RequestError.

    The first ``looked`` bytes have passed before: a head that drips in costs no square.
    """
    end = start.find(b"\r\n")
    if (len(start.removesuffix(b"\r")) if end < 0 else end) > limits.request_line:
        raise RequestError(414, "the request line is too long")
    if end >= 0 and len(start) - end > limits.field_bytes + 6:
        raise RequestError(431, "the header fields are too long")
    if _HOPELESS.search(start, looked):
        raise RequestError(400, "the head holds what it must not")
    if b"\n" not in start[looked:]:
        return
    if end >= looked and not _REQUEST_LINE.fullmatch(start, 0, end):
        raise _refusal(start[:end])
    if start.count(b"\r\n", end + 2) > limits.fields:
        raise RequestError(431, "there are too many header fields")


def first_fault(start: bytes, limits: Limits) -> RequestError | None:
    """The refusal of the shortest beginning that no rest can mend; None: there is not one.

    What a client is told must not depend on where its bytes were split, and of several faults one split shows one of
    them first, another another. Only refusals cost this.
    """
    fault = None
    shortest, longest = 0, len(start)
    while shortest <= longest:
        middle = (shortest + longest) // 2
        try:
            check_start(start[:middle], 0, limits)
        except RequestError as error:
            fault, longest = error, middle - 1
        else:
            shortest = middle + 1
    return fault


def after_empty_lines(start: bytes) -> int:
    """Where the first line that is not empty begins."""
    match = _EMPTY_LINES.match(start)
    return match.end() if match else 0


def _parse_line(raw: bytes) -> RequestLine:
    match = _REQUEST_LINE.fullmatch(raw)
    if match is None:
        raise _refusal(raw)
    method, target, minor = match.groups()
    authority, path = _split_target(method, target)
    path, _, query = path.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    line = RequestLine(
        raw,
        method.decode(),
        target.decode("latin-1"),
        1 if minor == b"1" else 0,
        path.decode("latin-1"),
        query.decode("latin-1"),
        authority,
    )
    if len(raw) <= CACHED_LENGTH:
        if len(_lines) >= CACHE_SIZE:
            _lines.clear()
        _lines[raw] = line
    return line


def _split_target(method: bytes, target: bytes) -> tuple[str, bytes]:
    """The authority, if it names one, and the path of a target (RFC 9112 section 3.2)."""
    if target.startswith(b"/") and method != b"CONNECT":
        return "", target
    if target == b"*" and method == b"OPTIONS":
        return "", target
    match = _ABSOLUTE.fullmatch(target)
    if match is None or method == b"CONNECT":
        raise RequestError(400, "the target must be a path")
    authority = match[1].decode("latin-1")
    check_host(authority)
    return authority, match[2] if match[2].startswith(b"/") else b"/" + match[2]


def _refusal(line: bytes) -> RequestError:
    if _OTHER_VERSION.fullmatch(line):
        return RequestError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    return RequestError(400, "the request line is malformed")


def _merge(pairs: list[Pair]) -> dict[str, str]:
    """Several lines of one field are one list (RFC 9110 section 5.3), save where two must not be.

    Cookie has a separator of its own (RFC 6265). Raises RequestError (400).
    """
    headers: dict[str, str] = {}
    for key, text in pairs:
        if key == DROPPED:
            continue
        if key not in headers:
            headers[key] = text
        elif key in ("HTTP_HOST", "CONTENT_LENGTH"):
            raise RequestError(400, "Host or Content-Length is there twice")
        else:
            headers[key] += ("; " if key == "HTTP_COOKIE" else ",") + text
    return headers


def _tokens(text: str) -> list[str]:
    return [token.strip(" \t").lower() for token in text.split(",")]


def _apply_connection(request: Request, text: str) -> None:
    if text == "keep-alive":  # what nearly everybody sends
        request.keep_alive = True
        return
    tokens = _tokens(text)
    request.keep_alive = "close" not in tokens and (request.keep_alive or "keep-alive" in tokens)


def _apply_expect(request: Request, text: str) -> None:
    """RFC 9110 sections 5.6.1 and 10.1.1: a list, whose empty members say nothing, and repeated ones nothing more."""
    expected = set(_tokens(text)) - {""}
    if expected - {"100-continue"}:
        raise RequestError(417, "only 100-continue can be expected here")
    request.expects_continue = bool(expected)


def _frame(request: Request, limits: Limits) -> None:
    """Work out how long the body is (RFC 9112 section 6)."""
    headers = request.headers
    coding = headers.get("HTTP_TRANSFER_ENCODING")
    if coding is None:
        request.length = int(headers["CONTENT_LENGTH"])
        if request.length > limits.body:
            raise RequestError(413, "the body is too large")
        return
    if "CONTENT_LENGTH" in headers:
        raise RequestError(400, "the length of the body is given twice")
    _check_coding(request, _tokens(coding))
    request.chunked = True


def _check_coding(request: Request, codings: list[str]) -> None:
    if not request.line.minor:
        raise RequestError(400, "Transfer-Encoding in HTTP/1.0")
    if codings == ["chunked"]:
        return
    if codings[-1] == "chunked" and all(codings) and "chunked" not in codings[:-1]:
        raise RequestError(501, "no transfer coding but chunked is implemented")
    raise RequestError(400, "Transfer-Encoding must be chunked")
