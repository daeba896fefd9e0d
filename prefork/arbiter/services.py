"""What ``cli`` hands the arbiter.

The arbiter knows no worker code and no command line: what a child does with its life, and how the configuration is
read again, come to it as callables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prefork.arbiter.orders import SpawnTemplate, SpawnWorker
from prefork.config.models import Config, Pool
from prefork.observe.sink import Sink
from prefork.system.handoff import Handoff
from prefork.system.notify import Notifier
from prefork.system.pidfile import Pidfile
from prefork.worker.spec import Handles

Birth = SpawnWorker | SpawnTemplate


class ControlServer(Protocol):
    """The control socket, as the arbiter uses it: ``prefork.control.server.Server``."""

    path: str
    listening: bool  # it takes new clients
    hindrance: str  # why the last who connected could not be accepted; empty if it was

    @property
    def holds_path(self) -> bool:
        """The path leads here, and not to another master."""

    @property
    def reachable(self) -> bool:
        """Clients find this socket at its path, or another master that took the path over."""

    def fileno(self) -> int:
        """Readable when there is something to do."""

    def turn(self) -> Iterable[Any]:
        """Do what there is to do; the requests that are complete by now, and who asks them."""

    def has(self, client: int) -> bool:
        """The client is still there."""

    def say(self, client: int, line: bytes, *, last: bool = False) -> None:
        """Send a line to a client; it may have gone."""

    def renew(self, manner: Any) -> None:
        """Follow other settings of the same path. Raises OSError or PreforkError."""

    def take_clients(self, other: Any) -> None:
        """Go on with those who are connected to the server that this one follows."""

    def deafen(self) -> None:
        """Take no more clients."""

    def leave(self) -> None:
        """Let go of everything in a child, without a word to anybody."""

    def close(self, *, unlink: bool) -> None:
        """Close everything; the path goes as well, if ``unlink``, where it is still ours."""


@dataclass(frozen=True)
class Services:
    """What the master needs of the rest of the house."""

    config: Config
    load: Callable[[], Config]  # read the configuration again; raises ConfigError
    changed: Callable[[Config, Config], Mapping[str, tuple[str, ...]]]  # the keys that differ, by what they take
    workers_of: Callable[[Pool], int]  # the number of workers that a pool's configuration means
    serve: Callable[[Birth, Handles], int]  # the life of a worker or a template, in the child; returns its exit code
    environments: int  # the descriptor of what ``serve`` reads a pool's environment from, and closes
    announce: Callable[[], None]  # the service is up
    leave_starter: Callable[[], None]  # in a child: let go of the line to whoever waits to hear that
    log: Any
    set_level: Callable[[str], None]
    command: Sequence[str]  # that starts a successor
    directory: str  # to start it in
    control_manner: Callable[[Config], Any]  # who may ask, and how the socket is made
    open_control: Callable[[str, Any, int | None], ControlServer]  # path, manner, over; raises BindError
    notifier: Notifier  # to the service manager, if there is one
    kept: Mapping[str, int] = field(default_factory=dict)  # what it kept of a master before: address -> descriptor
    patience: float = 0.0  # seconds that an address in use is waited for at the start
    title: str = ""  # the configuration, as people know it
    version: str = ""
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    pidfile: Pidfile | None = None
    handoff: Handoff | None = None  # from the master that this one succeeds
    terminal: bool = False  # a terminal's window changes send WINCH: it means nothing then
