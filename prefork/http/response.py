"""Pure. The answers that the server gives by itself: short, with a length, the connection closed, nothing echoed."""

from __future__ import annotations

from http import HTTPStatus

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_PHRASES.update({413: "Content Too Large", 414: "URI Too Long"})  # RFC 9110; older Pythons have older names


def error_response(code: int, server: bytes, date: bytes, *, head_only: bool = False) -> bytes:
    """A whole answer (RFC 9112 section 9.6: it closes the connection)."""
    body = f"{code} {_PHRASES[code]}\n".encode()
    head = b"HTTP/1.1 %d %b\r\n%b%bContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (code, _PHRASES[code].encode(), server, date, len(body)) + (b"" if head_only else body)
