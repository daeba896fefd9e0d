"""Pure. The protocol of a worker class, ours or a third party's: ``worker = "package.module:Class"``.

A worker class is made in the worker process, after the application was loaded, with a :class:`WorkerContext`. ``run``
serves until the lifeline says retire or quit, and returns; it never forks, never exits the process, and touches no
signal handler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from prefork.worker.settings import Settings

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Directive(Enum):
    """What the master wants of a worker by now; a later one outranks an earlier."""

    SERVE = 0
    RETIRE = 1  # stop accepting, finish, return from run
    DRAIN = 2  # the same, but first accept what waits in the queue: nobody else will
    QUIT = 3  # return from run at once


class Ticket(Protocol):
    """A request that is running. It is not to be used after ``end``: it may be another request's by then."""

    began: int  # time.monotonic_ns()

    def pause(self) -> None:
        """The application waits for a slow client, until the request ends: no time limit runs."""

    def end(self, sent: int) -> None:
        """The request is answered, or given up; ``sent`` bytes of the body went out."""


class Supervisor(Protocol):
    """What a loop needs of the lifeline. In the worker, after fork."""

    def filenos(self) -> tuple[int, ...]:
        """Descriptors to watch for reading beside the sockets; when one is readable, call ``attend``."""

    def attend(self) -> Directive:
        """Read what waits (signals, messages of the master, its death) and say what is wanted now. Never blocks."""

    def ready(self) -> None:
        """Report that the worker accepts. Once, when its listeners are being watched."""

    def closed(self) -> None:
        """Report that the worker no longer accepts. Once, when it retires and has closed its listeners."""

    def begin(self, request: bytes, queued: int = 0) -> Ticket:
        """The application takes up a request; ``request`` is its request line, for reports.

        ``queued``: nanoseconds that its connection waited to be accepted, if this is its first. A worker may have many
        requests at once: the master sees the oldest. In the main thread, or under a lock of the worker's own.
        """

    def drop(self) -> None:
        """Whatever was running is not any more, and counts as nothing. After a fault of the loop."""


class Log(Protocol):
    """The structured log: an event name and fields, see ``prefork.observe.logs``."""

    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


@dataclass(frozen=True)
class WorkerContext:
    """What a worker is handed."""

    settings: Settings
    number: int  # of the worker in its pool
    app: WsgiApp
    listeners: Mapping[str, Any]  # name -> listening socket, non-blocking, shared with every other worker
    supervisor: Supervisor
    log: Log
    access: Any  # a prefork.observe.access.AccessLog, or None


class Worker(Protocol):
    """The class itself."""

    def __init__(self, context: WorkerContext) -> None: ...

    def run(self) -> None:
        """Serve until told otherwise."""


# What a class may have beside. Each is optional; a class has it by having the method, and need not name the protocol.


@runtime_checkable
class Prepares(Protocol):
    """A class that has something to do before the application is imported, such as patching the standard library."""

    @classmethod
    def prepare(cls) -> None:
        """Once in a process that imports the application: in the worker, or in the template of a pool that preloads.

        What it raises is a failed boot, with its traceback.
        """


@runtime_checkable
class Starts(Protocol):
    """A worker that has something to do between its making and its first request, such as starting threads."""

    def start(self) -> None:
        """In the worker, before it is ready. What it raises is a failed boot, with its traceback."""


@runtime_checkable
class Forks(Protocol):
    """A worker that can be forked from between two requests (pool.*.refork), and whose children may outlive it."""

    def leave(self) -> None:
        """In such a child: close what is the worker's alone, such as the sockets of its clients, without a word."""


@runtime_checkable
class Expires(Protocol):
    """A worker that tells its clients when it is about to be aborted."""

    def expire(self) -> None:
        """The request that it is at has run past its timeout.

        Called in the main thread between two bytecodes of the application, wherever that is: it may do no more than
        tell clients so, without waiting for them.
        """


@runtime_checkable
class Flushes(Protocol):
    """A worker that has buffers of its own, such as that of ``wsgi.errors``."""

    def flush(self) -> None:
        """At the end of the worker, when the application has said its last: write what is left in them."""
