"""Pure. WSGI (PEP 3333): a request becomes an environ, what an application says becomes the head of an answer.

The application's status and fields are checked as strictly as a client's: what could end a head early, or lie about
the length of a body, is the application's error and never goes out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from prefork.http.events import Request

_STATUS = re.compile(r"[1-5][0-9]{2}( [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
_PROTOCOLS = ("HTTP/1.0", "HTTP/1.1")
_BODYLESS = (b"204", b"304")
_ENDS = {  # (kept, minor version) -> the last lines of a head
    (False, 0): b"Connection: close\r\n\r\n",
    (False, 1): b"Connection: close\r\n\r\n",
    (True, 0): b"Connection: keep-alive\r\n\r\n",
    (True, 1): b"\r\n",
}

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
    _, method, target, minor, path, query, _ = request.line
    environ = {**base, **request.headers}
    environ["REQUEST_METHOD"] = method
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = query
    environ["RAW_URI"] = environ["REQUEST_URI"] = target
    environ["SERVER_PROTOCOL"] = _PROTOCOLS[minor]
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

    began = False  # its head stands, and cannot be replaced
    chunked = False
    bodyless = False  # it has no body whatever its fields say (RFC 9110 sections 6.4.1, 9.3.2)
    left = -1  # bytes that its Content-Length still allows; -1: it has none
    writes: list[bytes] | None = None  # what the application gave to write(), until it is taken
    _status = b""
    _lines: Sequence[bytes] = ()
    _length = -1
    _close = False
    _dated = False
    _served = False

    def __init__(self, request: Request) -> None:
        self._request = request

    def start(self, status: Any, headers: Any, exc_info: Any = None) -> Any:
        """``start_response`` (PEP 3333)."""
        if exc_info:
            self._start_again(exc_info)
        elif self._status:
            raise ApplicationError("start_response was called again without exc_info")
        if type(headers) is not list:
            raise ApplicationError("the headers are no list")
        line = (_statuses.get(status) if type(status) is str else None) or _learn_status(status)
        lines = []
        for pair in headers:
            try:
                field, kind = _fields[pair]
            except (KeyError, TypeError):
                field, kind = _learn_field(pair)
            if not kind or self._takes(kind, pair[1]):
                lines.append(field)
        self._lines = lines
        self._status = line
        return self.write

    def _start_again(self, exc_info: Any) -> None:
        """What was said before is void, unless it has gone out."""
        try:
            if self.began:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None
        self._status, self._length = b"", -1
        self._close = self._dated = self._served = False

    def _takes(self, kind: int, value: str) -> bool:
        """Heed a field that means something to the server. False: it is not sent, for framing is the server's."""
        if kind == Kind.LENGTH:
            if self._length >= 0:
                raise ApplicationError("Content-Length is given more than once")
            self._length = int(value)
        elif kind == Kind.DATE:
            self._dated = True
            return True
        elif kind == Kind.SERVER:
            self._served = True
            return True
        elif kind == Kind.CONNECTION and "close" in value.lower():
            self._close = True
        return False

    def write(self, data: bytes) -> None:
        """The callable that ``start_response`` returns. What is written waits for the loop, in front of the iterable."""
        if type(data) is not bytes:
            raise ApplicationError(f"write() was given {type(data).__name__}, not bytes")
        if data:
            self.began = True  # it counts as sent: from here on the head is what it is
            if self.writes is None:
                self.writes = []
            self.writes.append(data)

    @property
    def started(self) -> bool:
        return bool(self._status)

    @property
    def code(self) -> int:
        """The status code; 0 before ``start``."""
        return int(self._status[:3] or 0)

    def head(self, known_length: int, server: bytes, date: bytes, *, keep_alive: bool) -> tuple[bytes, bool]:
        """The head, and whether the connection can be kept. ``known_length``: of the whole body, or -1 if it is open.

        ``server`` and ``date`` are whole lines, for an application that has none of its own.
        """
        status = self._status
        if not status:
            raise ApplicationError("start_response was not called")
        self.began = True
        request = self._request
        keep = keep_alive and request.keep_alive and not self._close
        parts = [
            b"HTTP/1.1 ",
            status,
            b"\r\n",
            b"" if self._served else server,
            b"" if self._dated else date,
            *self._lines,
        ]
        length = self._length if self._length >= 0 else known_length
        if status[:3] in _BODYLESS or request.line.method == "HEAD":
            self.bodyless = True
            if self._length >= 0 and status[:3] != b"204":
                parts.append(b"Content-Length: %d\r\n" % length)
        elif length >= 0:
            self.left = length
            parts.append(b"Content-Length: %d\r\n" % length)
        elif request.line.minor:
            self.chunked = True
            parts.append(b"Transfer-Encoding: chunked\r\n")
        else:
            keep = False  # its end is the end of the connection
        parts.append(_ENDS[keep, request.line.minor])
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
