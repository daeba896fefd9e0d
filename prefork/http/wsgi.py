"""Pure. WSGI (PEP 3333): a request becomes an environ, what an application says becomes the head of an answer.

The application's status and fields are checked as strictly as a client's: what could end a head early, or lie about
the length of a body, is the application's error and never goes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from prefork.http.events import Request
from prefork.http.forwarded import Trust

_STATUS = re.compile(r"[1-5][0-9]{2}( [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
_PROTOCOLS = ("HTTP/1.0", "HTTP/1.1")
_BODYLESS = (204, 304)
_CLOSED = b"Connection: close\r\n\r\n"  # the last lines of a head
_KEPT = (b"Connection: keep-alive\r\n\r\n", b"\r\n")  # by minor version

CACHE_SIZE = 1024  # checked fields of applications
CACHED_LENGTH = 256  # characters of a value


class ApplicationError(Exception):
    """The application broke the rules of WSGI or HTTP; the message says how."""


def base_environ(*, server: tuple[str, str], peer: tuple[str, str], multiprocess: bool) -> dict[str, Any]:
    """What is the same for all requests of a connection. The loop adds what is I/O: errors, file_wrapper."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "SERVER_SOFTWARE": "prefork",
        "SERVER_NAME": server[0],
        "SERVER_PORT": server[1],
        "REMOTE_ADDR": peer[0],
        "REMOTE_PORT": peer[1],
        "SCRIPT_NAME": "",
    }


class EnvironBuilder:
    """Makes the environs of a connection's requests.

    Connection gives requests with the same fields the same ``headers``: what these make of an environ is copied then.
    """

    __slots__ = ("_base", "_headers", "_seen", "_template", "_trust")

    def __init__(self, base: dict[str, Any], trust: Trust | None) -> None:
        """``base``: what is the same for all requests; ``trust``: if the peer's X-Forwarded-* count."""
        self._base = base
        self._trust = trust
        self._seen: dict[str, str] | None = None  # the headers of the last request
        self._headers: dict[str, str] | None = None  # those that the template was made of
        self._template: dict[str, Any] = base

    @property
    def remote(self) -> str:
        """The address of the peer, proxy or not."""
        return self._base["REMOTE_ADDR"]  # type: ignore[no-any-return]

    def of(self, request: Request) -> dict[str, Any]:
        """A request's environ; the loop adds ``wsgi.input``."""
        headers = request.headers
        environ = self._template.copy() if headers is self._headers else self._made_of(headers)
        _, method, target, minor, path, query, _ = request.line
        environ["REQUEST_METHOD"] = method
        environ["PATH_INFO"] = path
        environ["QUERY_STRING"] = query
        environ["RAW_URI"] = environ["REQUEST_URI"] = target
        environ["SERVER_PROTOCOL"] = _PROTOCOLS[minor]
        return environ

    def _made_of(self, headers: dict[str, str]) -> dict[str, Any]:
        environ = {**self._base, **headers}
        if self._trust is not None:
            self._trust.apply(environ)
        if headers is self._seen:  # twice: a third time is likely
            self._headers, self._template = headers, environ.copy()
        self._seen = headers
        return environ


class Kind:
    """What a field of an application means to the server."""

    ORDINARY = 0
    LENGTH = 1
    DATE = 2
    SERVER = 3
    CONNECTION = 4
    HOP = 5


_KINDS = {
    "content-length": Kind.LENGTH,
    "date": Kind.DATE,
    "server": Kind.SERVER,
    "connection": Kind.CONNECTION,
    "keep-alive": Kind.HOP,
    "proxy-authenticate": Kind.HOP,
    "proxy-authorization": Kind.HOP,
    "te": Kind.HOP,
    "trailer": Kind.HOP,
    "trailers": Kind.HOP,
    "transfer-encoding": Kind.HOP,
    "upgrade": Kind.HOP,
}


class Status(NamedTuple):
    """An application's status. ``line``: of the answer, with its end."""

    line: bytes
    code: int
    bodyless: bool


_statuses: dict[str, Status] = {}
_fields: dict[tuple[str, str], tuple[bytes, int]] = {}


def plain(text: str) -> str:
    """The characters of a ``str`` or of a subclass of it, which may compare, hash and print as it pleases."""
    return text if type(text) is str else str.__str__(text)


def _parse_status(status: str) -> Status:
    if not _STATUS.fullmatch(status):
        raise ApplicationError(f"the status {status!r} is malformed")
    if status[0] == "1":
        raise ApplicationError(f"the status {status!r} is not a final one")
    if len(_statuses) >= CACHE_SIZE:
        _statuses.clear()
    text = status if len(status) > 3 else status + " "
    code = int(status[:3])
    known = Status(f"HTTP/1.1 {text}\r\n".encode("latin-1"), code, code in _BODYLESS)
    _statuses[status] = known
    return known


def _plain_pair(pair: object) -> tuple[str, str]:
    """A header as a tuple of texts that are nothing but that; subclasses are accepted, and never remembered as such."""
    if isinstance(pair, tuple):
        items = tuple(tuple.__iter__(pair))
        if len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], str):
            return plain(items[0]), plain(items[1])
    raise ApplicationError(f"response header {_shown(pair)} must be a (str, str) tuple")


def plain_bytes(piece: object) -> bytes:
    """The bytes of a piece of a body. Raises ApplicationError for what is neither ``bytes`` nor a subclass of it."""
    if type(piece) is bytes:
        return piece
    if isinstance(piece, bytes):
        return memoryview(piece).tobytes()
    raise ApplicationError(f"the application gave {type(piece).__name__}; response bodies must be bytes")


def _shown(value: object) -> str:
    try:
        return repr(value)
    except BaseException:  # an application's object: the message goes without it
        return f"of type {type(value).__name__}"


def _parse_field(pair: tuple[str, str]) -> tuple[bytes, int]:
    name, value = pair
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ApplicationError(f"response header {pair!r} is malformed")
    kind = _KINDS.get(name.lower(), Kind.ORDINARY)
    if kind == Kind.LENGTH and not _LENGTH.fullmatch(value):
        raise ApplicationError(f"response header {pair!r} is malformed")
    known = f"{name}: {value}\r\n".encode("latin-1"), kind
    if len(value) <= CACHED_LENGTH:
        if len(_fields) >= CACHE_SIZE:
            _fields.clear()
        _fields[pair] = known
    return known


class Response:
    """An application's answer to one request: ``start`` is its ``start_response``; then ``head`` and ``frame``."""

    began = False  # its head stands, and cannot be replaced
    chunked = False
    bodyless = False  # it has no body whatever its fields say (RFC 9110 sections 6.4.1, 9.3.2)
    left = -1  # bytes that its Content-Length still allows; -1: it has none
    _status: Status | None = None
    _lines: Sequence[bytes] = ()
    _length = -1
    _length_line = b""
    _close = False
    _dated = False
    _served = False

    def __init__(self, request: Request, send: Callable[[Response, bytes], None]) -> None:
        """``send`` takes what is given to ``write``, with this response, and has it on its way when it returns."""
        self._request = request
        self._send = send

    def start(self, status: Any, headers: Any, exc_info: Any = None) -> Any:
        """``start_response`` (PEP 3333)."""
        if exc_info:
            self._start_again(exc_info)
        elif self._status is not None:
            raise ApplicationError("start_response was called again without exc_info")
        if not isinstance(headers, list):
            raise ApplicationError(f"response headers must be a list, not {type(headers).__name__}")
        if type(status) is not str:
            if not isinstance(status, str):
                raise ApplicationError(f"the status {_shown(status)} must be a str")
            status = plain(status)
        known = _statuses.get(status) or _parse_status(status)
        lines = []
        try:
            for pair in headers:
                try:
                    name, value = pair
                    if type(name) is not str or type(value) is not str or type(pair) is not tuple:
                        # Only plain texts are looked up: a subclass may be equal to what others have sent.
                        _, value = pair = _plain_pair(pair)  # noqa: PLW2901 - the same, made plain
                    field, kind = _fields[pair]
                except (KeyError, TypeError, ValueError):
                    _, value = checked = _plain_pair(pair)
                    field, kind = _parse_field(checked)
                if not kind or self._passes(kind, field, value):
                    lines.append(field)
        except ApplicationError:
            self._forget()  # it may try again with better ones
            raise
        self._lines = lines
        self._status = known
        return self.write

    def _start_again(self, exc_info: Any) -> None:
        """What was said before is void, unless it has gone out."""
        try:
            if self.began:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None
        self._forget()

    def _forget(self) -> None:
        self._status, self._length = None, -1
        self._close = self._dated = self._served = False

    def _passes(self, kind: int, line: bytes, value: str) -> bool:
        """Heed a field that means something to the server. False: it is not sent, or elsewhere: framing is ours."""
        if kind == Kind.LENGTH:
            if self._length >= 0:
                raise ApplicationError("Content-Length is given more than once")
            self._length, self._length_line = int(value), line
            return False
        if kind == Kind.DATE:
            first, self._dated = not self._dated, True
            return first
        if kind == Kind.SERVER:
            first, self._served = not self._served, True
            return first
        if kind == Kind.CONNECTION and "close" in value.lower():
            self._close = True
        return False

    def write(self, data: bytes) -> None:
        """The callable that ``start_response`` returns (PEP 3333): the first that is not empty sends the head."""
        data = plain_bytes(data)
        if data:
            self._send(self, data)

    @property
    def started(self) -> bool:
        """``start`` was called, and took what it was given."""
        return self._status is not None

    @property
    def code(self) -> int:
        """The status code; 0 before ``start``."""
        return self._status.code if self._status else 0

    def head(self, known_length: int, server: bytes, date: bytes, *, keep_alive: bool) -> tuple[bytes, bool]:
        """The head, and whether the connection can be kept. ``known_length``: of the whole body, or -1 if it is open.

        ``server`` and ``date`` are whole lines, for an application that has none of its own.
        """
        status = self._status
        if status is None:
            raise ApplicationError("start_response was not called")
        self.began = True
        request = self._request
        line = request.line
        keep = keep_alive and request.keep_alive and not self._close
        parts = [status.line, *self._lines]
        if not self._served:
            parts.append(server)
        if not self._dated:
            parts.append(date)
        if status.bodyless or line.method == "HEAD":
            self.bodyless = True
            if self._length >= 0 and status.code != 204:
                parts.append(self._length_line)
        elif self._length >= 0:
            self.left = self._length
            parts.append(self._length_line)
        elif known_length >= 0:
            self.left = known_length
            parts.append(b"Content-Length: %d\r\n" % known_length)
        elif line.minor:
            self.chunked = True
            parts.append(b"Transfer-Encoding: chunked\r\n")
        else:
            keep = False  # its end is the end of the connection
        parts.append(_KEPT[line.minor] if keep else _CLOSED)
        return b"".join(parts), keep

    def frame(self, piece: bytes) -> bytes:
        """A piece of the body as it is sent; what is more than the Content-Length is cut."""
        if not piece or self.bodyless:
            return b""
        if self.chunked:
            return b"%x\r\n%b\r\n" % (len(piece), piece)
        if self.left < 0:
            return piece
        if len(piece) > self.left:
            piece = piece[: self.left]
        self.left -= len(piece)
        return piece

    @property
    def short(self) -> bool:
        """Fewer bytes came than its Content-Length said: the connection cannot be used any more."""
        return self.left > 0
