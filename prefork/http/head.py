"""Pure. The head of a request: bytes up to the empty line become a Request, or a refusal.

Everything of RFC 9112 that a server must reject in a head is rejected here or in ``fields.py``, before anything else
looks at it. A refusal is a RequestError with the status that the client is told.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from prefork.errors import RequestError
from prefork.http.events import Request
from prefork.http.fields import TOKEN, Field, Role, check_host, learn, recall
from prefork.http.limits import Limits

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_OTHER_VERSION = re.compile(rb"(" + TOKEN + rb") [\x21-\x7e\x80-\xff]+ HTTP/[0-9]\.[0-9]")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)
# What no head can hold, at whatever point it stops: looked for while the rest is awaited.
_HOPELESS = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse(head: bytes, limits: Limits) -> Request:
    """A request from its head, without the empty line. Raises RequestError."""
    lines = head.split(b"\r\n")
    line = lines[0]
    match = _REQUEST_LINE.fullmatch(line)
    if match is None or len(line) > limits.request_line:
        raise _refusal(line, limits)
    del lines[0]
    if len(lines) > limits.fields or len(head) - len(line) > limits.field_bytes:
        raise RequestError(431, "there are too many header fields, or they are too long")
    method, target, minor = match.groups()
    request = Request(line, method, target, 1 if minor == b"1" else 0, [recall(line) or learn(line) for line in lines])
    _frame(request, limits)
    if target[0] != 47 or method == b"CONNECT":  # "/"
        _check_form(request)
    return request


def check_start(start: bytes, limits: Limits) -> None:
    """Refuse a head of which only the start is there, if no rest can mend it. Raises RequestError."""
    line, found, rest = start.partition(b"\r\n")
    if len(line.removesuffix(b"\r")) > limits.request_line:
        raise RequestError(414, "the request line is too long")
    if len(rest) > limits.field_bytes + 4:
        raise RequestError(431, "the header fields are too long")
    if _HOPELESS.search(start):
        raise RequestError(400, "the head holds what it must not")
    if found and not _REQUEST_LINE.fullmatch(line):
        raise _refusal(line, limits)
    if rest.count(b"\r\n") > limits.fields + 1:
        raise RequestError(431, "there are too many header fields")


def _refusal(line: bytes, limits: Limits) -> RequestError:
    if len(line) > limits.request_line:
        return RequestError(414, "the request line is too long")
    if _OTHER_VERSION.fullmatch(line):
        return RequestError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    return RequestError(400, "the request line is malformed")


def _frame(request: Request, limits: Limits) -> None:
    """Work out what follows the head (RFC 9112 section 6), and what becomes of the connection."""
    hosts = 0
    hidden = False
    codings: list[bytes] | None = None
    lengths = 0
    for field in request.fields:
        role = field.role
        if not role:
            continue
        if role is Role.HOST:
            hosts += 1
        elif role is Role.CONNECTION:
            _heed_connection(request, field.value)
        elif role is Role.CONTENT_LENGTH:
            lengths += 1
            request.length = int(field.value)
        elif role is Role.TRANSFER_ENCODING:
            codings = [*(codings or ()), *field.value.split(b",")]
        elif role is Role.EXPECT:
            _heed_expect(request, field)
        else:
            hidden = True
    if hidden:
        request.fields = [field for field in request.fields if field.role is not Role.HIDDEN]
    if hosts > 1 or (not hosts and request.minor):
        raise RequestError(400, "Host must be there once")
    if lengths > 1 or (lengths and codings is not None):
        raise RequestError(400, "the length of the body is given more than once")
    if codings is not None:
        _check_codings(request, codings)
        request.chunked = True
    elif request.length > limits.body:
        raise RequestError(413, "the body is too large")


def _heed_connection(request: Request, value: bytes) -> None:
    tokens = {token.strip(b" \t") for token in value.lower().split(b",")}
    if b"close" in tokens:
        request.keep_alive = False
    elif b"keep-alive" in tokens and not request.minor and not _says_close(request.fields):
        request.keep_alive = True


def _says_close(fields: list[Field]) -> bool:
    """``close`` outranks ``keep-alive`` on whichever line it stands."""
    values = (field.value.lower().split(b",") for field in fields if field.role is Role.CONNECTION)
    return any(token.strip(b" \t") == b"close" for tokens in values for token in tokens)


def _heed_expect(request: Request, field: Field) -> None:
    if not request.minor:
        return  # RFC 9110 section 10.1.1: ignored in HTTP/1.0
    if field.value.lower() != b"100-continue":
        raise RequestError(417, "only 100-continue can be expected here")
    request.expects_continue = True


def _check_codings(request: Request, codings: list[bytes]) -> None:
    names = [coding.strip(b" \t").lower() for coding in codings]
    if not request.minor:
        raise RequestError(400, "Transfer-Encoding in HTTP/1.0")
    if names == [b"chunked"]:
        return
    if names[-1] == b"chunked" and all(names) and b"chunked" not in names[:-1]:
        raise RequestError(501, "no transfer coding but chunked is implemented")
    raise RequestError(400, "Transfer-Encoding must be chunked")


def _check_form(request: Request) -> None:
    """The forms of a target other than a path (RFC 9112 section 3.2)."""
    if request.target == b"*" and request.method == b"OPTIONS":
        return
    match = _ABSOLUTE.fullmatch(request.target)
    if match is None or request.method == b"CONNECT":
        raise RequestError(400, "the target must be a path")
    # Section 3.2.2: the authority of an absolute form replaces what Host says.
    check_host(match[1])
    host = Field(b"host", match[1], "HTTP_HOST", match[1].decode("latin-1"), Role.HOST)
    request.fields = [host, *(field for field in request.fields if field.role is not Role.HOST)]


def path_and_query(target: bytes) -> tuple[str, str]:
    """The decoded path and the raw query of a target, as latin-1 texts (PEP 3333). Never raises."""
    if target[0] != 47:
        match = _ABSOLUTE.fullmatch(target)
        target = match[2] if match else target
        if not target.startswith((b"/", b"*")):
            target = b"/" + target
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")
