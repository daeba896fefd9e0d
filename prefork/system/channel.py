"""The private line between the master and one worker: a SOCK_SEQPACKET pair.

Rules. A message is one kind byte and a payload, and arrives whole or not at all. Neither side ever blocks on the
other: the master must not wait for a worker that is stuck, and a worker must not die of a busy master. What comes
from a worker is untrusted: it is bounded, and it is text for people.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

LIMIT = 32 * 1024  # of a message, in bytes; a traceback is cut to it
ROOM = socket.CMSG_SPACE(4 * struct.calcsize("i"))  # for descriptors: more than the one that is expected

# From the worker.
READY = b"R"  # it accepts connections
FAILED = b"F"  # it cannot boot: the traceback follows
CLOSED = b"C"  # it has been told to retire, and no longer accepts
RANG = b"!"  # it took up a request while the master was not watching its row
WORN = b"W"  # it has reached a limit of [pool.*.recycle]; which one follows, a word of WEAR
WEAR = ("requests", "memory")
# From the master.
DRAIN = b"D"  # the service stops: serve what waits in the accept queue before closing it
REOPEN = b"L"  # a log was opened anew: its name follows, its descriptor travels along


class Message(NamedTuple):
    """What arrived; ``descriptor`` is the receiver's to close, -1 if none came along."""

    kind: bytes
    text: str
    descriptor: int


class Channel:
    """One end. End of file is the other end's death."""

    def __init__(self, end: socket.socket, *, takes_descriptors: bool) -> None:
        end.setblocking(False)
        self._socket = end
        self._takes_descriptors = takes_descriptors

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """The master's end and the worker's. In the master, before the fork."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours, takes_descriptors=False), cls(theirs, takes_descriptors=True)

    def fileno(self) -> int:
        """Readable when a message waits, or when the other end has gone."""
        return self._socket.fileno()

    def send(self, kind: bytes, text: str = "", descriptor: int = -1) -> bool:
        """Send, and say whether it went. False: the other end has gone, or does not read (its queue is full)."""
        message = kind + text.encode(errors="replace")[: LIMIT - 1]
        try:
            if descriptor < 0:
                self._socket.send(message)
            else:
                socket.send_fds(self._socket, [message], [descriptor])
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message; None when none waits. Raises EOFError when the other end has gone."""
        try:
            try:
                data, descriptors = self._receive()
            except ConnectionResetError:
                # It went with messages of ours unread. That comes before its own last words, once.
                data, descriptors = self._receive()
        except BlockingIOError:
            return None
        if not data:
            raise EOFError
        for extra in descriptors[1:]:
            os.close(extra)
        return Message(data[:1], data[1:].decode(errors="replace"), descriptors[0] if descriptors else -1)

    def _receive(self) -> tuple[bytes, list[int]]:
        if not self._takes_descriptors:
            # Without room for them the kernel closes those that a worker sends: it cannot fill the master's table.
            return self._socket.recv(LIMIT), []
        # Not socket.recv_fds: it forgets its flags, and threads of an application may start a program at any moment.
        data, ancillary, _flags, _address = self._socket.recvmsg(LIMIT, ROOM, socket.MSG_CMSG_CLOEXEC)
        return data, [number for item in ancillary for (number,) in struct.iter_unpack("i", item[2])]

    def close(self) -> None:
        """Hang up: the other end reads end of file."""
        self._socket.close()
