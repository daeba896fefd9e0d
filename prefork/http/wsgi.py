"""Pure. WSGI (PEP 3333): a request becomes an environ, what an application says becomes the head of an answer.

The application's status and fields are checked as strictly as a client's: what could end a head early, or lie about
the length of a body, is the application's error and never goes out.
"""

from __future__ import annotations

import re
from typing import Any

from prefork.http.events import Request
from prefork.http.head import path_and_query

_STATUS = re.compile(r"[1-5][0-9]{2}( [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}
_PROTOCOLS = ("HTTP/1.0", "HTTP/1.1")

REMEMBERED = 1024  # checked fields of applications
REMEMBERED_LENGTH = 256  # characters of a value


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


def environ_of(request: Request, base: dict[str, Any]) -> dict[str, Any]:
    """A request's environ; the loop adds ``wsgi.input``."""
    environ = base.copy()
    for field in request.fields:
        key = field.key
        if key in environ:
            _repeat(environ, key, field.text)
        else:
            environ[key] = field.text
    method, target = request.method, request.target
    environ["REQUEST_METHOD"] = _METHODS.get(method) or method.decode()
    environ["PATH_INFO"], environ["QUERY_STRING"] = path_and_query(target)
    environ["RAW_URI"] = environ["REQUEST_URI"] = target.decode("latin-1")
    environ["SERVER_PROTOCOL"] = _PROTOCOLS[request.minor]
    return environ


def _repeat(environ: dict[str, Any], key: str, text: str) -> None:
    """Several lines of one field are one list (RFC 9110 section 5.3); Cookie has a separator of its own (RFC 6265)."""
    environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + text


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

_statuses: dict[str, bytes] = {}
_fields: dict[tuple[str, str], tuple[bytes, int]] = {}


def _learn_status(status: object) -> bytes:
    if type(status) is not str or not _STATUS.fullmatch(status):
        raise ApplicationError(f"the status {status!r} is malformed")
    if status[0] == "1":
        raise ApplicationError(f"the status {status!r} is no final one")
    if len(_statuses) >= REMEMBERED:
        _statuses.clear()
    line = _statuses[status] = (status if len(status) > 3 else status + " ").encode("latin-1")
    return line


def _learn_field(pair: object) -> tuple[bytes, int]:
    if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
        raise ApplicationError(f"the header {pair!r} is no pair of texts")
    name, value = pair
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ApplicationError(f"the header {pair!r} is malformed")
    kind = _KINDS.get(name.lower(), Kind.ORDINARY)
    if kind == Kind.LENGTH and not _LENGTH.fullmatch(value):
        raise ApplicationError(f"the header {pair!r} is malformed")
    known = f"{name}: {value}\r\n".encode("latin-1"), kind
    if len(value) <= REMEMBERED_LENGTH:
        if len(_fields) >= REMEMBERED:
            _fields.clear()
        _fields[pair] = known
    return known


class Answer:
    """An application's answer to one request: ``start`` is its ``start_response``; then ``head`` and ``frame``."""

    __slots__ = ("_close", "_dated", "_length", "_lines", "_request", "_served", "_status", "began", "chunked", "left", "writes")

    def __init__(self, request: Request) -> None:
        self.began = False  # its head has been made, and cannot be replaced
        self.chunked = False
        self.left = -1  # bytes that its Content-Length still allows; -1: it has none
        self.writes: list[bytes] = []  # what the application gave to write()
        self._request = request
        self._status = b""
        self._lines: list[bytes] = []
        self._length = -1
        self._close = False
        self._dated = self._served = False

    def start(self, status: Any, headers: Any, exc_info: Any = None) -> Any:
        """``start_response`` (PEP 3333)."""
        if exc_info:
            try:
                if self.began:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._status:
            raise ApplicationError("start_response was called again without exc_info")
        self._length, self._close, self._dated, self._served = -1, False, False, False
        self._status = b""
        if type(headers) is not list:
            raise ApplicationError("the headers are no list")
        line = (_statuses.get(status) if type(status) is str else None) or _learn_status(status)
        self._lines = [self._take(pair) for pair in headers]
        self._status = line
        return self.write

    def _take(self, pair: Any) -> bytes:
        try:
            line, kind = _fields[pair]
        except (KeyError, TypeError):
            line, kind = _learn_field(pair)
        if not kind:
            return line
        if kind == Kind.LENGTH:
            if self._length >= 0:
                raise ApplicationError("Content-Length is given more than once")
            self._length = int(pair[1])
        elif kind == Kind.DATE:
            self._dated = True
        elif kind == Kind.SERVER:
            self._served = True
        elif kind == Kind.CONNECTION and "close" in pair[1].lower():
            self._close = True
        # Framing is the server's: hop-by-hop fields go no further, and Content-Length is put where it belongs.
        return b"" if kind in (Kind.LENGTH, Kind.CONNECTION, Kind.HOP) else line

    def write(self, data: bytes) -> None:
        """The callable that ``start_response`` returns. What is written waits for the loop, in front of the iterable."""
        if type(data) is not bytes:
            raise ApplicationError(f"write() was given {type(data).__name__}, not bytes")
        if data:
            self.began = True  # it counts as sent: from here on the head is what it is
            self.writes.append(data)

    @property
    def started(self) -> bool:
        return bool(self._status)

    @property
    def code(self) -> int:
        """The status code; 0 before ``start``."""
        return int(self._status[:3] or 0)

    @property
    def bodyless(self) -> bool:
        """An answer that has no body whatever its fields say (RFC 9110 sections 6.4.1, 9.3.2)."""
        return self._request.method == b"HEAD" or self._status[:3] in (b"204", b"304")

    def head(self, known_length: int, server_date: tuple[bytes, bytes], *, keep_alive: bool) -> tuple[bytes, bool]:
        """The head, and whether the connection can be kept. ``known_length``: of the whole body, or -1 if it is open."""
        if not self._status:
            raise ApplicationError("start_response was not called")
        self.began = True
        request = self._request
        server, date = server_date
        parts = [b"HTTP/1.1 ", self._status, b"\r\n"]
        if not self._served:
            parts.append(server)
        if not self._dated:
            parts.append(date)
        parts += self._lines
        code = self._status[:3]
        length = self._length if self._length >= 0 else known_length
        keep = keep_alive and request.keep_alive and not self._close
        if code == b"204" or (code == b"304" and self._length < 0):
            length = 0
        elif length >= 0:
            parts.append(b"Content-Length: %d\r\n" % length)
        elif request.method == b"HEAD":
            length = 0
        elif request.minor:
            self.chunked = True
            parts.append(b"Transfer-Encoding: chunked\r\n")
        else:
            keep = False  # its end is the end of the connection
        self.left = length
        if not keep:
            parts.append(b"Connection: close\r\n\r\n")
        elif request.minor:
            parts.append(b"\r\n")
        else:
            parts.append(b"Connection: keep-alive\r\n\r\n")
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
        return self.left > 0 and not self.bodyless
