"""What all connections of a worker share: the application, the limits, the trust, the clock of the Date field."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from prefork.http.forwarded import Trust
from prefork.http.limits import Limits
from prefork.http.peer import plain_address
from prefork.http.wsgi import ApplicationError, EnvironBuilder, Response, base_environ
from prefork.worker import offspring
from prefork.worker.protocol import WorkerContext

ERRORS_MOST = 256 * 1024  # characters of wsgi.errors that wait for the end of a request, and one event holds


class Errors:
    """``wsgi.errors`` (PEP 3333): what an application writes there goes to the log.

    One event a request, or a flush (logging flushes after each record), with the text whole and the request that it
    was written in; what is written between two requests, by a thread say, goes by lines.
    """

    def __init__(self, log: Any, current: Callable[[], Any] = lambda: None) -> None:
        """``current``: the exchange that the application has now, or None."""
        self._log = log
        self._current = current
        self._owner: Any = None  # the exchange in which what waits was written
        self._size = 0
        self.waiting: list[str] = []

    def write(self, text: str) -> int:
        text = str.__str__(text)  # refuses what is not text
        owner = self._current()
        if self.waiting and owner is not self._owner:
            self.flush()
        if text:
            self._owner = owner
            self.waiting.append(text)
            self._size += len(text)
            if self._size > ERRORS_MOST or (owner is None and text.endswith("\n")):
                self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        text = "".join(self.waiting).removesuffix("\n")
        owner, self._owner, self.waiting, self._size = self._owner, None, [], 0
        if not text:
            return
        if owner is None:
            self._log.info("application_stderr", text=text)
        else:
            line = owner.request.line
            self._log.info("application_stderr", method=line.method, target=line.target, text=text)


def time_in_queue(sock: socket.socket) -> int:
    """Nanoseconds that a connection, just accepted, waited in the listener's queue; to the millisecond (tcp(7)).

    It is the age of what the client sent last, its request or its part of the handshake. 0 where it cannot be known.
    """
    if sock.family == socket.AF_UNIX or sys.platform != "linux":
        return 0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)
    except OSError:  # it is no TCP after all, or it has gone
        return 0
    return int.from_bytes(info[52:56], sys.byteorder) * 1_000_000  # tcpi_last_data_recv


class ServerState:
    """In the worker, once."""

    # The client and the exchange that the application has now, or had last.
    serving: Any = None
    exchange: Any = None

    def __init__(self, context: WorkerContext, file_wrapper: type) -> None:
        settings = context.settings
        http = settings.http
        self.app = context.app
        self.supervisor = context.supervisor
        self.log = context.log
        self.access = context.access
        self.timeout = settings.timeout
        self.limits = Limits(http.max_request_line, http.max_header_fields, http.max_header_size, http.max_body)
        self.trust = Trust(http.trusted_proxies)
        self._multiprocess = settings.workers > 1
        self.errors = Errors(context.log, self._at_work)
        self.write = self._write  # one for all responses, for it is asked for in each
        self._common = {"wsgi.errors": self.errors, "wsgi.file_wrapper": file_wrapper}
        self._server = f"Server: {http.server_header}\r\n".encode("latin-1") if http.server_header else b""
        self._second = -1
        self._server_date = (b"", b"")

    def _at_work(self) -> Any:
        """The exchange that the application is at, if it is at one."""
        exchange = self.exchange
        return None if exchange is None or exchange.ended else exchange

    def _write(self, response: Response, data: bytes) -> None:
        """What an application gives to the ``write`` of a response."""
        if offspring.forked:  # a process that the application forked writes to no client
            offspring.end()
        exchange = self.exchange
        if exchange is None or not exchange.is_of(response):
            raise ApplicationError("write() was called after the response had ended")
        exchange.write(data)

    def server_date(self) -> tuple[bytes, bytes]:
        """The Server and Date lines of an answer that is made now; the latter is made once a second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._server_date = (self._server, _date_line(second))
        return self._server_date

    def environs_of(self, listener: socket.socket, peer: Any) -> EnvironBuilder:
        """For the requests of a connection."""
        if listener.family == socket.AF_UNIX:
            base = base_environ(server=("localhost", "80"), peer=("", ""), multiprocess=self._multiprocess)
            trusted = self.trust.unix
        else:
            host, port = listener.getsockname()[:2]
            address = plain_address(peer[0])
            server = (plain_address(host), str(port))
            base = base_environ(server=server, peer=(address, str(peer[1])), multiprocess=self._multiprocess)
            trusted = self.trust.covers(address)
        return EnvironBuilder({**base, **self._common}, self.trust if trusted else None)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date_line(second: int) -> bytes:
    """The Date field (RFC 9110 section 5.6.7), whatever locale the application has set."""
    year, month, day, hour, minute, of_minute, weekday, _, _ = time.gmtime(second)
    date = f"{_DAYS[weekday]}, {day:02d} {_MONTHS[month - 1]} {year} {hour:02d}:{minute:02d}:{of_minute:02d} GMT"
    return f"Date: {date}\r\n".encode()
