"""The sync worker: one process, one epoll, many clients, one request at a time.

It accepts, waits, and keeps time; what a client's bytes mean is in ``connection.py`` and below. Accepts are shared
fairly between workers: each is woken alone (EPOLLEXCLUSIVE), takes one connection, and lines up again behind the
others. There is no polling: without clients it sleeps until something happens. In the worker.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import select
import socket
import time
import traceback
from collections.abc import Callable
from math import inf
from select import EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT, epoll  # bound now: monkey patches take some of them away
from typing import Any

from prefork.worker.connection import ConnectionState, HttpConnection
from prefork.worker.exchange import FileWrapper
from prefork.worker.protocol import Directive, WorkerContext
from prefork.worker.server_state import ServerState, time_in_queue

GRACE = 2.0  # seconds that an idle connection stays readable when the worker retires
PAUSE = 0.5  # seconds without accepting, when there are too many open files
STALE_MOST = 256  # deadlines of nobody
DRAIN_MOST = 4096  # connections that are taken from the queue of a service that stops

READ, WRITE = EPOLLIN, EPOLLOUT
FULL = (errno.EMFILE, errno.ENFILE)
# accept(2): an error of the network, or of a firewall, that belongs to the one connection that it took away.
PASSING = (
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENONET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
)
IDLE, WRITING, YIELDING = ConnectionState.IDLE, ConnectionState.WRITING, ConnectionState.YIELDING
WATCHED_FOR = {
    ConnectionState.IDLE: READ,
    ConnectionState.HEAD: READ,
    ConnectionState.BODY: READ,
    ConnectionState.LINGERING: READ,
    ConnectionState.WRITING: WRITE,
    ConnectionState.YIELDING: 0,
}


class SyncWorker:
    """Implements ``prefork.worker.protocol.Worker``."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._server_state = ServerState(context, FileWrapper)
        self._epoll = epoll()
        self._listeners: dict[int, socket.socket] = {sock.fileno(): sock for sock in context.listeners.values()}
        self._clients: dict[int, HttpConnection] = {}
        self._yielding: dict[HttpConnection, None] = {}  # in order, and each once
        self._deadlines: list[tuple[float, int, HttpConnection]] = []
        self._serial = itertools.count()
        self._resume_accepting = inf
        self._leave_by = inf
        self._directive = Directive.SERVE

    def run(self) -> None:
        lines = set(self._context.supervisor.filenos())
        for descriptor in lines:
            self._epoll.register(descriptor, READ)
        for descriptor in self._listeners:
            self._epoll.register(descriptor, READ | EPOLLEXCLUSIVE)
        self._context.supervisor.ready()
        access = self._context.access
        clients = self._clients
        while not self._finished():
            for descriptor, _events in self._epoll.poll(self._timeout()):
                client = clients.get(descriptor)
                if client is not None:
                    try:
                        if client.state is WRITING:
                            client.writable()
                        elif client.state is YIELDING:
                            continue  # it has gone, and is seen to when its turn comes
                        else:
                            client.readable()
                    except Exception:  # a fault of ours: it costs this client, and nobody else
                        self._lose(client)
                    if client.state is not IDLE or client.deadline < client.due or client.watched != READ:
                        self._settle(client)
                elif descriptor in self._listeners:
                    self._accept(descriptor)
                elif descriptor in lines:
                    self._obey(self._context.supervisor.attend())
                    self._look_again()
            if self._yielding:
                self._resume()
            self._keep_time()
            if access is not None:
                access.flush()
        self._close()

    def expire(self) -> None:
        """The request of the moment has run too long, and this process is about to be aborted: tell who waits."""
        stuck = self._server_state.serving
        if stuck is not None:
            stuck.give_up(504, self._server_state.exchange)
        for client in tuple(self._clients.values()):
            if client is not stuck and client.has_more():
                client.give_up(503)
        self._server_state.errors.flush()  # its last words
        if self._context.access is not None:
            self._context.access.flush()

    def leave(self) -> None:
        """Let go of the clients, and of the set in which they are watched. In a child, which does not serve."""
        for client in self._clients.values():
            client.hang_up()  # the connection itself stays, for the parent has it as well
        self._epoll.close()

    def flush(self) -> None:
        """Write what is left in buffers of the worker's own. At its end, when the application has said its last."""
        self._server_state.errors.flush()

    # Clients.

    def _settle(self, client: HttpConnection) -> None:
        """Watch a client for what its state waits for, and mind its deadline."""
        state = client.state
        if state is ConnectionState.CLOSED:
            self._forget(client)
            return
        wanted = WATCHED_FOR[state]
        if wanted != client.watched:
            if client.watched < 0:
                self._epoll.register(client.descriptor, wanted)
            else:
                self._epoll.modify(client.descriptor, wanted)
            client.watched = wanted
        if state is ConnectionState.YIELDING:
            self._yielding[client] = None
        elif client.deadline < client.due:
            client.due = client.deadline
            heapq.heappush(self._deadlines, (client.due, next(self._serial), client))

    def _take(self, client: HttpConnection, step: Callable[[], None]) -> None:
        """One step of a client, where it is not the hot one of ``run``."""
        try:
            step()
        except Exception:  # as there
            self._lose(client)
        self._settle(client)

    def _lose(self, client: HttpConnection) -> None:
        self._context.log.error("connection_failed", traceback=traceback.format_exc())
        self._context.supervisor.drop()  # whatever it was at, the worker is at it no longer
        client.close()

    def _forget(self, client: HttpConnection) -> None:
        self._clients.pop(client.descriptor, None)
        if client.watched >= 0:
            # epoll(7): closed here, but open in a child that the application forked, it would be reported for ever.
            self._epoll.unregister(client.descriptor)
            client.watched = -1
        client.hang_up()
        heap = self._deadlines
        if len(heap) > 4 * len(self._clients) + STALE_MOST:
            # Those who came and went would be kept in memory until their deadlines.
            heap[:] = [
                entry for entry in heap if entry[2].state is not ConnectionState.CLOSED and entry[0] == entry[2].due
            ]
            heapq.heapify(heap)

    def _resume(self) -> None:
        """Those who gave way have their turn again, once each."""
        turn, self._yielding = self._yielding, {}
        for client in turn:
            if client.state is ConnectionState.YIELDING:
                self._take(client, client.resume)

    # Accepting.

    def _accept(self, descriptor: int) -> None:
        if self._resume_accepting < inf:
            return  # another listener has just found that there is no room
        listener = self._listeners[descriptor]
        os.set_blocking(descriptor, False)  # all share the flag, and an application may have taken it away
        try:
            sock, peer = listener.accept()
        except BlockingIOError:
            return  # another worker took it
        except OSError as error:
            if error.errno not in PASSING:
                self._cannot_accept(error)
            return
        # Behind the others who wait for this listener: the kernel wakes the one that has waited longest.
        self._epoll.unregister(descriptor)
        self._epoll.register(descriptor, READ | EPOLLEXCLUSIVE)
        self._welcome(listener, sock, peer)

    def _welcome(self, listener: socket.socket, sock: socket.socket, peer: Any) -> None:
        sock.setblocking(False)
        client = HttpConnection(
            self._server_state, sock, self._server_state.environs_of(listener, peer), time.monotonic
        )
        client.queued = time_in_queue(sock)
        client.watched = -1
        client.leaving = self._directive is not Directive.SERVE
        self._clients[client.descriptor] = client
        self._take(client, client.readable)  # most have sent their request by now

    def _cannot_accept(self, error: OSError) -> None:
        """Leave the listeners alone for a moment: level-triggered, they would be tried again at once."""
        if self._resume_accepting == inf:
            hint = "raise the limit of open files (ulimit -n, LimitNOFILE=)" if error.errno in FULL else ""
            self._context.log.error("accept_failed", reason=error.strerror, clients=len(self._clients), hint=hint)
            for descriptor in self._listeners:
                self._epoll.unregister(descriptor)
        self._resume_accepting = time.monotonic() + PAUSE

    def _look_again(self) -> None:
        """Line up anew for each listener, which finds what waits there already.

        Of those who wait for a listener the kernel wakes one alone. Should that one end before it accepts, nobody else
        is woken for that connection; the master knows of the end, and its word has just come.
        """
        if self._resume_accepting == inf:
            for descriptor in self._listeners:
                self._epoll.unregister(descriptor)
                self._epoll.register(descriptor, READ | select.EPOLLEXCLUSIVE)

    # Time.

    def _timeout(self) -> float:
        """Seconds until something is due; -1 is for ever."""
        if self._yielding:
            return 0
        heap = self._deadlines
        while heap and heap[0][2].state is ConnectionState.CLOSED:
            heapq.heappop(heap)
        due = min(heap[0][0] if heap else inf, self._resume_accepting, self._leave_by)
        return max(0.0, due - time.monotonic()) if due < inf else -1

    def _keep_time(self) -> None:
        """End what is overdue. A deadline that has moved is looked at again when it comes."""
        heap = self._deadlines
        if not heap and self._resume_accepting == inf:
            return
        now = time.monotonic()
        while heap and heap[0][0] <= now:
            due, _, client = heapq.heappop(heap)
            if client.state is ConnectionState.CLOSED or due != client.due:
                continue
            client.due = inf
            if client.deadline <= now and client.state is not ConnectionState.YIELDING:
                self._take(client, client.expired)
            else:
                self._settle(client)
        if self._resume_accepting <= now:
            self._resume_accepting = inf
            for descriptor in self._listeners:
                self._epoll.register(descriptor, READ | EPOLLEXCLUSIVE)

    # The end.

    def _obey(self, directive: Directive) -> None:
        if directive is Directive.DRAIN and self._listeners:
            self._drain()
        if directive is not Directive.SERVE and self._directive is Directive.SERVE:
            if directive is Directive.RETIRE:
                self._take_what_woke()
            self._retire()
        self._directive = directive

    def _drain(self) -> None:
        """Nobody accepts after this worker: what waits in the queues is taken now, or it would be reset."""
        for listener in self._listeners.values():
            for _ in range(DRAIN_MOST):
                os.set_blocking(listener.fileno(), False)  # as in _accept
                try:
                    sock, peer = listener.accept()
                except OSError:  # the queue is empty, or we are out of descriptors: there is nothing left to do
                    break
                self._welcome(listener, sock, peer)

    def _take_what_woke(self) -> None:
        """We may have been woken for a connection as well, and nobody else was: it is ours. One of each listener."""
        for descriptor in tuple(self._listeners):
            self._accept(descriptor)

    def _retire(self) -> None:
        graceful = self._server_state.timeout.graceful
        self._leave_by = time.monotonic() + graceful if graceful > 0 else inf
        self._close_listeners()
        self._context.supervisor.closed()
        keepalive = self._server_state.timeout.keepalive
        grace = min(GRACE, keepalive) if keepalive > 0 else GRACE
        for client in tuple(self._clients.values()):
            client.retire(grace)
            self._settle(client)

    def _close_listeners(self) -> None:
        accepting = self._resume_accepting == inf
        self._resume_accepting = inf
        while self._listeners:
            descriptor, listener = self._listeners.popitem()
            if accepting:
                self._epoll.unregister(descriptor)
            listener.close()

    def _finished(self) -> bool:
        if self._directive is Directive.SERVE:
            return False
        return self._directive is Directive.QUIT or not self._clients or time.monotonic() >= self._leave_by

    def _close(self) -> None:
        for client in tuple(self._clients.values()):
            client.close()
            self._forget(client)
        self._server_state.errors.flush()
        if self._context.access is not None:
            self._context.access.flush()
        self._close_listeners()
        self._epoll.close()
