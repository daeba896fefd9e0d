"""One client's connection: reads without waiting, has whole requests answered, writes without waiting.

A client is always in one state, and has one deadline. What it does not send, or does not take, keeps nobody else
waiting. In the worker.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from io import BytesIO
from math import inf
from typing import Any

from prefork.errors import RequestError
from prefork.http.connection import Connection
from prefork.http.events import End, Request
from prefork.http.response import error_response
from prefork.http.wsgi import EnvironBuilder
from prefork.worker.exchange import Exchange
from prefork.worker.outbox import Outbox, OutboxState
from prefork.worker.server_state import ServerState
from prefork.worker.spool import RequestBody

RECEIVE = 64 * 1024  # bytes at a time
COPIED = 16 * 1024  # bytes of a body that are worth copying to save a system call
TURN_REQUESTS = 32  # pipelined requests that are answered before others have their turn
LINGER_IDLE = 5.0  # seconds without a byte, after the last response
LINGER_MOST = 30.0  # seconds in all
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ConnectionState(Enum):
    """What a connection is doing."""

    IDLE = "idle"  # nothing of a request has come
    HEAD = "head"  # something of a head has
    BODY = "body"  # the head has, the body has not
    WRITING = "writing"  # its answer waits until it takes more
    YIELDING = "yielding"  # it has more to do, after the others
    LINGERING = "lingering"  # answered for the last time: what it still sends is dropped, so that it reads the answer
    CLOSED = "closed"


IDLE, WRITING, LINGERING = (
    ConnectionState.IDLE,
    ConnectionState.WRITING,
    ConnectionState.LINGERING,
)  # for speed: an enumeration is slow to ask


class HttpConnection:
    """A connection, from accept to close. ``now`` is a clock in seconds, monotonic."""

    __slots__ = (
        "_connection",
        "_environ_builder",
        "_exchange",
        "_keep",
        "_keepalive",
        "_linger_until",
        "_now",
        "_outbox",
        "_request",
        "_request_body",
        "_server_state",
        "_socket",
        "deadline",
        "descriptor",
        "due",
        "leaving",
        "queued",
        "state",
        "watched",
    )

    def __init__(
        self, server_state: ServerState, sock: socket.socket, environ_builder: EnvironBuilder, now: Callable[[], float]
    ) -> None:
        self.descriptor = sock.fileno()  # by which the loop knows it, closed or not
        self.state = IDLE
        self.deadline = now() + _limit(server_state.timeout.header)
        self.due = inf  # the loop's: when it looks at the deadline next
        self.watched = 0  # the loop's: the events that epoll has been asked for
        self.leaving = False  # the worker retires: the next answer is the last
        self.queued = 0  # nanoseconds that it waited to be accepted, until its first request is served
        self._server_state = server_state
        self._socket = sock
        self._environ_builder = environ_builder
        self._now = now
        self._keepalive = _limit(server_state.timeout.keepalive)
        self._connection = Connection(server_state.limits)
        self._request: Request | None = None
        self._request_body: RequestBody | None = None
        self._outbox: Outbox | None = None
        self._exchange: Exchange | None = None  # whose response the delivery is
        self._keep = True
        self._linger_until = 0.0

    # What the loop calls.

    def readable(self) -> None:
        """Something has arrived, or the connection has ended."""
        try:
            data = self._socket.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:  # reset by the client
            self.close()
            return
        if not data:
            self._ended()
        elif self.state is LINGERING:
            self.deadline = min(self._now() + LINGER_IDLE, self._linger_until)
        else:
            self._connection.receive(data)
            self.advance()

    def writable(self) -> None:
        """The client takes more of its answer."""
        outbox = self._outbox
        assert outbox is not None
        if self._deliver(outbox):
            self.advance()

    def resume(self) -> None:
        """Its turn again, after the others had theirs."""
        if self._outbox is not None:
            self.writable()
        else:
            self.state = IDLE
            self.advance()

    def expired(self) -> None:
        """Its deadline has passed."""
        if self.state is ConnectionState.HEAD or self.state is ConnectionState.BODY:
            self._refuse(408)
        else:
            self.close()

    def retire(self, grace: float) -> None:
        """The worker goes: one more request is answered if it comes within ``grace`` seconds, and is the last."""
        self.leaving = True
        self._keepalive = min(self._keepalive, grace)  # also behind an answer that has promised to keep the connection
        if self.state is IDLE:
            self.deadline = min(self.deadline, self._now() + grace)

    def close(self) -> None:
        """The connection is over, and with it what was on its way in or out; an application at work is told."""
        if self.state is ConnectionState.CLOSED:
            return
        self.state = ConnectionState.CLOSED
        exchange = self._exchange
        if exchange is not None:
            exchange.abandon()
        self._drop_delivery()
        self._drop_body()

    def has_more(self) -> bool:
        """It has sent what is not answered, as far as can be told without reading it."""
        if self.state is not IDLE and self.state is not ConnectionState.HEAD and self.state is not ConnectionState.BODY:
            return False
        try:
            return self.state is not IDLE or bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:  # nothing waits, or it has gone
            return False

    def give_up(self, status: int, exchange: Exchange | None = None) -> None:
        """The worker is about to be aborted: answer for it, if nothing of an answer has gone out yet.

        ``exchange``: the one that the application has of this client. May interrupt the application: nothing here is
        changed that it, or what called it, goes on with.
        """
        if self.state is ConnectionState.CLOSED or self._outbox is not None:
            return
        server_state = self._server_state
        request, took, queued = exchange.story() if exchange else (None, 0, self.queued)
        head_only = request is not None and request.line.method == "HEAD"
        with suppress(OSError):  # it has gone, or takes nothing
            self._socket.send(error_response(status, *server_state.server_date(), head_only=head_only))
            self._socket.shutdown(socket.SHUT_WR)
        if server_state.access is not None:
            server_state.access.add((request, self._environ_builder.remote, status, 0, took, queued))

    def hang_up(self) -> None:
        """Close its socket. The loop's to do, when the client is closed and no longer watched."""
        self._socket.close()
        if self._outbox is not None:  # in a child that does not serve
            self._outbox.close()

    # Reading.

    def advance(self) -> None:
        """Go on with what has arrived, until more must come or something must go out first."""
        answered = 0
        connection = self._connection
        while True:
            try:
                event = connection.next_event()
            except RequestError as error:
                self._refuse(error.status)
                return
            if event is None:
                self._await()
                return
            if event.__class__ is Request:
                self._request = event
                if event.chunked or event.length:
                    if not self._begin_body(event):
                        return
                    continue
                body: Any = BytesIO()
            elif event is End.OF_BODY:
                body = self._end_body()
                if body is None:
                    return
            else:
                assert isinstance(event, bytes)
                if not self._add_to_body(event):
                    return
                continue
            if not self._serve(body):
                return
            if not connection.buffer:
                self.state = IDLE
                self.deadline = self._now() + self._keepalive
                return
            answered += 1
            if answered >= TURN_REQUESTS:
                self.state = ConnectionState.YIELDING
                return

    def _await(self) -> None:
        """Nothing more can be done before more arrives."""
        timeout = self._server_state.timeout
        if self._request_body is not None:
            self.state = ConnectionState.BODY
            self.deadline = self._now() + _limit(timeout.body)
        elif self._connection.buffer in (b"", b"\r"):  # an empty line is nothing yet: it does not extend the deadline
            if self.state is not IDLE:
                self.state = IDLE
                self.deadline = self._now() + self._keepalive
        elif self.state is not ConnectionState.HEAD:
            # One deadline for the whole head: dripping does not extend it.
            self.state = ConnectionState.HEAD
            self.deadline = self._now() + _limit(timeout.header)

    def _begin_body(self, request: Request) -> bool:
        try:
            self._request_body = RequestBody(request)
        except OSError as error:
            return self._no_room(error)
        if request.expects_continue and not self._connection.buffer:
            # RFC 9110 section 10.1.1, PEP 3333 (its first way): the head is acceptable, so the body may come.
            self._outbox = Outbox(self._socket, CONTINUE)
            return self._deliver(self._outbox)
        return True

    def _add_to_body(self, piece: bytes) -> bool:
        assert self._request_body is not None
        try:
            self._request_body.add(piece)
        except OSError as error:
            return self._no_room(error)
        return True

    def _end_body(self) -> Any:
        assert self._request_body is not None
        try:
            return self._request_body.whole()
        except OSError as error:
            self._no_room(error)
            return None

    def _no_room(self, error: OSError) -> bool:
        self._server_state.log.error(
            "request_body_failed", reason=str(error), hint="bodies past 1 MiB need room in the temporary directory"
        )
        self._refuse(507)
        return False

    def _drop_body(self) -> None:
        request_body, self._request_body = self._request_body, None
        if request_body is not None:
            request_body.close()

    def _ended(self) -> None:
        """The client sends no more. A request that is not complete by now never will be."""
        self.close()

    # Answering.

    def _serve(self, body: Any) -> bool:
        """Have a complete request answered. True: the connection can go on with the next one now."""
        assert self._request is not None
        server_state = self._server_state
        server_state.serving = self
        exchange = server_state.exchange = Exchange(server_state, self._request, self)
        if self.queued:
            exchange.queued, self.queued = self.queued, 0
        return self._respond(exchange, *exchange.begin(self._environ_builder, body, keep_alive=not self.leaving))

    def open(self, exchange: Exchange, head: bytes, *, keep: bool) -> Outbox:
        """The outbox of a response that begins while the application is called: it has used ``write``."""
        self._keep = keep
        self._exchange = exchange
        outbox = self._outbox = Outbox(self._socket, head)
        return outbox

    def _follow(self, exchange: Exchange, piece: bytes, outbox: Outbox) -> bool:
        """The rest of a response that ``write`` has begun."""
        try:
            outbox.add(piece)
        except OSError as error:
            exchange.no_room(error)
        if not exchange.done and not exchange.run(outbox):
            self.close()
            return False
        self._drop_body()
        return self._deliver(outbox)

    def _respond(self, exchange: Exchange, head: bytes, piece: bytes, keep: bool) -> bool:
        """Send an answer that has begun. True: it has gone out in full, and all is well."""
        if self._outbox is not None:
            return self._follow(exchange, piece, self._outbox)
        self._keep = keep
        if len(piece) > COPIED:
            data, after = head, piece
        else:
            data, after = head + piece, b""
        if exchange.done and not after:
            if self._request_body is not None:
                self._drop_body()
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:  # it has gone, and is seen to at the next turn
                sent = len(data)
                self._keep = False
            if sent == len(data):
                return self._answered(exchange)
            data = data[sent:]
        outbox = self._outbox = Outbox(self._socket, data, after)
        self._exchange = exchange
        if not exchange.done and not exchange.run(outbox):
            self.close()
            return False
        self._drop_body()
        return self._deliver(outbox)

    def _deliver(self, outbox: Outbox) -> bool:
        """Send what the client takes of the outbox. True: it has gone out in full, and all is well."""
        self.state = WRITING
        progress = outbox.pump()
        if progress is OutboxState.ENDED or progress is OutboxState.CUT:
            return self._delivered(outbox)
        if progress is OutboxState.GONE:
            self.close()
            return False
        if progress is OutboxState.TURN:
            self.state = ConnectionState.YIELDING
        else:
            self.deadline = self._now() + _limit(self._server_state.timeout.body)
        return False

    def _delivered(self, outbox: Outbox) -> bool:
        """Nothing of the outbox is left, or nothing that can be sent. True: the connection can go on."""
        exchange = self._exchange
        if exchange is None:  # the server's own: an interim response, or a refusal
            self._drop_delivery()
            if not self._keep:
                self._leave()
            return self._keep
        if outbox.lost and not exchange.failed:
            exchange.lose(outbox.lost)
        self._drop_delivery()
        return self._answered(exchange)

    def _drop_delivery(self) -> None:
        outbox, self._outbox = self._outbox, None
        exchange, self._exchange = self._exchange, None
        if outbox is not None:
            if exchange is not None:
                exchange.settle(outbox.left)
            outbox.close()

    def _answered(self, exchange: Exchange) -> bool:
        if exchange.failed or not self._keep:
            self._leave()  # a cut response ends without its end, so that it cannot be taken for the whole
            return False
        self.state = WRITING  # so that what follows is awaited anew, with a deadline of its own
        return True

    def _refuse(self, status: int) -> None:
        """Response for the server, and end the connection (RFC 9112 section 9.6)."""
        server_state = self._server_state
        server, date = server_state.server_date()
        request_body = self._request_body
        if server_state.access is not None:
            request = request_body.request if request_body is not None else None
            server_state.access.add((request, self._environ_builder.remote, status, 0, 0, self.queued))
        if request_body is not None:
            head_only = request_body.request.line.method == "HEAD"
        else:
            head_only = self._connection.refuses_head
        self._drop_body()
        self._keep = False
        self._outbox = Outbox(self._socket, error_response(status, server, date, head_only=head_only))
        self._deliver(self._outbox)

    def _leave(self) -> None:
        """Close in stages, after every last response, as RFC 9112 section 9.6 asks and nginx does.

        What a client has sent into a socket that is closed unread, or sends after that, resets the connection, and
        costs it what it has not read of the response.
        """
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:  # it has gone already
            self.close()
            return
        self.state = LINGERING
        now = self._now()
        self._linger_until = now + LINGER_MOST
        self.deadline = now + LINGER_IDLE


def _limit(seconds: float) -> float:
    """0 switches a limit off."""
    return seconds if seconds > 0 else inf
