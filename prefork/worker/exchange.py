"""One request and its response: the application is called, its iterable is run to the end and closed.

Rules. A thread that runs an application has one request from the call to ``close()``: no other call begins between two
pieces of a response, whatever its client takes of it. Whatever the application does wrong ends here: a 500 before
the first byte, a cut connection after it, never a dead worker. In the worker.

Diagnostics. request_failed, content_length_wrong, response_spool_failed, response_cut.
"""

from __future__ import annotations

import os
import stat
import time
import traceback
from collections.abc import Iterable, Iterator
from io import BufferedRandom, BufferedReader, FileIO
from math import inf
from typing import Any, Protocol

from prefork.http.events import Request
from prefork.http.response import error_response
from prefork.http.wsgi import EnvironBuilder, Response, plain_bytes
from prefork.worker import offspring
from prefork.worker.outbox import BLOCK, FileRegion, Outbox, OutboxState
from prefork.worker.protocol import Ticket
from prefork.worker.server_state import ServerState

NO_ROOM = (
    "what a slow client has not taken of a response waits in the temporary directory: make room there, or set TMPDIR"
)
ENDED: Any = object()  # what an exhausted iterable gives: an application may give None


class ClientGoneError(ConnectionError):
    """Raised in an application that writes to a client that has gone, or cannot be served further."""


class Client(Protocol):
    """The connection that an exchange is of."""

    leaving: bool  # its next response is the last

    def open(self, exchange: Exchange, head: bytes, *, keep: bool) -> Outbox:
        """The outbox of a response that begins before the call returns. ``keep``: what its head says."""


class FileWrapper:
    """``wsgi.file_wrapper`` (PEP 3333): a real file is sent by the kernel, anything else is read piece by piece."""

    def __init__(self, filelike: Any, block_size: int = BLOCK) -> None:
        self.filelike = filelike
        self._block_size = block_size
        try:
            self.close = filelike.close
        except BaseException:  # it has none, or will not say: a proxy object may raise anything
            return

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.filelike.read(self._block_size), b"")

    def region(self) -> FileRegion | None:
        """The file from where it stands to its end; None if it is not a regular file, or not read as it is.

        The descriptor is a duplicate, so that the application can close its file at once. A GzipFile, say, has a
        descriptor too, and what is behind it is not what its ``read`` gives.
        """
        filelike = self.filelike
        try:
            raw = filelike.raw if type(filelike) in (BufferedReader, BufferedRandom) else filelike
            if type(raw) is not FileIO:
                return None
            filelike.flush()
            descriptor = raw.fileno()
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not status.st_size:  # files of /proc say 0, and have more
                return None
            position = filelike.tell()
            return FileRegion(os.dup(descriptor), position, max(0, status.st_size - position))
        except (OSError, ValueError):  # closed, detached, without a place where it stands; or too many open files
            return None


class Exchange:
    """One request and its response. Made when the request is complete."""

    done = False  # the call is over, and every byte of the response has been given out
    failed = False  # the response is cut: the connection must be closed without its end
    sent = 0  # bytes of the body that were given out
    queued = 0  # nanoseconds that its connection waited to be accepted
    _file: FileRegion | None = None  # what remains of the response, when the call is over
    _visit: tuple[int, int] | None = None  # status and nanoseconds, for an access log that still has to be told
    _iterator: Iterator[bytes] | None = None
    _result: Iterable[bytes] | None = None
    _remote = ""  # the client's address, for the access log
    _began = 0  # time.monotonic_ns()
    _ticket: Ticket
    _out: Outbox | None = None  # where the response goes, once its head does
    _keep = False  # what the head says of the connection
    _surplus = False  # the application was told that it gave more than it promised
    ended = False  # the iterable is closed, and the row and the access log are told

    def __init__(self, server_state: ServerState, request: Request, client: Client) -> None:
        self.request = request
        self._server_state = server_state
        self._client = client
        self._response = Response(request, server_state.write)

    def begin(self, environ_builder: EnvironBuilder, body: Any, *, keep_alive: bool) -> tuple[bytes, bytes, bool]:
        """Call the application: the first bytes of its response, in two parts, and whether the connection can be kept.

        If the response is not ``done`` then, ``run`` has to follow before anything else is called. If the application
        has called ``write``, its head is on its way already, and there is an outbox to follow.
        """
        server_state = self._server_state
        request = self.request
        response = self._response
        environ = environ_builder.of(request)
        environ["wsgi.input"] = body
        if server_state.access is not None:
            self._remote = environ["REMOTE_ADDR"]  # now, for from here on the environ is the application's
        ticket = self._ticket = server_state.supervisor.begin(request.line.raw, self.queued)
        self._began = ticket.began
        try:
            result = self._result = server_state.app(environ, response.start)
            if offspring.forked:
                offspring.end()
            if type(result) is not list or len(result) != 1 or response.began:
                return self._open(result, keep_alive)
            # The common case: one piece, and all is known.
            piece = result[0]
            if type(piece) is not bytes:
                piece = plain_bytes(piece)
            server, date = server_state.server_date()
            head, keep = response.head(len(piece), server, date, keep_alive=keep_alive)
            whole = response.left == len(piece)
            if whole:
                response.left = 0
            else:
                piece = self._framed(piece)
        except BaseException as error:  # an application may raise anything; none of it ends the worker
            if offspring.forked:
                offspring.end(error)
            return self._break_down(error) if self._out is None else self._break_off(error)
        self.done = True
        self.sent = len(piece)
        self._end(whole=whole or not response.short or self._tell_short())
        return head, piece, keep

    def _open(self, result: Iterable[bytes], keep_alive: bool) -> tuple[bytes, bytes, bool]:
        """The head and the first piece of a response that is not one piece in a list."""
        response = self._response
        server, date = self._server_state.server_date()
        if type(result) is FileWrapper and response.started and not response.began:
            region = result.region()
            if region is not None:
                head, keep = response.head(region.left, server, date, keep_alive=keep_alive)
                self._leave_file(region)
                return head, b"", keep
        self._iterator = iter(result)
        first = self._next_piece()
        if response.began:  # by write()
            head, keep = b"", self._keep
        else:
            head, keep = response.head(_known_length(result, first), server, date, keep_alive=keep_alive)
        if first is not None:
            return head, self._frame(first), keep
        self.done = True
        self._end(whole=not response.short or self._tell_short(), settled=self._out is None)
        return head, self._tail(), keep

    def _leave_file(self, file: FileRegion) -> None:
        """Leave a file for the kernel to send, as much of it as the response has room for. That ends the call."""
        response = self._response
        file.left = self.sent = 0 if response.bodyless else min(file.left, response.left)
        response.left -= file.left
        whole = response.bodyless or not response.short or self._tell_short()
        if file.left:
            self._file = file
        else:
            file.close()
            self.done = True
        self._end(whole=whole, settled=self.done)

    def run(self, out: Outbox) -> bool:
        """Take what is left of the response, to the end of the call; False: the client has gone, or has stalled.

        Each piece is on its way before the next is asked for. What the client does not take is kept in ``out``.
        """
        if self._file is not None:
            out.attach(self._file)
            self._file, self.done = None, True
            return True
        self._out = out
        patience = self._server_state.timeout.body or inf
        try:
            while (progress := out.flush(patience)) is not OutboxState.GONE:
                if progress is OutboxState.CUT:
                    self.lose(out.lost)
                if self.failed:
                    self.abandon()  # what failed in write() is still to be closed
                if self.done or self.failed:
                    return True
                out.add(self._more())
        except OSError as error:
            self.no_room(error)
            return True
        return False

    def is_of(self, response: Response) -> bool:
        """Whether this is the exchange of that response, and the application is at work on it."""
        return response is self._response and not self.ended

    def write(self, data: bytes) -> None:
        """Have on its way what the application writes (PEP 3333): the head before it, and as much as its client takes.

        Raises ClientGoneError, in the application, when nobody is there to take it.
        """
        out = self._out
        if out is None:
            server, date = self._server_state.server_date()
            head, self._keep = self._response.head(-1, server, date, keep_alive=not self._client.leaving)
            out = self._out = self._client.open(self, head, keep=self._keep)
        if self.failed:
            raise ClientGoneError("the response is cut: nothing more can be written")
        try:
            out.add(self._frame(data))
            progress = out.flush(self._server_state.timeout.body or inf)
        except OSError as error:
            self.failed = True
            self._tell_no_room(error)
            raise ClientGoneError("the response is cut: its client is slow, and there is no room to keep it") from error
        if progress is OutboxState.GONE:
            self.failed = True
            raise ClientGoneError("the client has closed the connection")

    def no_room(self, error: OSError) -> None:
        """What the client has not taken cannot be kept: the response ends with what could be."""
        self._tell_no_room(error)
        self.abandon()

    def _tell_no_room(self, error: OSError) -> None:
        line = self.request.line
        self._server_state.log.error(
            "response_spool_failed", method=line.method, target=line.target, reason=str(error), hint=NO_ROOM
        )

    def lose(self, reason: str) -> None:
        """The rest of the response cannot be read from the file where it is."""
        line = self.request.line
        self._server_state.log.error("response_cut", method=line.method, target=line.target, reason=reason)
        self.abandon()

    def _next_piece(self) -> bytes | None:
        """The next piece that is not empty; None: there is no other."""
        assert self._iterator is not None
        while (produced := next(self._iterator, ENDED)) is not ENDED:
            if offspring.forked:
                offspring.end()
            piece = produced if type(produced) is bytes else plain_bytes(produced)
            if piece:
                return piece
        if offspring.forked:
            offspring.end()
        return None

    def _frame(self, piece: bytes) -> bytes:
        framed = self._framed(piece)
        self.sent += len(framed)
        return framed

    def _framed(self, piece: bytes) -> bytes:
        framed = self._response.frame(piece)
        if len(framed) < len(piece) and not self._response.bodyless:
            self._tell_surplus()
        return framed

    def _tell_surplus(self) -> None:
        """Once: part of a file is an application's to send (RFC 9110 section 14), and anything else is its fault."""
        if not self._surplus and type(self._result) is not FileWrapper:
            self._tell_length("response body is longer than its Content-Length; the rest is dropped")
        self._surplus = True

    def _tell_short(self) -> bool:
        """Say that the connection is cut because of it; False: the answer is not whole."""
        self._tell_length(
            f"response body is {self._response.left} bytes shorter than its Content-Length; connection closed"
        )
        return False

    def _tell_length(self, reason: str) -> None:
        line = self.request.line
        self._server_state.log.error("content_length_wrong", method=line.method, target=line.target, reason=reason)

    def _tail(self) -> bytes:
        return b"0\r\n\r\n" if self._response.chunked else b""

    def _more(self) -> bytes:
        """The next bytes of the response; sets ``done`` or ``failed`` with the last."""
        try:
            piece = None if self._response.bodyless else self._next_piece()
            if piece is not None and self._response.left == 0:
                # PEP 3333: the server stops iterating when enough has been sent. Asked once more all the same, for the
                # sake of what a generator does after its last piece.
                self._tell_surplus()
                piece = None
        except BaseException as error:  # as in begin; but now only the end of the connection can tell
            if offspring.forked:
                offspring.end(error)
            self._log(error)
            self._end(whole=False, settled=False)
            return b""
        if piece is not None:
            return self._frame(piece)
        self.done = True
        self._end(whole=not self._response.short or self._tell_short(), settled=False)
        return self._tail()

    def story(self) -> tuple[Request, int, int]:
        """The request, and for how many nanoseconds it has run, and was queued before."""
        return self.request, time.monotonic_ns() - self._began, self.queued

    def abandon(self) -> None:
        """The response is cut where it is: the application is asked for nothing more, and closed if it is not yet."""
        self.failed = True
        if not self.ended:
            self._end(whole=False, settled=False)

    def settle(self, left: int) -> None:
        """Tell the access log, now that no more goes out; ``left`` bytes of what was given out have not."""
        if self._visit is not None:
            (code, took), self._visit = self._visit, None
            sent = max(0, self.sent - left)
            self._server_state.access.add((self.request, self._remote, code, sent, took, self.queued))

    def _break_off(self, error: BaseException) -> tuple[bytes, bytes, bool]:
        """A failure after something was written: the end of the connection tells."""
        self._log(error)
        self._end(whole=False, settled=False)
        return b"", b"", False

    def _break_down(self, error: BaseException) -> tuple[bytes, bytes, bool]:
        """A failure before the first byte: nothing of the half-made answer goes out."""
        self._log(error)
        self.done = True
        self._response.began = True
        server, date = self._server_state.server_date()
        data = error_response(500, server, date, head_only=self.request.line.method == "HEAD")
        self._end(whole=True, code=500)
        return data, b"", False

    def _log(self, error: BaseException) -> None:
        if isinstance(error, ClientGoneError):  # ours: that a client goes is no failure
            return
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._server_state.log.error(
            "request_failed",
            method=self.request.line.method,
            target=self.request.line.target,
            traceback=text,
        )

    def _end(self, *, whole: bool, code: int = 0, settled: bool = True) -> None:
        """Once for each exchange: the iterable is closed, the row and the access log are told.

        ``settled``: all of the response is told of; if not, the access log waits for ``settle``.
        """
        if not whole:
            self.failed = True
        result, self._result = self._result, None
        if type(result) is not list:
            try:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
                if offspring.forked:
                    offspring.end()
            except BaseException as error:  # the response has been given; this is for the log alone
                if offspring.forked:
                    offspring.end(error)
                self._log(error)
        self.ended = True
        server_state = self._server_state
        if server_state.errors.waiting:
            server_state.errors.flush()
        self._ticket.end(self.sent)
        if server_state.access is not None:
            took = time.monotonic_ns() - self._began
            if settled:
                visit = (self.request, self._remote, code or self._response.code, self.sent, took, self.queued)
                server_state.access.add(visit)
            else:
                self._visit = self._response.code, took


def _known_length(result: Iterable[bytes], first: bytes | None) -> int:
    """The bytes of a whole body, where they can be told without iterating; -1 where not."""
    if first is None:
        return 0
    try:
        if type(result) in (list, tuple):
            return sum(map(len, result))
        if getattr(type(result), "__len__", None) is None:  # most; asking it anyway would cost an exception
            return -1
        return len(first) if len(result) == 1 else -1  # type: ignore[arg-type]
    except BaseException:  # it has no length, or a proxy object raises what it pleases: it is a hint, and no more
        return -1
