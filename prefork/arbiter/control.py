"""The control socket in the master: who asks, what becomes facts, and who is still to be answered.

Rules. It follows the configuration: the socket of another one is opened before the old one is closed, and who waits is
carried over. Who waits is told of every event that is logged meanwhile; what a command does and how it is answered is
in ``answers``.

Diagnostics. ``control_request`` (who asked for what), ``control_not_renewed``, ``control_lost``,
``control_accept_failed`` (no descriptor or no memory for one more client), ``control_failed`` (with a traceback).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from prefork.arbiter import orders
from prefork.arbiter.answers import ANSWERS, Answer, Surroundings
from prefork.arbiter.facts import Fact
from prefork.arbiter.master import Master
from prefork.arbiter.services import ControlServer
from prefork.arbiter.survival import Survival
from prefork.arbiter.watch import Watch
from prefork.config.models import Config, Control
from prefork.control import protocol
from prefork.errors import BindError, PreforkError

QUIET = ("debug",)  # levels of events that nobody is told of


class Host(Surroundings, Protocol):
    """What the controller uses of the process that it is in: ``Resources``."""

    watch: Watch
    survival: Survival


@dataclass
class Wait:
    """A client that is to be answered."""

    answer: Answer
    taken: bool = False  # the master has been told the facts that the request stands for


class Controller:
    """One for the life of a master; without ``[control]`` it has no socket, and nobody asks."""

    def __init__(self, host: Host, master: Master) -> None:
        self._host = host
        self._master = master
        self._server: ControlServer | None = None
        self._trial: ControlServer | None = None
        self._waits: dict[int, Wait] = {}
        self._hindered = False  # nobody could be accepted when it was looked at last

    # The socket.

    def open(self, config: Config, *, over: int | None = None) -> None:
        """Open what the configuration has, beside what is open. Raises BindError, and has then changed nothing.

        ``over``: the path is taken over from the master of this pid, 0 if it has ended.
        """
        wanted, server = config.control, self._server
        if wanted is None:
            return
        if server is None or not server.listening or server.path != wanted.socket or not server.reachable:
            self._trial = self._opened(wanted, config, over)

    def adopt(self, config: Config) -> None:
        """This configuration is in force."""
        if self._trial:
            self._host.watch.add(self._trial.fileno(), self.asked)  # first: should it fail, it is tried again
            before, self._server, self._trial = self._server, self._trial, None
            again = before is not None and before.listening and before.path == self._server.path
            told = {"reason": "the file of the socket was removed or replaced"} if again else {}
            self._host.services.log.info("control_opened", path=self._server.path, **told)
            if before:
                self._server.take_clients(before)  # one of them may wait for this very reload
                self._hang_up(before, unlink=True)
        elif self._server and config.control is None:
            self._server.deafen()  # who waits is answered yet
        elif self._server and self._server.holds_path:
            try:
                self._server.renew(self._host.services.control_manner(config))
            except (OSError, PreforkError) as error:
                self._host.services.log.error("control_not_renewed", reason=str(error))

    def drop(self) -> None:
        """The configuration on trial is not to be."""
        if self._trial:
            self._trial.close(unlink=True)
            self._trial = None

    def reclaim(self) -> None:
        """A successor that had taken the path over has ended: it leads here again."""
        config = self._master.config
        if config.control is None or (self._server and self._server.holds_path):
            return
        try:
            self._trial = self._opened(config.control, config, 0)
        except BindError as error:
            self._host.services.log.error("control_lost", reason=str(error))
        else:
            self.adopt(config)

    def leave(self) -> set[int]:
        """Let go of the sockets in a child of the master, without a word; the descriptors that were watched."""
        servers = [server for server in (self._server, self._trial) if server]
        watched = {server.fileno() for server in servers}
        for server in servers:
            server.leave()
        return watched

    def close(self, *, unlink: bool) -> None:
        """Hang up; the path goes where it is still ours, if ``unlink``."""
        if self._server:
            self._hang_up(self._server, unlink=unlink)
            self._server = None
            self._waits.clear()

    def _hang_up(self, server: ControlServer, *, unlink: bool) -> None:
        self._host.watch.remove(server.fileno())
        server.close(unlink=unlink)

    def _opened(self, control: Control, config: Config, over: int | None) -> ControlServer:
        manner = self._host.services.control_manner(config)
        return self._host.services.open_control(control.socket, manner, over)

    # What is asked.

    def asked(self) -> Iterator[Fact]:
        """The facts that clients ask for."""
        assert self._server is not None
        requests = self._server.turn()
        self._look_at_hindrance(self._server)
        for asking in requests:
            request = asking.request
            if not request.command.looks:
                given = {name: value for name, value in request.given.items() if value}
                self._host.services.log.info(
                    "control_request", do=request.do, by_uid=asking.uid, by_pid=asking.pid, **given
                )
            wait = self._waits[asking.client] = Wait(ANSWERS[request.do](request, self._master, self._host))
            try:
                yield from wait.answer.facts()
                wait.taken = True
            except Exception as error:  # one client's request is no more than its own
                self._fail(asking.client, error)
            self.settle()

    def _fail(self, client: int, error: Exception) -> None:
        """A request cannot be answered as it should: the client is told, and waits no more."""
        del self._waits[client]
        reason = self._host.survival.note("control_failed", error)
        if self._server:
            self._server.say(client, protocol.refused(reason), last=True)

    def _look_at_hindrance(self, server: ControlServer) -> None:
        """Without descriptors or memory nobody can be accepted: the socket rests, and the log says so once."""
        if server.hindrance:
            self._host.watch.rest(server.fileno())
        if server.hindrance and not self._hindered:
            hint = "raise the limit of open files (ulimit -n, LimitNOFILE=)"
            self._host.services.log.error("control_accept_failed", reason=server.hindrance, hint=hint)
        self._hindered = bool(server.hindrance)

    # What is told.

    def reported(self, report: orders.Report) -> None:
        """An event is being logged: those who wait for the end of something are told of it."""
        if report.level in QUIET or self._server is None:
            return
        for client, wait in self._waits.items():
            if wait.answer.request.wait:
                self._server.say(client, protocol.event(report.event, report.fields))

    def settle(self) -> None:
        """Answer those whose matter has come to its end."""
        if self._server is None:
            return
        for client, wait in tuple(self._waits.items()):
            try:
                line = wait.answer.response() if wait.taken else None
            except Exception as error:  # one client's answer is no more than its own
                self._fail(client, error)
                continue
            if line is not None:
                self._server.say(client, line, last=True)
            if line is not None or not self._server.has(client):
                del self._waits[client]
        if not self._waits and not self._server.listening:
            self.close(unlink=True)
