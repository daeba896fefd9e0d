"""The body of one request on its way in, and the call of the application that may be waiting for it.

A body that cannot be kept raises OSError: there is no room for it. In the worker.
"""

from __future__ import annotations

from typing import IO

from prefork.http.events import Request
from prefork.worker.expectation import EarlyCall
from prefork.worker.protocol import Supervisor
from prefork.worker.spool import Spool


class RequestBody:
    """Made when the head of a request with a body has come. Raises OSError."""

    __slots__ = ("_spool", "early", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.early: EarlyCall | None = None  # it has been called, and waits for the body
        self._spool = Spool(request.length)

    def add(self, piece: bytes) -> None:
        """Keep a piece. Raises OSError."""
        self._spool.add(piece)

    def whole(self) -> IO[bytes]:
        """The body, from its beginning, when all of it has come. Raises OSError."""
        if self.request.chunked:
            self.request.decode(self._spool.size)
        return self._spool.rewound()

    def close(self, supervisor: Supervisor) -> None:
        """It is not needed any more; a call that still waits for it is told that it will not come."""
        call, self.early = self.early, None
        if call is not None:
            supervisor.begin(call.exchange.request.line.raw)  # it runs again, and may hang
            call.abandon()
        self._spool.close()
