"""Where what is asked over the control socket becomes facts, and what became of them is told.

A command is the same fact as its signal, so there is one way through the house. Who waits is told of every event that
is logged meanwhile, and of the end. In the master.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.arbiter import facts, orders
from prefork.arbiter.facts import Fact
from prefork.arbiter.fleet import Worker
from prefork.arbiter.overview import overview
from prefork.arbiter.reload import ENDED, ReloadState
from prefork.arbiter.upgrade.policy import UpgradeState
from prefork.config.models import Config, Control
from prefork.control import protocol
from prefork.control.protocol import Request
from prefork.errors import BindError, PreforkError

if TYPE_CHECKING:
    from prefork.arbiter.loop import Arbiter
    from prefork.arbiter.services import ControlServer

DEATHS_KEPT = 64
HEARD_KEPT = 256  # events that are kept for a client that waits
QUIET = ("debug",)  # levels of events that nobody is told of


@dataclass
class Wait:
    """A client that is to be answered. ``heard``: what was logged since it asked."""

    request: Request
    taken: bool = False  # the master has been told the fact that was asked for
    heard: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=HEARD_KEPT))
    serial: int = 0  # of the reload that it asked for
    workers: tuple[int, ...] = ()  # whose stacks it waits for

    def refused(self, *events: str) -> str:
        """Why not, if one of these events was heard."""
        return next((str(heard.get("reason")) for heard in self.heard if heard["event"] in events), "")


class Controller:
    """One for the life of a master; without ``[control]`` it has no socket, and nobody asks."""

    def __init__(self, arbiter: Arbiter) -> None:
        self._arbiter = arbiter
        self._server: ControlServer | None = None
        self._trial: ControlServer | None = None
        self._waits: dict[int, Wait] = {}
        self._deaths: deque[tuple[float, dict[str, Any]]] = deque(maxlen=DEATHS_KEPT)

    # The socket.

    def open(self, config: Config, *, over: int | None = None) -> None:
        """Open what the configuration has, beside what is open. Raises BindError, and has then changed nothing.

        ``over``: the path is taken over from the master of this pid, 0 if it has ended.
        """
        wanted, server = config.control, self._server
        if wanted and (server is None or not server.listening or server.path != wanted.socket):
            self._trial = self._opened(wanted, config, over)

    def adopt(self, config: Config) -> None:
        """This configuration is in force."""
        if self._trial:
            before, self._server, self._trial = self._server, self._trial, None
            self._arbiter.watch(self._server.fileno(), self.asked)
            if before:
                self._server.take_clients(before)  # one of them may wait for this very reload
                self._hang_up(before, unlink=True)
        elif self._server and config.control is None:
            self._server.deafen()  # who waits is answered yet
        elif self._server and self._server.holds_path:
            try:
                self._server.renew(self._arbiter.services.control_manner(config))
            except (OSError, PreforkError) as error:
                self._arbiter.services.log.error("control_not_renewed", reason=str(error))

    def drop(self) -> None:
        """The configuration on trial is not to be."""
        if self._trial:
            self._trial.close(unlink=True)
            self._trial = None

    def reclaim(self) -> None:
        """A successor that had taken the path over has ended: it leads here again."""
        config = self._arbiter.master.config
        if config.control is None or (self._server and self._server.holds_path):
            return
        try:
            self._trial = self._opened(config.control, config, 0)
        except BindError as error:
            self._arbiter.services.log.error("control_lost", reason=str(error))
        else:
            self.adopt(config)

    def filenos(self) -> set[int]:
        """What the loop watches for the control socket."""
        return {server.fileno() for server in (self._server, self._trial) if server}

    def leave(self) -> None:
        """Let go of the sockets in a child of the master, without a word to anybody."""
        for server in (self._server, self._trial):
            if server:
                server.leave()

    def close(self, *, unlink: bool) -> None:
        """Hang up; the path goes where it is still ours, if ``unlink``."""
        if self._server:
            self._hang_up(self._server, unlink=unlink)
            self._server = None
            self._waits.clear()

    def _hang_up(self, server: ControlServer, *, unlink: bool) -> None:
        self._arbiter.unwatch(server.fileno())
        server.close(unlink=unlink)

    def _opened(self, control: Control, config: Config, over: int | None) -> ControlServer:
        manner = self._arbiter.services.control_manner(config)
        return self._arbiter.services.open_control(control.socket, manner, over)

    # What is asked.

    def asked(self) -> Iterator[Fact]:
        """The facts that clients ask for."""
        assert self._server is not None
        for asking in self._server.turn():
            request = asking.request
            if request.do not in ASIDE:
                log = self._arbiter.services.log
                log.info("control_request", do=request.do, by_uid=asking.uid, by_pid=asking.pid)
            wait = self._waits[asking.client] = Wait(request)
            yield from FACTS[request.do](self, wait)
            wait.taken = True
            self.settle()

    def _nothing(self, _wait: Wait) -> Iterable[Fact]:
        return ()

    def _reload(self, wait: Wait) -> Iterable[Fact]:
        yield facts.ReloadRequested()
        last = self._arbiter.master.reload.last
        wait.serial = last.serial if last else 0

    def _upgrade(self, wait: Wait) -> Iterable[Fact]:
        yield facts.UpgradeRequested(auto=not wait.request.keep)

    def _scale(self, wait: Wait) -> Iterable[Fact]:
        yield facts.ScaleRequested(pool=wait.request.pool, workers=wait.request.workers)

    def _reopen(self, _wait: Wait) -> Iterable[Fact]:
        yield facts.ReopenRequested()

    def _stop(self, wait: Wait) -> Iterable[Fact]:
        yield facts.StopRequested(graceful=wait.request.do == "stop", signal=f"preforkctl {wait.request.do}")

    def _dump(self, wait: Wait) -> Iterable[Fact]:
        wait.workers = tuple(one.id for one in self._arbiter.master.fleet if _names(wait.request.worker, one))
        if wait.workers:
            yield facts.DumpRequested(wait.workers)

    # What is told.

    def heard(self, report: orders.Report) -> None:
        """An event is being logged."""
        told = {"event": report.event, **report.fields}
        if report.event.endswith(("_died", "_stuck")):
            self._deaths.append((self._arbiter.now(), told))
        if report.level in QUIET or self._server is None:
            return
        for client, wait in self._waits.items():
            wait.heard.append(told)
            if wait.request.wait:
                self._server.say(client, protocol.event(report.event, report.fields))

    def settle(self) -> None:
        """Answer those whose matter has come to its end."""
        if self._server is None:
            return
        for client, wait in tuple(self._waits.items()):
            line = ANSWERS[wait.request.do](self, wait) if wait.taken else None
            if line is not None:
                self._server.say(client, line, last=True)
            if line is not None or not self._server.has(client):
                del self._waits[client]
        if not self._waits and not self._server.listening:
            self.close(unlink=True)

    def _tell_status(self, _wait: Wait) -> bytes | None:
        arbiter = self._arbiter
        rows = {child.worker: arbiter.seen(child) for child in arbiter.children.values()}
        about = {"version": arbiter.services.version, "pid": os.getpid(), "config": arbiter.services.title}
        listeners = arbiter.sockets.addresses()
        return protocol.answer(ok=True, **about, listeners=listeners, **overview(arbiter.master, rows, arbiter.now()))

    def _tell_reload(self, wait: Wait) -> bytes | None:
        last = self._arbiter.master.reload.last
        if last is None or last.serial != wait.serial:
            return protocol.answer(ok=False, reason="superseded by another reload", faults=[])
        if last.state not in ENDED and wait.request.wait:
            return None
        if last.state in (ReloadState.REFUSED, ReloadState.SUPERSEDED):
            reason = "\n".join(last.faults) or "superseded by what was asked meanwhile"
            return protocol.answer(ok=False, reason=reason, faults=list(last.faults))
        return protocol.answer(ok=True, state=last.state.value, **self._arbiter.master.reload.summary())

    def _tell_upgrade(self, wait: Wait) -> bytes | None:
        reason = wait.refused("upgrade_refused", "upgrade_failed")
        if reason:
            # When that is answered, another upgrade may be asked for: the successor has ended.
            over = wait.refused("upgrade_refused") or self._arbiter.master.upgrade.state is UpgradeState.NONE
            return protocol.answer(ok=False, reason=reason) if over or not wait.request.wait else None
        events = {heard["event"] for heard in wait.heard}
        if "upgrade_ended" in events:
            return protocol.answer(ok=False, reason="the new master ended before it was ready; its log may say why")
        if "upgrade_ready" in events or not wait.request.wait:
            return protocol.answer(ok=True, master=os.getpid(), successor=self._arbiter.master.upgrade.pid)
        return None

    def _tell_scale(self, wait: Wait) -> bytes | None:
        reason = wait.refused("scale_refused")
        if reason:
            return protocol.answer(ok=False, reason=reason)
        return protocol.answer(ok=True, pool=wait.request.pool, workers=wait.request.workers)

    def _tell_done(self, wait: Wait) -> bytes | None:
        failure = wait.refused("log_not_reopened")
        if failure:
            return protocol.answer(ok=False, reason=failure)
        return protocol.answer(ok=True, master=os.getpid())

    def _tell_dump(self, wait: Wait) -> bytes | None:
        there = [worker for worker in map(self._arbiter.master.fleet.get, wait.workers) if worker]
        if any(worker.dump and worker.dump.asked for worker in there):
            return None
        dumped = [heard for heard in wait.heard if heard["event"] == "worker_dumped"]
        if not dumped:
            reason = "it is being ended: see deaths" if there else f"there is no such worker: {wait.request.worker}"
            return protocol.answer(ok=False, reason=reason)
        return protocol.answer(ok=True, workers=dumped)

    def _tell_deaths(self, _wait: Wait) -> bytes | None:
        now = self._arbiter.now()
        return protocol.answer(
            ok=True, deaths=[{"seconds_ago": round(now - when, 3), **told} for when, told in self._deaths]
        )


def _names(text: str, worker: Worker) -> bool:
    """Whether a client means this worker: by pid, by pool, by pool/number; the empty text means all."""
    return text in ("", str(worker.pid), worker.pool, f"{worker.pool}/{worker.number}")


FACTS: dict[str, Callable[[Controller, Wait], Iterable[Fact]]] = {
    "status": Controller._nothing,
    "reload": Controller._reload,
    "upgrade": Controller._upgrade,
    "scale": Controller._scale,
    "reopen": Controller._reopen,
    "stop": Controller._stop,
    "quit": Controller._stop,
    "dump": Controller._dump,
    "deaths": Controller._nothing,
}
ANSWERS: dict[str, Callable[[Controller, Wait], bytes | None]] = {
    "status": Controller._tell_status,
    "reload": Controller._tell_reload,
    "upgrade": Controller._tell_upgrade,
    "scale": Controller._tell_scale,
    "reopen": Controller._tell_done,
    "stop": Controller._tell_done,
    "quit": Controller._tell_done,
    "dump": Controller._tell_dump,
    "deaths": Controller._tell_deaths,
}
ASIDE = ("status", "deaths")  # they change nothing: nobody needs to know who looked
