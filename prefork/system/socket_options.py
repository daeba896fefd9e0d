"""Options of a listening TCP socket, and the length of its queue, which every worker that shares it can change.

Rules. What is here is what accepted connections inherit, or what decides who can connect at all: with another IP_TTL no
answer reaches anybody who is not near, with SO_BINDTODEVICE no SYN arrives, with SO_LINGER every close is a reset. None
of it needs any right. The values are read when the socket is opened, before a worker has it. In the master only.
"""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from typing import NamedTuple

ROOM = 16  # bytes: more than any of these values has
QUEUE = struct.Struct("=24xII")  # of struct tcp_info, where a listening socket has: who waits, and who may wait
WHOLE = 4  # bytes of an int
SO_BUF_LOCK = 72  # linux/socket.h, since 5.14
UNLOCKED = 0


class Option(NamedTuple):
    """``number`` is as in the headers of Linux; ``buffer``: it is read back doubled, and set for good."""

    level: int
    number: int
    name: str
    buffer: bool = False


BUFFERS = (
    Option(socket.SOL_SOCKET, socket.SO_SNDBUF, "SO_SNDBUF", buffer=True),
    Option(socket.SOL_SOCKET, socket.SO_RCVBUF, "SO_RCVBUF", buffer=True),
)
OPTIONS = (
    *BUFFERS,
    Option(socket.SOL_SOCKET, 5, "SO_DONTROUTE"),
    Option(socket.SOL_SOCKET, 9, "SO_KEEPALIVE"),
    Option(socket.SOL_SOCKET, 13, "SO_LINGER"),
    Option(socket.SOL_SOCKET, 18, "SO_RCVLOWAT"),
    Option(socket.SOL_SOCKET, 20, "SO_RCVTIMEO"),
    Option(socket.SOL_SOCKET, 25, "SO_BINDTODEVICE"),
    Option(socket.SOL_SOCKET, 47, "SO_MAX_PACING_RATE"),
    Option(socket.IPPROTO_IP, 1, "IP_TOS"),
    Option(socket.IPPROTO_IP, 2, "IP_TTL"),
    Option(socket.IPPROTO_IP, 21, "IP_MINTTL"),
    Option(socket.IPPROTO_IPV6, 16, "IPV6_UNICAST_HOPS"),
    Option(socket.IPPROTO_IPV6, 73, "IPV6_MINHOPCOUNT"),
    Option(socket.IPPROTO_TCP, 1, "TCP_NODELAY"),
    Option(socket.IPPROTO_TCP, 2, "TCP_MAXSEG"),
    Option(socket.IPPROTO_TCP, 3, "TCP_CORK"),
    Option(socket.IPPROTO_TCP, 9, "TCP_DEFER_ACCEPT"),
    Option(socket.IPPROTO_TCP, 18, "TCP_USER_TIMEOUT"),
    Option(socket.IPPROTO_TCP, 25, "TCP_NOTSENT_LOWAT"),
)


class SocketOptions:
    """What the options of a socket were when it was opened, and the way back. Nothing here raises."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        known = OPTIONS if sys.platform == "linux" and sock.family != socket.AF_UNIX else ()
        self._wanted = {option: value for option in known if (value := self._read(option)) is not None}

    def restore(self) -> list[str]:
        """Put back what has changed; the names of those options."""
        changed = [option for option, value in self._wanted.items() if self._read(option) != value]
        for option in changed:
            with suppress(OSError):  # the kernel does not take that back
                self._write(option, self._wanted[option])
        return [option.name for option in changed]

    def lengthen_queue(self, backlog: int) -> None:
        """Let as many wait as should. Silently: a successor with another configuration may have changed it as well."""
        if not self._wanted:  # a unix socket does not tell
            return
        with suppress(OSError, struct.error):
            _waiting, most = QUEUE.unpack(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, QUEUE.size))
            if most < backlog:
                self._socket.listen(backlog)

    def _read(self, option: Option) -> bytes | None:
        try:
            return self._socket.getsockopt(option.level, option.number, ROOM)
        except OSError:  # of another family, or of another kernel
            return None

    def _write(self, option: Option, value: bytes) -> None:
        if option.buffer:
            half = int.from_bytes(value[:WHOLE], sys.byteorder) // 2
            self._socket.setsockopt(option.level, option.number, half)
            with suppress(OSError):  # an older kernel: connections keep the size, and do not adjust it
                self._socket.setsockopt(socket.SOL_SOCKET, SO_BUF_LOCK, UNLOCKED)
        else:
            self._socket.setsockopt(option.level, option.number, value)
