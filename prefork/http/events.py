"""Pure. What a connection gives out: a request's head, pieces of its body (``bytes``), and the end of it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class End(Enum):
    """The body is complete; the next bytes are another request's."""

    OF_BODY = "end of body"


class RequestLine(NamedTuple):
    """A request line, taken apart. Texts are latin-1, as PEP 3333 wants them."""

    raw: bytes
    method: str
    target: str  # as it came
    minor: int  # of HTTP/1.x
    path: str  # decoded
    query: str  # as it came
    authority: str  # of an absolute form; it replaces Host


class Request:
    """The head of a request that has passed every check. ``headers``: CGI key -> text."""

    length = 0  # bytes of the body, unless it is chunked
    chunked = False
    expects_continue = False

    def __init__(self, line: RequestLine, headers: dict[str, str]) -> None:
        self.line = line
        self.headers = headers
        self.keep_alive = line.minor == 1

    def with_line(self, line: RequestLine) -> Request:
        """One that says the same in all its fields."""
        request = Request(line, self.headers)
        request.keep_alive = self.keep_alive
        return request

    def decode(self, length: int) -> None:
        """A chunked body has been read: the request has a length from now on (RFC 9112 section 7.1.3)."""
        self.chunked = False
        self.length = length
        del self.headers["HTTP_TRANSFER_ENCODING"]
        self.headers["CONTENT_LENGTH"] = str(length)
