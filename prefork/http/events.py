"""Pure. What a connection gives out: a request's head, pieces of its body (``bytes``), and the end of it."""

from __future__ import annotations

from enum import Enum

from prefork.http.fields import Field, Role


class End(Enum):
    """The body is complete; the next bytes are another request's."""

    OF_BODY = "end of body"


class Request:
    """The head of a request that has passed every check."""

    __slots__ = ("chunked", "expects_continue", "fields", "keep_alive", "length", "line", "method", "minor", "target")

    def __init__(self, line: bytes, method: bytes, target: bytes, minor: int, fields: list[Field]) -> None:
        self.line = line  # the request line as it came
        self.method = method
        self.target = target  # as it came: RAW_URI
        self.minor = minor  # of HTTP/1.x
        self.fields = fields
        self.length = 0  # bytes of the body, unless it is chunked
        self.chunked = False
        self.keep_alive = minor == 1
        self.expects_continue = False

    def decode(self, length: int) -> None:
        """A chunked body has been read: the request has a length from now on (RFC 9112 section 7.1.3)."""
        self.chunked = False
        self.length = length
        text = str(length)
        self.fields = [field for field in self.fields if field.role is not Role.TRANSFER_ENCODING]
        self.fields.append(Field(b"content-length", text.encode(), "CONTENT_LENGTH", text, Role.CONTENT_LENGTH))
