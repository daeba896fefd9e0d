"""The control socket: a unix socket whose clients ask one thing each, and never keep the master waiting.

It has an epoll of its own, so that the master's loop watches one descriptor. Every byte that comes is bounded and
untrusted: after its one request nothing of a client is read. A client that does not take its answer is dropped; so is
the one that has most to take when all together have too much. Who may ask is told by the kernel (unix(7), SO_PEERCRED
and socket(7), SO_PEERGROUPS), beside the rights of the socket's file: no directory service is asked, which may be slow.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from prefork.control import protocol
from prefork.control.protocol import Misunderstood, Request
from prefork.errors import BindError, PrivilegeError
from prefork.system import privileges, unixsocket

CLIENTS_MOST = 32
BACKLOG = 64
WAITING_MOST = 32 * 1024 * 1024  # bytes that a client has not taken: stacks of many workers are large
TOGETHER_MOST = 2 * WAITING_MOST  # bytes that all clients have not taken
PIECE = 256 * 1024  # bytes that are sent at once
SO_PEERGROUPS = 59  # socket(7), since Linux 4.13; Python has no name for it
GROUPS_MOST = 1024  # bytes, for 256 groups: the most that Python takes of an option of a socket
CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EPERM, errno.ENOSPC}
READ, WRITE, HANG_UP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP


class Asking(NamedTuple):
    """A request, and who asks it."""

    client: int  # by which it is answered
    request: Request
    pid: int
    uid: int


class Manner(NamedTuple):
    """Who may ask, and how the socket's file is made. ``workers``: whom workers run as, other than the master."""

    mode: int
    group: str | None
    workers: frozenset[int] = frozenset()


class _Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.read = b""
        self.unsent = bytearray()
        self.asked = False  # nothing more of it is read: a flood stays in its own buffer
        self.last = False  # what is unsent ends it
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        self.pid, self.uid, self.gid = CREDENTIALS.unpack(raw)

    @property
    def awaited(self) -> int:
        """What is to be heard of it; that it has hung up is always told (epoll_ctl(2))."""
        return (0 if self.asked else READ) | (WRITE if self.unsent else 0)

    def is_member(self, group: int) -> bool:
        """The process that connected was in the group then."""
        if group == self.gid:
            return True
        try:
            raw = self.sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_MOST)
        except OSError:  # an old kernel, or more groups than that: the primary one alone is known
            return False
        return (group,) in struct.iter_unpack("I", raw)


class Server:
    """In the master."""

    def __init__(self, path: str, manner: Manner, *, over: int | None = None) -> None:
        """``over``: take the path over from the master of this pid, 0 if it has ended. Raises BindError."""
        self.path = path
        self._manner, self._group = manner, _number_of(manner.group)
        self._listener = _bind(path, manner, over=over)
        self._inode = unixsocket.inode_of(path)
        try:
            self._epoll = select.epoll()
            self._epoll.register(self._listener.fileno(), READ)
        except OSError as error:
            with suppress(OSError):  # it is not to hide why
                unixsocket.remove(path, self._inode or (0, 0))
            self._listener.close()
            raise BindError(f"the control socket {path} cannot be watched: {error.strerror}") from error
        self._clients: dict[int, _Client] = {}
        self._serial = 0
        self._ids: dict[int, int] = {}  # descriptor -> client
        self.listening = True
        self.hindrance = ""  # why the last who connected could not be accepted, and waits in the queue

    def fileno(self) -> int:
        """Readable when there is something to do."""
        return self._epoll.fileno()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    @property
    def holds_path(self) -> bool:
        """The path leads here, and not to another master."""
        return unixsocket.inode_of(self.path) == self._inode

    @property
    def reachable(self) -> bool:
        """Clients find this socket at its path, or another master that took the path over."""
        return self.holds_path or unixsocket.is_alive(self.path)

    def renew(self, manner: Manner) -> None:
        """Follow other settings of the same path. Raises OSError or PrivilegeError."""
        if self._inode:
            unixsocket.give(self.path, self._inode, manner.mode, None, manner.group)
        self._manner, self._group = manner, _number_of(manner.group)

    def turn(self) -> list[Asking]:
        """Do what there is to do; the requests that are complete by now."""
        asked: list[Asking] = []
        for descriptor, events in self._epoll.poll(0):
            number = self._ids.get(descriptor)
            if self.listening and descriptor == self._listener.fileno():
                self._accept()
            elif number is None:
                continue  # it was dropped a moment ago, in the same turn
            elif events & (HANG_UP | select.EPOLLERR) and self._clients[number].asked:
                self._drop(number)
            elif events & WRITE:
                self._send(number)
            else:
                asked += self._receive(number)
        return asked

    def has(self, client: int) -> bool:
        """The client is still there."""
        return client in self._clients

    def say(self, client: int, line: bytes, *, last: bool = False) -> None:
        """Send a line to a client, the last one if so; it may have gone."""
        there = self._clients.get(client)
        if there is None or there.last:
            return
        there.unsent += line
        there.last = last
        self._send(client)
        if len(there.unsent) > WAITING_MOST:
            self._drop(client)
        elif sum(len(one.unsent) for one in self._clients.values()) > TOGETHER_MOST:
            self._drop(max(self._clients, key=lambda number: len(self._clients[number].unsent)))

    def take_clients(self, other: Server) -> None:
        """Go on with those who are connected to the server that this one follows, under the numbers that they have."""
        self._serial = max(self._serial, other._serial)
        for number, client in tuple(other._clients.items()):
            other._forget(number)
            self._clients[number] = client
            self._ids[client.sock.fileno()] = number
            self._epoll.register(client.sock.fileno(), client.awaited)

    def deafen(self) -> None:
        """Take no more clients: the path goes where it is still ours, and those who are connected stay."""
        if not self.listening:
            return
        self.listening = False
        if self._inode:
            with suppress(OSError):  # the directory is not ours any more; the next start knows a stale file
                unixsocket.remove(self.path, self._inode)
        self._epoll.unregister(self._listener.fileno())
        self._listener.close()

    def leave(self) -> None:
        """Let go of everything in a child of the master, without a word to anybody."""
        self._epoll.close()  # what it watches is shared with the master: nothing is taken out of it here
        self._listener.close()
        for client in self._clients.values():
            client.sock.close()

    def close(self, *, unlink: bool) -> None:
        """Close everything; the path goes as well, if ``unlink``, where it is still ours."""
        if unlink:
            self.deafen()
        for number in tuple(self._clients):
            self._send(number)  # what the socket takes at once
            self._drop(number)
        self._epoll.close()
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            # One that has gone again leaves the queue; without descriptors or memory it stays there.
            self.hindrance = str(error.strerror) if error.errno in EXHAUSTED else ""
            return
        self.hindrance = ""
        sock.setblocking(False)
        client = _Client(sock)
        if not self._may(client):
            _turn_away(
                sock,
                "only root, the user of the master, and members of the group of [control] may use the control socket",
            )
        elif not self._has_room():
            _turn_away(sock, "too many clients of the control socket: try again later")
        else:
            self._serial += 1
            self._clients[self._serial] = client
            self._ids[sock.fileno()] = self._serial
            self._epoll.register(sock.fileno(), client.awaited)

    def _has_room(self) -> bool:
        """Where it is full, the one that has been silent for longest gives way; one that is being answered does not."""
        if len(self._clients) < CLIENTS_MOST:
            return True
        silent = next((number for number, client in self._clients.items() if not client.asked), None)
        if silent is not None:
            self._drop(silent)
        return silent is not None

    def _may(self, client: _Client) -> bool:
        manner = self._manner
        if client.uid in (0, os.geteuid()):
            return True
        if client.uid in manner.workers or not manner.group:
            return False  # an application is not to rule over its master
        return self._group is not None and client.is_member(self._group)

    def _receive(self, number: int) -> Iterator[Asking]:
        client = self._clients[number]
        try:
            data = client.sock.recv(protocol.LINE_MOST)
        except BlockingIOError:
            return
        except OSError:  # it has gone
            data = b""
        if not data:
            self._drop(number)
            return
        client.read += data
        line, newline, _ = client.read.partition(b"\n")
        if not newline and len(line) < protocol.LINE_MOST:
            return
        client.asked = True
        self._epoll.modify(client.sock.fileno(), client.awaited)
        try:
            request = protocol.parse(line if newline else b"")
        except Misunderstood as reason:
            self.say(number, protocol.refused(str(reason)), last=True)
        else:
            yield Asking(number, request, client.pid, client.uid)

    def _send(self, number: int) -> None:
        client = self._clients[number]
        try:
            while client.unsent:
                del client.unsent[: client.sock.send(client.unsent[:PIECE])]
        except BlockingIOError:
            pass  # the rest when there is room
        except OSError:  # it has gone
            self._drop(number)
            return
        if client.last and not client.unsent:
            self._drop(number)
        else:
            self._epoll.modify(client.sock.fileno(), client.awaited)

    def _drop(self, number: int) -> None:
        if number in self._clients:
            self._forget(number).sock.close()

    def _forget(self, number: int) -> _Client:
        client = self._clients.pop(number)
        del self._ids[client.sock.fileno()]
        self._epoll.unregister(client.sock.fileno())
        return client


def _number_of(group: str | None) -> int | None:
    """The number of a group, looked up once; None if there is none."""
    try:
        return privileges.gid_of(group) if group else None
    except PrivilegeError:
        return None  # whoever opens the socket's file says so


def _turn_away(sock: socket.socket, reason: str) -> None:
    with sock, suppress(OSError):  # it has gone again
        sock.send(protocol.refused(reason))


def _bind(path: str, manner: Manner, *, over: int | None) -> socket.socket:
    try:
        listener = unixsocket.bind(path, BACKLOG, manner.mode, None, manner.group, over=over)
    except OSError as error:
        reason = f"the control socket {path} cannot be opened: {error.strerror or error}"
        raise BindError(reason, hint=unixsocket.hint(error)) from error
    except PrivilegeError as error:
        raise BindError(f"the control socket {path} cannot be opened: {error}") from error
    listener.setblocking(False)
    return listener
