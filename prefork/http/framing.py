"""Pure. The body of a request: where it ends, and its bytes without their framing (RFC 9112 sections 6.3 and 7.1).

A reader is fed what has arrived and gives back the body's part of it, what is not the body's, and whether it is
complete. What it cannot use yet it leaves to be fed again with more behind it.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from prefork.errors import RequestError
from prefork.http.events import Request
from prefork.http.fields import TOKEN, parse
from prefork.http.limits import CHUNK_EXTENSIONS, CHUNK_LINE, Limits

_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})((?:" + _EXTENSION + rb")*)")


class Fed(NamedTuple):
    """``body``: what was the body's; ``rest``: what is left; ``complete``: the body has ended before ``rest``."""

    body: bytes
    rest: bytes
    complete: bool


class Reader(Protocol):
    """What both kinds of bodies are read by."""

    def feed(self, data: bytes) -> Fed:
        """Take ``data``, which begins with the last ``rest``. Raises RequestError."""


def reader_of(request: Request, limits: Limits) -> Reader:
    """The reader of a request's body."""
    return ChunkedReader(limits) if request.chunked else LengthReader(request.length)


class LengthReader:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> Fed:
        """As in Reader."""
        body, rest = data[: self._left], data[self._left :]
        self._left -= len(body)
        return Fed(body, rest, not self._left)


class ChunkedReader:
    """A chunked body. Its extensions and trailers are checked, counted and dropped."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = 0  # of the current chunk
        self._in_chunk = False  # its data or the line end behind it is due
        self._trailers = False
        self._looked = 0  # bytes of an incomplete line in which no end was found: one that drips in costs no square
        self._taken = 0
        self._extensions = 0
        self._fields = 0
        self._field_bytes = 0

    def feed(self, data: bytes) -> Fed:
        """As in Reader."""
        pieces: list[bytes] = []
        place = 0
        while True:
            step = self._step(data, place, pieces)
            if step < 0:
                return Fed(b"".join(pieces), data[-step - 1 :], complete=True)
            if step == place:
                return Fed(b"".join(pieces), data[place:], complete=False)
            place = step

    def _step(self, data: bytes, place: int, pieces: list[bytes]) -> int:
        """Take one thing at ``place``, and say where the next begins.

        That is ``place`` itself if it is not all there, and ``-1 - end`` if the body ends there.
        """
        if self._left:
            piece = data[place : place + self._left]
            pieces.append(piece)
            self._left -= len(piece)
            return place + len(piece)
        if self._in_chunk:
            return self._end_chunk(data, place)
        end = data.find(b"\r\n", place + self._looked)
        if end < 0:
            self._check_start(data[place:])
            return place
        self._looked = 0
        line = data[place:end]
        if self._trailers and not line:
            return -1 - (end + 2)
        try:
            if self._trailers:
                self._count_trailer(line)
            else:
                self._begin_chunk(line)
        except RequestError:
            self._check_start(line)  # had it come in pieces, its start would have been refused first
            raise
        return end + 2

    def _end_chunk(self, data: bytes, place: int) -> int:
        end = data[place : place + 2]
        if not b"\r\n".startswith(end):
            raise RequestError(400, "a chunk does not end where it said")
        if len(end) < 2:
            return place
        self._in_chunk = False
        return place + 2

    def _check_start(self, start: bytes) -> None:
        """Refuse a line of which only the start is there, if no rest can mend it."""
        most = self._limits.field_bytes - self._field_bytes if self._trailers else CHUNK_LINE
        known, self._looked = self._looked, max(0, len(start) - 1)
        # Of two faults the one that comes first, wherever the line was split.
        within = start[: most + 1]
        if within.find(b"\n", known) >= 0 or start.find(b"\r", known, min(len(start) - 1, most + 1)) >= 0:
            raise RequestError(400, "a line of the body's framing is malformed")
        if len(start.removesuffix(b"\r")) > most:
            if self._trailers:
                raise RequestError(431, "the trailers are too long")
            raise RequestError(400, "a chunk-size line is too long")

    def _begin_chunk(self, line: bytes) -> None:
        match = _CHUNK.fullmatch(line) if len(line) <= CHUNK_LINE else None
        if match is None:
            raise RequestError(400, "a chunk-size line is malformed or too long")
        self._left = int(match[1], 16)
        self._taken += self._left
        self._extensions += len(match[2])
        if self._taken > self._limits.body or self._extensions > CHUNK_EXTENSIONS:
            raise RequestError(413, "the body is too large")
        self._in_chunk = self._left > 0
        self._trailers = not self._in_chunk

    def _count_trailer(self, line: bytes) -> None:
        parse(line)
        self._fields += 1
        self._field_bytes += len(line)
        if self._fields > self._limits.fields or self._field_bytes > self._limits.field_bytes:
            raise RequestError(431, "there are too many trailers, or they are too long")
