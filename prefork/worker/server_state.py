"""What all connections of a worker share: the application, the limits, the trust, the clock of the Date field."""

from __future__ import annotations

import socket
import sys
import time
from typing import Any

from prefork.http.forwarded import Trust
from prefork.http.limits import Limits
from prefork.http.peer import plain_address
from prefork.http.wsgi import EnvironBuilder, base_environ
from prefork.worker.protocol import WorkerContext


class Errors:
    """``wsgi.errors`` (PEP 3333): what an application writes there goes to the log, a line an event."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._waiting = ""

    def write(self, text: str) -> int:
        *lines, self._waiting = (self._waiting + text).split("\n")
        for line in lines:
            self._log.warning("application_stderr", text=line)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._waiting:
            self.write("\n")


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
        self._common = {"wsgi.errors": Errors(context.log), "wsgi.file_wrapper": file_wrapper}
        self._server = f"Server: {http.server_header}\r\n".encode("latin-1") if http.server_header else b""
        self._second = -1
        self._server_date = (b"", b"")

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
