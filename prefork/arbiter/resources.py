"""What the master holds of the operating system, in one place for those who carry orders out.

Rules. Nothing here decides, and nothing here knows the loop or the policy. Whoever carries out an order is handed this,
and takes what it needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from prefork.arbiter.children import Children
from prefork.arbiter.facts import RequestSeen
from prefork.arbiter.fdstore import FdStore
from prefork.arbiter.services import Services
from prefork.arbiter.sockets import Sockets
from prefork.arbiter.survival import Survival
from prefork.arbiter.watch import Watch
from prefork.config.models import Config
from prefork.errors import ConfigError, Fault
from prefork.system.listeners import Listener
from prefork.system.scoreboard import Scoreboard


@dataclass
class Resources:
    """In the master, for its whole life."""

    services: Services
    survival: Survival
    watch: Watch
    board: Scoreboard
    children: Children
    sockets: Sockets
    fdstore: FdStore
    subreaper: bool = False  # orphans of our workers become our children
    # Each lets go of something in a child, and gives the descriptors that were watched for it: of what others hold.
    ties: list[Callable[[], Collection[int]]] = field(default_factory=list)

    @classmethod
    def of(cls, services: Services) -> Resources:
        """Open what is needed before anything is listened to. Raises OSError."""
        survival = Survival(services.log)
        watch = Watch(survival)
        board = Scoreboard()
        inherited = services.handoff.listeners if services.handoff else services.kept

        def opened(listener: Listener, reason: str) -> None:
            told = {"reason": reason} if reason else {}
            url = listener.url
            more = {"url": url} if url else {}
            services.log.info("listener_opened", name=listener.name, address=listener.address, **more, **told)

        def spoiled(listener: Listener, found: str) -> None:
            services.log.error("listener_spoiled", name=listener.name, found=found, hint=_mending(listener))

        return cls(
            services=services,
            survival=survival,
            watch=watch,
            board=board,
            children=Children(watch, board),
            sockets=Sockets(inherited, opened, spoiled),
            fdstore=FdStore(services.notifier, inherited),
        )

    def now(self) -> float:
        """Seconds of the clock that everything in the master goes by."""
        return time.monotonic()

    def rows(self) -> dict[int, RequestSeen]:
        """What the scoreboard says of each worker, by serial number."""
        return {child.worker: self.children.seen(child) for child in self.children}

    def addresses(self) -> Mapping[str, str]:
        """Where the service listens, by the names of listeners."""
        return self.sockets.addresses()

    def insist_on_room(self, config: Config) -> None:
        """Refuse a configuration whose workers and templates do not fit on the scoreboard. Raises ConfigError."""
        pools = config.pool.values()
        wanted = sum(self.services.workers_of(pool) + pool.templated for pool in pools)
        if wanted > self.board.capacity:
            problem = f"all pools together need {wanted} processes; the scoreboard has room for {self.board.capacity}"
            raise ConfigError(Fault(problem, "pool.*.workers"))

    def leave_sockets(self, *, last: bool) -> None:
        """Close them here; the ``last`` who serves them takes care that they are closed everywhere."""
        if last:
            self.fdstore.update({})
        self.sockets.close(unlink=last)


def _mending(listener: Listener) -> str:
    if not listener.shut_down:
        return (
            "a worker changed the shared socket, and the master changed it back; check how the application uses sockets"
        )
    if listener.reopens:
        return "a worker shut the shared socket down; a reload opens the listener anew"
    return "a worker shut the shared socket down; only a restart opens this listener anew"
