"""Pure. A connection without I/O: bytes in, requests and their bodies out, in order.

The same bytes mean the same however they arrive. Once it has raised a RequestError a connection gives nothing more: its
client is answered and the connection closed. What was complete before a fault was given out before it.
"""

from __future__ import annotations

from prefork.errors import RequestError
from prefork.http import head
from prefork.http.events import End, Request
from prefork.http.framing import Reader, reader_of
from prefork.http.limits import Limits

Event = Request | bytes | End


class Connection:
    """One client's side of a connection."""

    __slots__ = ("_block", "_ended", "_last", "_limits", "_looked", "_reader", "buffer")

    def __init__(self, limits: Limits) -> None:
        self.buffer = b""  # what has arrived and is not given out yet
        self._limits = limits
        self._looked = 0  # bytes of the buffer in which no head ends
        self._reader: Reader | None = None
        self._ended = False  # the last piece of a body was given out, its end was not
        self._block = b""  # the fields of ``_last`` as they came
        self._last: Request | None = None  # one without a body

    def receive(self, data: bytes) -> None:
        """Take what has arrived."""
        self.buffer = self.buffer + data if self.buffer else data

    def next_event(self) -> Event | None:
        """The next event; None: more must arrive. Raises RequestError."""
        if self._reader is not None:
            return self._next_of_body(self._reader)
        buffer = self.buffer
        if not buffer:
            return None
        end = buffer.find(b"\r\n\r\n", self._looked)
        if end < 0 or buffer[0] == 13:
            return self._wait_for_head()
        self._looked = 0
        start = buffer.find(b"\r\n")
        block = buffer[start:end]
        last = self._last
        try:
            line = head.parse_line(buffer[:start], self._limits)
            if last is not None and block == self._block and line.minor == last.line.minor and not line.authority:
                # Most clients say the same in every request of a connection: what was checked and understood stands.
                self.buffer = buffer[end + 4 :]
                return last.with_line(line)
            request = head.parse_fields(line, block, self._limits)
        except RequestError as error:
            raise head.first_fault(buffer[: end + 3], self._limits) or error from None
        self.buffer = buffer[end + 4 :]
        if request.chunked or request.length:
            self._reader = reader_of(request, self._limits)
        elif not request.expects_continue and not line.authority:
            self._block, self._last = block, request
        return request

    def _wait_for_head(self) -> Event | None:
        buffer = self.buffer
        if buffer.startswith(b"\r\n"):  # RFC 9112 section 2.2: empty lines before a request are ignored
            self.buffer = buffer[head.after_empty_lines(buffer) :]
            self._looked = 0
            return self.next_event()
        try:
            head.check_start(buffer, self._looked, self._limits)
        except RequestError as error:
            raise head.first_fault(buffer, self._limits) or error from None
        self._looked = max(0, len(buffer) - 3)
        return None

    def _next_of_body(self, reader: Reader) -> Event | None:
        if not self._ended:
            fed = reader.feed(self.buffer)
            self.buffer, self._ended = fed.rest, fed.complete
            if fed.body:
                return fed.body
        if not self._ended:
            return None
        self._reader, self._ended = None, False
        return End.OF_BODY

    @property
    def refuses_head(self) -> bool:
        """After a refusal, or a timeout, within the head of a request: it is HEAD, whose answer has no content."""
        return self._reader is None and self.buffer.lstrip(b"\r\n").startswith(b"HEAD ")

    @property
    def in_message(self) -> bool:
        """Something of a request has arrived that is not given out in full."""
        return bool(self.buffer) or self._reader is not None
