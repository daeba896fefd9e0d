"""Pure. What is to be done, in the imperative: the only output of the policy.

``executor.py`` has one small method an order. An order is given once for each cause. Whatever goes wrong in carrying
it out is answered with a fact: with one of its own, or with OrderFailed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from signal import Signals
from typing import Any

from prefork.config.models import Config


class Order:
    """Anything that is to be done: the base of all orders."""

    __slots__ = ()


@dataclass(frozen=True)
class SpawnWorker(Order):
    """Fork a worker. Answered by WorkerSpawned or SpawnFailed; where a template forks, WorkerSpawned comes later."""

    worker: int
    pool: str
    number: int  # within the pool, for people
    slot: int  # of the scoreboard
    generation: int
    config: Config
    template: int = 0  # the serial number of the template that forks it; 0: the master does
    warm_at: int = 0  # after so many requests it says that it could be a template; 0: never


@dataclass(frozen=True)
class SpawnTemplate(Order):
    """Start the process that a pool's workers of a generation are forked from. Answered as SpawnWorker is."""

    worker: int
    pool: str
    slot: int
    generation: int
    config: Config
    source: int = 0  # the serial number of the warm worker that forks it; 0: the master does


@dataclass(frozen=True)
class RetireWorker(Order):
    """Have the worker finish. ``drain``: nobody will accept after it, so it serves the accept queue first."""

    worker: int
    drain: bool


@dataclass(frozen=True)
class KillWorker(Order):
    worker: int
    signal: Signals


@dataclass(frozen=True)
class DumpStacks(Order):
    """Have the stacks of every thread of the worker written down. Answered by StacksDumped, if it still can.

    ``expired``: it is to be ended for being stuck, and may tell its clients so.
    """

    worker: int
    expired: bool = False


@dataclass(frozen=True)
class WatchWorker(Order):
    """Say in the worker's row whether it has to ring. Answered by RequestStarted if it was just too late."""

    worker: int
    watching: bool


@dataclass(frozen=True)
class ReadScoreboard(Order):
    """Read the rows of these workers. Answered by ScoreboardRead."""

    workers: tuple[int, ...]


@dataclass(frozen=True)
class MeasureRoom(Order):
    """See whether there is room for so many workers of a pool. Answered by RoomMeasured."""

    pool: str
    workers: int
    force: bool
    like: tuple[int, ...]  # ready workers of the pool: what they have, the new ones will have


@dataclass(frozen=True)
class LookAgain(Order):
    """Have these workers look at their listeners: a wake-up may have died with the process that got it."""

    workers: tuple[int, ...]


@dataclass(frozen=True)
class LoadConfig(Order):
    """Read the configuration. Answered by ConfigLoaded or ReloadRefused."""


@dataclass(frozen=True)
class OpenListeners(Order):
    """Open what the configuration has and no generation had. Answered by ListenersOpened or ReloadRefused."""

    generation: int
    config: Config


@dataclass(frozen=True)
class AdoptGeneration(Order):
    """Put a generation in force: close the listeners that it does not have, apply what is applied live."""

    generation: int
    config: Config


@dataclass(frozen=True)
class DropGeneration(Order):
    """Give up a generation that failed its trial: close the listeners that only it has."""

    generation: int


@dataclass(frozen=True)
class StopListening(Order):
    """Close the master's own copies of the listeners, so that the last worker's drain is the last close.

    ``last``: no other master serves them, or will, so nobody is to connect any more, and the paths of unix sockets go
    as well.
    """

    last: bool


@dataclass(frozen=True)
class ReopenLogs(Order):
    """Open every log anew. Answered by LogsReopened."""


@dataclass(frozen=True)
class Reexec(Order):
    """Start a successor. Answered by SuccessorStarted or SuccessorFailed."""


@dataclass(frozen=True)
class KillSuccessor(Order):
    signal: Signals


@dataclass(frozen=True)
class RetirePredecessor(Order):
    """Have the predecessor stop gracefully, unless it is stopping."""


@dataclass(frozen=True)
class RestorePidfile(Order):
    """Take the name of the pidfile back from a successor that has ended."""


@dataclass(frozen=True)
class CloseUnclaimed(Order):
    """Close the listeners that the predecessor had and the configuration does not have: the predecessor has ended."""


@dataclass(frozen=True)
class AnnounceReady(Order):
    """Tell whoever waits for it (the launching shell, a predecessor) that the service is up."""


@dataclass(frozen=True)
class Report(Order):
    """One event for the log."""

    level: str
    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def report(level: str, event: str, **fields: Any) -> Report:
    """A Report order, with the event's name and fields in the order in which they are logged."""
    return Report(level, event, fields)


@dataclass(frozen=True)
class Exit(Order):
    """End the master: no child is left. ``reason`` is for the terminal of whoever started it."""

    code: int
    reason: str = ""
