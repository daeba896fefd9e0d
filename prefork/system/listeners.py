"""Listening sockets: opened by the master, shared by all of its workers.

Rules. One socket a listener, never one a worker: with ``SO_REUSEPORT`` the close of one resets its queue. A listening
socket is never shut down, for that refuses everybody who shares it; it is only closed. A unix socket that somebody
listens on is never taken over, and what is not a socket is never touched. Workers share the socket with everybody, and
an application can do to it what it likes: what can be undone is undone by the master, and nobody waits on it.

Diagnostics. BindError with a hint; what a worker did to a socket is told by ``mend`` and ``fault``, and logged as
``listener_spoiled``.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - what bind(2) looks hosts up with: a master without descriptors could not import it
import errno
import os
import select
import socket
import struct
import time
from array import array
from contextlib import suppress
from typing import Any

from prefork.config.addresses import Address, FdAddress, SystemdAddress, TcpAddress, UnixAddress
from prefork.errors import BindError, PrivilegeError
from prefork.system import activation, unixsocket
from prefork.system.socket_options import SocketOptions

TCP = (socket.AF_INET, socket.AF_INET6)
LONGEST_ACCEPT = 50_000  # microseconds
AGAIN = 0.02  # seconds between two looks at an address in use

# Classic BPF for a listening TCP socket (socket(7)): all may pass but a SYN without ACK, which begins a connection.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
LOAD_BYTE, AND, JUMP_IF_EQUAL, RETURN = 0x30, 0x54, 0x15, 0x06
FLAGS, SYN, SYN_ACK = 13, 0x02, 0x12
NO_NEWCOMERS = (
    (LOAD_BYTE, 0, 0, FLAGS),
    (AND, 0, 0, SYN_ACK),
    (JUMP_IF_EQUAL, 0, 1, SYN),
    (RETURN, 0, 0, 0),
    (RETURN, 0, 0, 0xFFFFFFFF),
)


class Listener:
    """An open listener. ``address`` is where it really listens, with the port that the kernel chose."""

    def __init__(
        self, name: str, sock: socket.socket, path: str | None = None, *, passed: int = -1, ours: bool = True
    ) -> None:
        """``path``: of the unix socket that is ours to unlink. ``ours``: nobody else keeps the socket when we stop.

        ``passed``: the descriptor that it is a duplicate of, which stays open in the master.
        """
        sock.setblocking(False)
        sock.set_inheritable(False)
        if sock.family in TCP:
            # Accepted sockets inherit it on Linux: one system call less a connection.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ours:
            # A worker may have made the socket a blocking one: no accept then waits longer than this.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, LONGEST_ACCEPT))
        self.name = name
        self.address = text_of(sock)
        self.socket = sock
        self.ours = ours
        self.backlog = socket.SOMAXCONN
        self.shut_down = False  # for good: it cannot be mended
        self._bound = sock.getsockname()
        self._options = SocketOptions(sock)
        self._refusing = False
        self._passed = passed
        self._path = path
        self._inode = unixsocket.inode_of(path) if path else None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it; empty for a unix socket."""
        host, _, port = self.address.rpartition(":")
        if not port.isdigit() or self.socket.family == socket.AF_UNIX:
            return ""
        return f"http://{'localhost' if host in ('0.0.0.0', '[::]') else host}:{port}"

    @classmethod
    def inherit(cls, name: str, fd: int, address: str) -> Listener:
        """The listener that an old master opened at ``address`` (as configured) and handed over, or had kept.

        In the master that comes after it. Raises BindError if the descriptor is no listening socket.
        """
        sock = _adopt(name, address, fd)
        ours = not address.startswith(("fd:", "systemd:"))
        if ours:
            with suppress(OSError):  # there is none: its end was not announced to newcomers
                sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        named = address.startswith("unix:") and not address.startswith("unix:@")
        return cls(name, sock, sock.getsockname() if named else None, ours=ours)

    def renew(self, *, backlog: int, mode: int | None, user: str | None, group: str | None) -> None:
        """Put changed settings in force on the open socket. In the master, after a reload or an upgrade.

        Raises OSError or PrivilegeError if its file is not ours to give.
        """
        self.backlog = backlog
        self.socket.listen(backlog)
        if self._path and self._inode:
            with suppress(FileNotFoundError):  # it was removed, or another is there
                unixsocket.give(self._path, self._inode, mode, user, group)

    @property
    def reachable(self) -> bool:
        """Whether clients can connect: the file of a unix socket may have been removed."""
        return self._path is None or self._is_there()

    @property
    def fault(self) -> str:
        """Why clients cannot connect, where opening it anew would help; empty if they can."""
        if not self.reopens:
            return ""
        if self.shut_down:
            return "a worker shut the socket down"
        return "" if self.reachable else "the file of the socket was removed or replaced"

    @property
    def reopens(self) -> bool:
        """Whether the listener can be opened anew beside this one.

        Only the file of a unix socket lets two listen at one address.
        """
        return self._path is not None and self.ours

    def mend(self) -> str:
        """Undo what a worker did to the socket, which all share; what it was, or an empty text. In the master.

        What cannot be undone sets ``shut_down``. Never raises.
        """
        found = []
        try:
            if os.get_blocking(self.socket.fileno()):
                os.set_blocking(self.socket.fileno(), False)
                found.append("a worker made the socket blocking")
            if self.ours and not self._refusing and self._take_filter_off():
                found.append("a worker attached a filter to the socket")
            if self.ours and (changed := self._options.restore()):
                found.append(f"a worker changed {', '.join(changed)} of the socket")
            if self._hung_up():
                found.append("a worker shut the socket down")
                self._listen_again()
            elif self.ours and not self._refusing:
                self._options.lengthen_queue(self.backlog)
        except OSError as error:
            self.shut_down = True
            found.append(f"the socket cannot be mended: {error.strerror}")
        return "; ".join(found)

    def _take_filter_off(self) -> bool:
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        except OSError as error:
            if error.errno == errno.EPERM:  # and it was locked (SO_LOCK_FILTER)
                raise
            return False  # there is none
        return True

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self.socket.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    def _listen_again(self) -> None:
        """TCP listens again where it did; of a unix socket the end is final (unix(7))."""
        if self.socket.family in TCP:
            with suppress(OSError):  # EINVAL: it has its port yet, which the kernel had not chosen
                self.socket.bind(self._bound)
            self.socket.listen(self.backlog)
        self.shut_down = self._hung_up()

    def refuse_newcomers(self) -> None:
        """Nobody is to connect any more, while those who are in the queue still wait. In the master, at its end.

        Between the last look into the queue and the close of the socket another could connect, and would be reset,
        having been accepted as far as it knows. A SYN that is dropped is sent again a second later, and then finds
        another server, or is refused, which every client and proxy knows how to deal with. Of a unix socket, which has
        no such thing, the path goes first.
        """
        self._refusing = True
        if self.ours and self.socket.family in TCP:
            program = array("Q", b"".join(struct.pack("=HBBI", *step) for step in NO_NEWCOMERS))
            where, steps = program.buffer_info()
            with suppress(OSError):  # a system that cannot: the moment stays
                self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", steps, where))

    def leave(self) -> None:
        """Let go of it in a child of the master that does not accept there."""
        self.leave_passed()
        self.socket.close()

    def leave_passed(self) -> None:
        """Close the descriptor that it was passed as. In a child of the master, which has the duplicate."""
        passed, self._passed = self._passed, -1
        if passed > 2:
            os.close(passed)

    def close(self, *, unlink: bool) -> None:
        """Close the socket in this process.

        ``unlink`` removes a unix socket's file, if it is still the one bound here.
        """
        if unlink and self._path and self._inode:
            with suppress(OSError):  # the directory is not ours any more; the next start knows a stale file
                unixsocket.remove(self._path, self._inode)
        self.socket.close()

    def _is_there(self) -> bool:
        return self._inode is not None and unixsocket.inode_of(self._path or "") == self._inode


def open_listener(
    name: str,
    address: Address,
    *,
    backlog: int,
    mode: int | None = None,
    user: str | None = None,
    group: str | None = None,
    patience: float = 0.0,
) -> Listener:
    """Open, or adopt, what a ``[listen.NAME]`` section asks for. In the master; resolves host names.

    ``mode``, ``user`` and ``group`` are of a unix socket's file. ``patience``: seconds that an address in use is waited
    for. Raises BindError, with what to do about it.
    """
    end = time.monotonic() + patience
    while True:
        try:
            listener = _open(name, address, backlog, mode, user, group)
        except BindError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE or time.monotonic() >= end:
                raise
        else:
            listener.backlog = backlog
            return listener
        time.sleep(AGAIN)


def _open(name: str, address: Address, backlog: int, mode: int | None, user: str | None, group: str | None) -> Listener:
    if isinstance(address, TcpAddress):
        return Listener(name, _open_tcp(name, address, backlog))
    if isinstance(address, UnixAddress):
        if address.abstract:
            return Listener(name, _open_abstract(name, address, backlog))
        try:
            sock = unixsocket.bind(address.path, backlog, mode, user, group)
        except OSError as error:
            raise _refused(name, address, error, unixsocket.hint(error)) from error
        except PrivilegeError as error:
            raise BindError(f"listener {name!r} cannot listen on {address}: {error}") from error
        return Listener(name, sock, address.path)
    # What was inherited stays open beside its duplicate: the listener can be dropped and taken up again by reloads,
    # and its number can never become another socket's.
    number = address.number if isinstance(address, FdAddress) else _passed(name, address)
    sock = _adopt(name, str(address), number, duplicate=True)
    sock.listen(backlog)
    return Listener(name, sock, passed=number, ours=False)


def _passed(name: str, address: SystemdAddress) -> int:
    try:
        return activation.descriptor(address.name)
    except LookupError as error:
        raise BindError(f"listener {name!r} has no socket from systemd: {error.args[0]}") from None


def _open_tcp(name: str, address: TcpAddress, backlog: int) -> socket.socket:
    """The first address of the host that works: ``localhost`` may name ::1 on a machine without IPv6."""
    try:
        found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = f"the name {address.host!r} cannot be resolved: {getattr(error, 'strerror', error)}"
        raise BindError(f"listener {name!r} cannot listen on {address}: {reason}") from error
    failure: OSError | None = None
    for family, kind, protocol, _canonical, target in found:
        try:
            return _listen_tcp(socket.socket(family, kind, protocol), target, backlog)
        except OSError as error:
            failure = failure or error
    assert failure is not None  # getaddrinfo never gives an empty list
    raise _refused(name, address, failure, _tcp_hint(failure, address)) from failure


def _listen_tcp(sock: socket.socket, target: Any, backlog: int) -> socket.socket:
    try:
        # So that connections of a former life that linger in TIME_WAIT do not forbid the address.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            # [::] takes IPv4 clients too, as ::ffff:1.2.3.4, whatever net.ipv6.bindv6only is here: it is what people
            # expect of it, and a server that answers half of its clients is found out late.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(target)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp_hint(error: OSError, address: TcpAddress) -> str:
    if error.errno == errno.EADDRINUSE:
        also = f"; [::]:{address.port} takes the IPv4 clients too" if address.host == "0.0.0.0" else ""
        return f"another process listens there: 'ss -ltnp sport = :{address.port}' names it{also}"
    if error.errno in (errno.EACCES, errno.EPERM) and 0 < address.port < 1024:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address; 'ip address' lists its addresses"
    return ""


def _open_abstract(name: str, address: UnixAddress, backlog: int) -> socket.socket:
    """unix(7): an abstract name has no file, hence no owner, no mode, and is gone with its last socket."""
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind("\0" + address.path[1:])
            sock.listen(backlog)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise _refused(name, address, error, unixsocket.hint(error)) from error
    return sock


def _adopt(name: str, address: str, fd: int, *, duplicate: bool = False) -> socket.socket:
    """The socket behind an inherited descriptor, which must be a listening stream socket."""
    try:
        os.set_inheritable(fd, False)
        number = os.dup(fd) if duplicate else fd
    except OSError as error:
        missing = "the descriptor is not open; the process that starts prefork must pass it"
        raise _unusable(name, address, fd, missing if error.errno == errno.EBADF else str(error.strerror)) from error
    reason = "the descriptor is not a listening stream socket"
    try:
        sock = socket.socket(fileno=number)
    except OSError:  # ENOTSOCK: a file, a pipe
        reason = "the descriptor is not a socket"
    else:
        if sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return sock
        sock.detach()
    if duplicate:
        os.close(number)
    raise _unusable(name, address, fd, reason)


def _unusable(name: str, address: str, fd: int, reason: str) -> BindError:
    return BindError(f"listener {name!r} cannot use descriptor {fd} ({address}): {reason}")


def _refused(name: str, address: Address, error: OSError, hint: str) -> BindError:
    return BindError(f"listener {name!r} cannot listen on {address}: {error.strerror or error}", hint=hint)


def text_of(sock: socket.socket) -> str:
    """Where a socket is bound, written as in the configuration."""
    bound = sock.getsockname()
    if sock.family == socket.AF_INET6:
        return f"[{bound[0]}]:{bound[1]}"
    if sock.family == socket.AF_INET:
        return f"{bound[0]}:{bound[1]}"
    if isinstance(bound, bytes):  # abstract
        return "unix:@" + bound[1:].decode(errors="replace")
    return f"unix:{bound}"
