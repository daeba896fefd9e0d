"""What the master does about each command of the control socket, and when and how it is answered: one class a command.

Rules. A command is the same fact as its signal, so there is one way through the house. An answer follows from the
state of the master and from attempts, which are values that end; never from what was logged. In the master.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from prefork.arbiter import facts
from prefork.arbiter.attempt import Attempt, AttemptState
from prefork.arbiter.facts import Fact, RequestSeen
from prefork.arbiter.fleet import Worker
from prefork.arbiter.master import Master
from prefork.arbiter.overview import overview
from prefork.arbiter.reload import ENDED, ReloadState
from prefork.arbiter.services import Services
from prefork.control import protocol
from prefork.control.protocol import Request

NOTHING_SAID = "failed (no reason known)"


class Surroundings(Protocol):
    """What answers need of the process, besides the policy's state."""

    services: Services

    def now(self) -> float:
        """Seconds of the clock that the policy goes by."""

    def rows(self) -> Mapping[int, RequestSeen]:
        """What the scoreboard says of each worker, by serial number."""

    def addresses(self) -> Mapping[str, str]:
        """Where the service listens, by the names of listeners."""


class Answer:
    """A request that is to be answered. ``facts`` is taken up once, before ``response`` is asked for."""

    def __init__(self, request: Request, master: Master, around: Surroundings) -> None:
        self.request = request
        self.master = master
        self.around = around

    def facts(self) -> Iterable[Fact]:
        """The facts that the request stands for; each is handled before the next is taken."""
        return ()

    def response(self) -> bytes | None:
        """The last line for the client; None while the matter is pending."""
        raise NotImplementedError

    def of_attempt(self, attempt: Attempt, **fields: Any) -> bytes | None:
        """The response that an attempt has come to; ``fields`` are what is told of one that is not refused."""
        if attempt.state in (AttemptState.REFUSED, AttemptState.FAILED):
            return protocol.refused(attempt.reason or NOTHING_SAID)
        if attempt.pending and self.request.wait:
            return None
        return protocol.response(ok=True, **fields)


ANSWERS: dict[str, type[Answer]] = {}


def answers(*commands: str) -> Callable[[type[Answer]], type[Answer]]:
    """Register the class that answers these commands."""

    def register(kind: type[Answer]) -> type[Answer]:
        for command in commands:
            assert command not in ANSWERS, f"{command} is answered already"
            ANSWERS[command] = kind
        return kind

    return register


@answers("status")
class Status(Answer):
    """The whole service as one value."""

    def response(self) -> bytes | None:
        """At once."""
        around = self.around
        about = {"version": around.services.version, "pid": os.getpid(), "config": around.services.title}
        service = overview(self.master, around.rows(), around.now())
        if service["predecessor"] and around.services.handoff:
            service["predecessor"] = around.services.handoff.master
        return protocol.response(ok=True, **about, listeners=dict(around.addresses()), **service)


@answers("deaths")
class Deaths(Answer):
    """The last workers that died unasked or were stuck."""

    def response(self) -> bytes | None:
        """At once; the newest last."""
        now = self.around.now()
        found = [
            {"seconds_ago": round(now - death.at, 3), "outcome": death.outcome, **death.story}
            for death in self.master.fleet.deaths
        ]
        return protocol.response(ok=True, deaths=found)


@answers("reload")
class Reload(Answer):
    """HUP."""

    def facts(self) -> Iterable[Fact]:
        """And keep hold of the attempt that follows from it."""
        yield facts.ReloadRequested()
        self._attempt = self.master.reload.last

    def response(self) -> bytes | None:
        """When the attempt has ended, or what it has come to so far."""
        attempt = self._attempt
        if attempt is None or attempt is not self.master.reload.last:
            return protocol.refused("superseded by another reload", faults=[])
        if attempt.state not in ENDED and self.request.wait:
            return None
        if attempt.state in (ReloadState.REFUSED, ReloadState.SUPERSEDED):
            reason = "\n".join(attempt.faults) or "superseded by another command or signal"
            return protocol.refused(reason, faults=list(attempt.faults))
        return protocol.response(ok=True, state=attempt.state.value, **self.master.reload.summary())


@answers("upgrade")
class Upgrade(Answer):
    """USR2; with ``keep`` the old master keeps serving when the new one is ready."""

    def facts(self) -> Iterable[Fact]:
        """And keep hold of the attempt that follows from it."""
        yield facts.UpgradeRequested(auto=not self.request.given["keep"])
        self._attempt = self.master.upgrade.last

    def response(self) -> bytes | None:
        """When the successor is ready, or has ended: another upgrade may be asked for then."""
        return self.of_attempt(self._attempt, master=os.getpid(), successor=self.master.upgrade.pid)


@answers("scale")
class Scale(Answer):
    """Another number of workers for a pool."""

    def facts(self) -> Iterable[Fact]:
        """And keep hold of the attempt that follows from it."""
        given = self.request.given
        yield facts.ScaleRequested(pool=given["pool"], workers=given["workers"], force=given["force"])
        self._attempt = self.master.scaling

    def response(self) -> bytes | None:
        """When it is decided; the workers boot after that."""
        given = self.request.given
        if self._attempt.pending:
            return None
        return self.of_attempt(self._attempt, pool=given["pool"], workers=given["workers"])


@answers("reopen")
class Reopen(Answer):
    """USR1."""

    def facts(self) -> Iterable[Fact]:
        """And keep hold of the attempt that follows from it."""
        yield facts.ReopenRequested()
        self._attempt = self.master.reopening

    def response(self) -> bytes | None:
        """When every log was tried."""
        if self._attempt.pending:
            return None
        return self.of_attempt(self._attempt, master=os.getpid())


@answers("stop", "quit")
class Stop(Answer):
    """TERM, or QUIT."""

    def facts(self) -> Iterable[Fact]:
        """By its own name in the log."""
        do = self.request.do
        yield facts.StopRequested(graceful=do == "stop", signal=f"preforkctl {do}")

    def response(self) -> bytes | None:
        """At once: the end of the master is seen by its process."""
        return protocol.response(ok=True, master=os.getpid())


@answers("dump")
class Dump(Answer):
    """The stacks of workers, which go on unharmed."""

    def facts(self) -> Iterable[Fact]:
        """For the workers that the client means."""
        self._meant = tuple(one.id for one in self.master.fleet if _names(self.request.given["worker"], one))
        if self._meant:
            yield facts.DumpRequested(self._meant)
            self._attempt = self.master.stalls.last_dump

    def response(self) -> bytes | None:
        """When every worker has written its stacks, or has ended, or has had its time."""
        if not self._meant:
            return protocol.refused(f"there is no worker {self.request.given['worker']}".rstrip())
        if any(self.master.fleet.get(worker) for worker in self._attempt.owed):
            return None
        if not self._attempt.dumps:
            return protocol.refused("the worker is being ended: see preforkctl deaths")
        return protocol.response(ok=True, workers=self._attempt.dumps)


def _names(text: str, worker: Worker) -> bool:
    """Whether a client means this worker: by pid, by pool, by pool/number; the empty text means all."""
    return text in ("", str(worker.pid), worker.pool, f"{worker.pool}/{worker.number}")
