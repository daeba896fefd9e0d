"""A client on raw sockets that parses answers by the letter of RFC 9112 and forgives nothing.

Rules. It knows no more HTTP than it needs to judge a server: whatever it does not understand is ``MalformedError``. It
never repairs, guesses or reads past the end of a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) ([\t \x21-\x7e\x80-\xff]*)")
_FIELD_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_DIGITS = re.compile(r"[0-9]+")
_BODILESS = frozenset({204, 304})


class MalformedError(Exception):
    """The server sent what RFC 9112 does not allow."""


class EndedError(Exception):
    """The server closed the connection where an answer could have begun."""


@dataclass(frozen=True)
class Response:
    """One final answer; ``fields`` have lower-case names."""

    version: str
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    framing: str = "none"  # none, length, chunked, close
    complete: bool = True
    interim: tuple[int, ...] = ()
    raw_head: bytes = field(default=b"", repr=False)

    def values(self, name: str) -> list[str]:
        """Every value of a field, in order; the name in lower case."""
        return [value for key, value in self.fields if key == name]

    def tokens(self, name: str) -> list[str]:
        """The lower-case members of a list field over all of its lines (RFC 9110 5.6.1)."""
        return [part.strip().lower() for part in ",".join(self.values(name)).split(",") if part.strip()]


class Source:
    """Bytes as they arrive; ``recv`` returns b"" at the end of the stream."""

    def __init__(self, recv: Callable[[], bytes]) -> None:
        self._recv = recv
        self._buffer = bytearray()
        self.at_end = False

    def _more(self) -> bool:
        if self.at_end:
            return False
        data = self._recv()
        self.at_end = not data
        self._buffer += data
        return bool(data)

    def line(self) -> bytes | None:
        """The next line without its CRLF, or None if the stream ends first."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if not self._more():
                return None
        raw = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not raw.endswith(b"\r\n") or b"\r" in raw[:-2]:
            raise MalformedError(f"a line that does not end by CRLF alone: {raw!r}")
        return raw[:-2]

    def take(self, size: int) -> bytes:
        """``size`` bytes, or fewer if the stream ends first."""
        while len(self._buffer) < size and self._more():
            pass
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        while self._more():
            pass
        return self.take(len(self._buffer))


def read_response(source: Source, *, head: bool = False) -> Response:
    """The next final answer with the interim ones before it (RFC 9112 4-7).

    Raises ``EndedError`` at a clean end, ``MalformedError`` for everything else that is not an answer.
    """
    interim: list[int] = []
    while (response := _read_head(source)).status < 200:
        interim.append(response.status)
    body, framing, complete = _read_body(source, response, head=head)
    return replace(response, body=body, framing=framing, complete=complete, interim=tuple(interim))


def read_interim(source: Source) -> int:
    """The status of the next answer's head, which must be an interim one."""
    response = _read_head(source)
    if response.status >= 200:
        raise MalformedError(f"a final answer, {response.status}, where an interim one was due")
    return response.status


def _read_head(source: Source) -> Response:
    first = source.line()
    if first is None:
        left = source.rest()
        if left:
            raise MalformedError(f"the connection ends within a status line: {left!r}")
        raise EndedError
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise MalformedError(f"not a status line: {first!r}")
    raw, fields = [first], []
    while (line := source.line()) != b"":
        if line is None:
            raise MalformedError("the connection ends within the head")
        found = _FIELD_LINE.fullmatch(line)
        if found is None:
            raise MalformedError(f"not a field line: {line!r}")
        raw.append(line)
        fields.append((found[1].decode().lower(), found[2].decode("latin-1")))
    return Response(
        first[:8].decode(), int(match[1]), match[2].decode("latin-1"), tuple(fields), raw_head=b"\r\n".join(raw)
    )


def _read_body(source: Source, response: Response, *, head: bool) -> tuple[bytes, str, bool]:
    """Body, framing and whether it is complete, by the list of RFC 9112 6.3."""
    lengths, codings = response.values("content-length"), response.values("transfer-encoding")
    if lengths and codings:
        raise MalformedError("Content-Length with Transfer-Encoding (RFC 9112 6.2)")
    if len(lengths) > 1 or any(not _DIGITS.fullmatch(length) for length in lengths):
        raise MalformedError(f"Content-Length: {lengths}")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise MalformedError(f"Transfer-Encoding: {codings}")
    if response.status == 204 and (lengths or codings):
        raise MalformedError("204 with a framing field (RFC 9110 8.6, RFC 9112 6.1)")
    if head or response.status in _BODILESS:
        return b"", "none", True
    if codings:
        return _read_chunks(source)
    if lengths:
        body = source.take(int(lengths[0]))
        return body, "length", len(body) == int(lengths[0])
    return source.rest(), "close", True


def _read_chunks(source: Source) -> tuple[bytes, str, bool]:
    body = bytearray()
    while True:
        line = source.line()
        if line is None:
            return bytes(body), "chunked", False
        if not _CHUNK_SIZE.fullmatch(line):
            raise MalformedError(f"not a chunk size: {line!r}")
        size = int(line, 16)
        piece = source.take(size)
        body += piece
        if len(piece) < size:
            return bytes(body), "chunked", False
        end = source.line()
        if end is None:
            return bytes(body), "chunked", False
        if end != b"":
            raise MalformedError(f"chunk data followed by {end!r}")
        if size == 0:
            return bytes(body), "chunked", True
