"""The private line between the master and one worker: a SOCK_SEQPACKET pair.

Rules. A message is one kind byte and a payload, and arrives whole or not at all. Neither side ever blocks on the
other: the master must not wait for a worker that is stuck, and a worker must not die of a busy master. What comes
from a worker is untrusted: it is bounded, and it is text for people.
"""

from __future__ import annotations

import os
import socket
import struct
from enum import Enum
from typing import NamedTuple

LIMIT = 32 * 1024  # of a message, in bytes; a traceback is cut to it
ROOM = socket.CMSG_SPACE(4 * struct.calcsize("i"))  # for descriptors: more than the two that are expected
CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid (unix(7))
CREDENTIALS_ROOM = socket.CMSG_SPACE(CREDENTIALS.size)  # too little for descriptors behind them

RECYCLE_REASONS = ("requests", "memory")


class Kind(bytes, Enum):
    """What a message says: its first byte."""

    # From the worker.
    READY = b"R"  # it accepts connections
    FAILED = b"F"  # it cannot boot: the traceback follows
    CLOSED = b"C"  # it has been told to retire, and no longer accepts
    HELLO = b"H"  # it has been forked by a template; who it is, the kernel says
    REQUEST_STARTED = b"!"  # it took up a request while the master was not watching its row
    WARM = b"T"  # it has served enough to become a template
    RECYCLE_DUE = b"W"  # it has reached a limit of [pool.*.recycle]; which one follows, one of RECYCLE_REASONS
    # From the master. The first three go over the channel, for an application may replace handlers of signals.
    RETIRE = b"E"  # accept no more, finish, go
    QUIT = b"Q"  # drop everything and go
    DRAIN = b"D"  # the service stops: serve what waits in the accept queue before closing it
    LOOK = b"A"  # look at the listeners again: the process that was woken for a connection may have ended
    REOPEN = b"L"  # a log was opened anew: its name follows, its descriptor travels along
    # To a template: fork a worker; to a warm worker: fork a template. Its place follows as JSON, its channel and the
    # pipe of its stacks travel along.
    FORK = b"K"


class Message(NamedTuple):
    """What arrived; the descriptors are the receiver's to close. ``sender``: its pid, where that was asked for."""

    kind: bytes
    text: str
    descriptors: tuple[int, ...] = ()
    sender: int = 0

    def discard(self) -> None:
        """Close the descriptors that came along."""
        for descriptor in self.descriptors:
            os.close(descriptor)


class Channel:
    """One end. End of file is the other end's death."""

    def __init__(self, end: socket.socket, *, takes_descriptors: bool, asks_sender: bool = False) -> None:
        end.setblocking(False)
        self._socket = end
        self._takes_descriptors = takes_descriptors
        self._asks_sender = asks_sender

    @classmethod
    def pair(cls, *, asks_sender: bool = False) -> tuple[Channel, Channel]:
        """The master's end and the worker's. In the master, before the fork.

        ``asks_sender``: have the kernel tell the master the pid of whoever sends (unix(7), SO_PASSCRED).
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if asks_sender:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return cls(ours, takes_descriptors=False, asks_sender=asks_sender), cls(theirs, takes_descriptors=True)

    @classmethod
    def adopt(cls, descriptor: int) -> Channel:
        """A worker's end that came as a descriptor. In a worker that a template has forked."""
        return cls(socket.socket(fileno=descriptor), takes_descriptors=True)

    def fileno(self) -> int:
        """Readable when a message waits, or when the other end has gone."""
        return self._socket.fileno()

    def send(self, kind: bytes, text: str = "", *descriptors: int) -> bool:
        """Send, and say whether it went. False: the other end has gone, or does not read (its queue is full)."""
        message = kind + text.encode(errors="replace")[: LIMIT - 1]
        try:
            if descriptors:
                socket.send_fds(self._socket, [message], descriptors)
            else:
                self._socket.send(message)
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message; None when none waits. Raises EOFError when the other end has gone."""
        try:
            try:
                return self._receive()
            except ConnectionResetError:
                # It went with messages of ours unread. That comes before its own last words, once.
                return self._receive()
        except BlockingIOError:
            return None

    def _receive(self) -> Message:
        # Without room for them the kernel closes the descriptors that a worker sends: it cannot fill our table.
        room = ROOM if self._takes_descriptors else CREDENTIALS_ROOM if self._asks_sender else 0
        # Not socket.recv_fds: it forgets its flags, and threads of an application may start a program at any moment.
        data, ancillary, _flags, _address = self._socket.recvmsg(LIMIT, room, socket.MSG_CMSG_CLOEXEC)
        descriptors: list[int] = []
        sender = 0
        for _level, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                descriptors += (number for (number,) in struct.iter_unpack("i", content))
            elif kind == getattr(socket, "SCM_CREDENTIALS", None):
                sender = CREDENTIALS.unpack(content)[0]
        message = Message(data[:1], data[1:].decode(errors="replace"), tuple(descriptors), sender)
        if not data:
            message.discard()
            raise EOFError
        return message

    def close(self) -> None:
        """Hang up: the other end reads end of file."""
        self._socket.close()
