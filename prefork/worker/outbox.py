"""A response on its way out: what the client has not taken yet, in memory at first and then in a temporary file.

Rules. Nothing here waits: what the client does not take now is tried again when its socket is writable. Nothing here
calls the application: it has given all that is here, and is done with it. In the worker.
"""

from __future__ import annotations

import os
import socket
import tempfile
from enum import Enum
from math import inf
from time import monotonic

TURN_BYTES = 1024 * 1024  # of one response, before others have their turn
IN_MEMORY = 1024 * 1024  # bytes of one response that wait in memory
BLOCK = 64 * 1024  # bytes of a file at a time, where the kernel cannot send it


class OutboxState(Enum):
    """How far a response has come."""

    ENDED = "ended"  # all that was there has gone out
    FULL = "full"  # the client takes no more for now
    TURN = "turn"  # the client would take more, but so would others
    GONE = "gone"  # the client has closed or reset the connection
    CUT = "cut"  # the rest cannot be read from its file: ``lost`` says why


class FileLostError(Exception):
    """A file that is being sent cannot be read to its end; the message says why."""


class FileRegion:
    """Bytes of an open file that the kernel sends (sendfile(2)). The descriptor belongs to the region."""

    __slots__ = ("_by_kernel", "_descriptor", "_position", "left")

    def __init__(self, descriptor: int, position: int, left: int) -> None:
        self._descriptor = descriptor
        self._position = position
        self._by_kernel = True
        self.left = left

    @classmethod
    def temporary(cls) -> FileRegion:
        """An empty one, in a file without a name: it goes with its last descriptor. Raises OSError."""
        with tempfile.TemporaryFile(prefix="prefork-response-") as file:
            return cls(os.dup(file.fileno()), 0, 0)

    def append(self, data: bytes | memoryview) -> None:
        """Write behind what is there. Raises OSError if there is no room."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self._position + self.left)
            self.left += written
            view = view[written:]

    def send(self, sock: socket.socket) -> int:
        """Send a part; returns its bytes. Raises OSError of the socket, FileLostError."""
        sent = self._send_by_kernel(sock) if self._by_kernel else self._send_block(sock)
        self._position += sent
        self.left -= sent
        return sent

    def _send_by_kernel(self, sock: socket.socket) -> int:
        try:
            sent = os.sendfile(sock.fileno(), self._descriptor, self._position, min(self.left, 1 << 20))
        except BlockingIOError:
            raise
        except OSError:
            # The file's error, the socket's, or that of a file system without sendfile(2): reading and sending by
            # hand tell them apart.
            self._by_kernel = False
            return self._send_block(sock)
        if not sent:
            raise FileLostError("the file has become shorter while it was sent")
        return sent

    def _send_block(self, sock: socket.socket) -> int:
        try:
            piece = os.pread(self._descriptor, min(self.left, BLOCK), self._position)
        except OSError as error:
            raise FileLostError(f"the file cannot be read: {error.strerror}") from error
        if not piece:
            raise FileLostError("the file has become shorter while it was sent")
        return sock.send(piece)

    def close(self) -> None:
        os.close(self._descriptor)


class Outbox:
    """What has still to go out to one client: ``waiting`` bytes, and what is added behind them."""

    __slots__ = ("_file", "_full_since", "_later", "_socket", "_waiting", "lost")

    def __init__(self, sock: socket.socket, *waiting: bytes) -> None:
        self.lost = ""  # why the rest cannot be read from its file
        self._socket = sock
        self._waiting = [memoryview(data) for data in waiting if data]  # goes out first, as it is
        self._later = bytearray()  # then this
        self._file: FileRegion | None = None  # and then this
        self._full_since = 0.0  # when the client was last seen to have taken something, and then no more

    @property
    def left(self) -> int:
        """Bytes that have not gone out."""
        return self._in_memory() + (self._file.left if self._file is not None else 0)

    def _in_memory(self) -> int:
        return sum(map(len, self._waiting)) + len(self._later)

    def attach(self, file: FileRegion) -> None:
        """Send a file behind what waits, and close it; nothing may be added after it."""
        self._file = file

    def add(self, data: bytes) -> None:
        """Keep what the application gave, behind what waits. Raises OSError if there is no room for it on disk."""
        if self._file is not None:
            self._file.append(data)
        elif not self._waiting and not self._later:
            self._waiting = [memoryview(data)] if data else []  # most likely it goes out at once, without a copy
        elif self._in_memory() + len(data) <= IN_MEMORY:
            self._later += data
        else:
            self._file = FileRegion.temporary()
            self._file.append(data)

    def flush(self, patience: float) -> OutboxState:
        """Send what the client takes now, and keep the rest in bounds: before the application is asked for more.

        A client that has taken nothing for ``patience`` seconds counts as gone. Raises OSError if there is no room for
        the rest on disk.
        """
        progress = self.pump(inf)
        if progress is not OutboxState.FULL:
            return progress
        if self._file is None and self._in_memory() > IN_MEMORY:
            file = FileRegion.temporary()
            moved = (*self._waiting, memoryview(self._later))
            self._file, self._waiting, self._later = file, [], bytearray()
            for data in moved:
                file.append(data)
        return OutboxState.GONE if monotonic() - self._full_since > patience else progress

    def pump(self, turn: float = 0) -> OutboxState:
        """Send what the client takes now, up to about ``turn`` bytes (0: TURN_BYTES)."""
        most = turn or TURN_BYTES
        sent = 0
        try:
            while self._waiting or self._later or self._file is not None:
                if sent > most:
                    return OutboxState.TURN
                sent += self._send()
        except BlockingIOError:
            if sent or not self._full_since:
                self._full_since = monotonic()
            return OutboxState.FULL
        except FileLostError as error:
            self.lost = str(error)
            return OutboxState.CUT
        except OSError:  # reset by the client
            return OutboxState.GONE
        return OutboxState.ENDED

    def _send(self) -> int:
        if not self._waiting and self._later:
            self._waiting, self._later = [memoryview(self._later)], bytearray()
        if self._waiting:
            return self._send_waiting()
        assert self._file is not None
        sent = self._file.send(self._socket)
        if not self._file.left:
            self.close()  # what comes after it begins in memory again
        return sent

    def _send_waiting(self) -> int:
        """Send what waits in memory, without gluing it together first."""
        waiting = self._waiting
        total = sent = self._socket.sendmsg(waiting)
        while waiting and sent >= len(waiting[0]):
            sent -= len(waiting.pop(0))
        if sent:
            waiting[0] = waiting[0][sent:]
        return total

    def close(self) -> None:
        """Let go of the file, if there is one."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
