"""Pure. What has happened, in the past tense: the only input of the policy besides the time.

A fact about a worker names it by its serial number, which is never used twice: a late report about a worker that
has ended finds nobody and is dropped. Texts that came from a worker are untrusted, and only ever logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefork.arbiter.orders import Order
from prefork.config.models import Config


class Fact:
    """Anything that happened."""

    __slots__ = ()


@dataclass(frozen=True)
class TimePassed(Fact):
    """A deadline is due; nothing else happened."""


@dataclass(frozen=True)
class StopPlan:
    """What comes after a stop. ``restarting``: a master is started next, and the sockets are kept for it.

    ``whole_service``: the other master of an upgrade that is under way stops as well, instead of serving on.
    """

    restarting: bool = False
    whole_service: bool = False


@dataclass(frozen=True)
class StopRequested(Fact):
    """TERM (graceful), QUIT or INT."""

    graceful: bool
    signal: str
    plan: StopPlan = StopPlan()


@dataclass(frozen=True)
class ReloadRequested(Fact):
    """HUP."""


@dataclass(frozen=True)
class UpgradeRequested(Fact):
    """USR2. ``auto``: this master retires when the successor is ready, or does not; None: as the configuration says."""

    auto: bool | None = None


@dataclass(frozen=True)
class ReopenRequested(Fact):
    """USR1."""


@dataclass(frozen=True)
class LogsReopened(Fact):
    """Every log was tried. ``failures``: a sentence for each that could not be opened; its old file is written to."""

    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScaleRequested(Fact):
    """TTIN (+1) or TTOU (-1), for the first pool of the file; or a number of ``workers`` for a pool.

    ``force``: though there may not be memory enough for them.
    """

    change: int = 0
    pool: str = ""
    workers: int = 0
    force: bool = False


@dataclass(frozen=True)
class RoomMeasured(Fact):
    """What there is for more workers of a pool, as MeasureRoom asked. Bytes; 0 where it is not known."""

    pool: str
    workers: int  # that are asked for
    force: bool
    available: int  # memory that the machine, or the container, has left
    each: int  # that a worker of the pool has for itself
    rows: int  # of the scoreboard: no more processes than that, whoever asks


@dataclass(frozen=True)
class DumpRequested(Fact):
    """The stacks of these workers are wanted, of all if there are none; they go on as they are."""

    workers: tuple[int, ...] = ()


@dataclass(frozen=True)
class PauseRequested(Fact):
    """WINCH, without a terminal: retire all workers, keep the sockets."""


@dataclass(frozen=True)
class WorkerSpawned(Fact):
    worker: int
    pid: int


@dataclass(frozen=True)
class SpawnFailed(Fact):
    """The fork failed: there is no such process."""

    worker: int
    reason: str


@dataclass(frozen=True)
class WorkerReady(Fact):
    worker: int


@dataclass(frozen=True)
class BootFailed(Fact):
    """The worker said why it cannot boot; its exit follows."""

    worker: int
    traceback: str


@dataclass(frozen=True)
class AcceptingEnded(Fact):
    """A retiring worker takes no more connections; it finishes those that it has."""

    worker: int


@dataclass(frozen=True)
class RequestStarted(Fact):
    """A worker whose row nobody watched took up a request."""

    worker: int


@dataclass(frozen=True)
class WorkerWarm(Fact):
    """A worker says that it has served as many requests as a template needs; ``served``: as its row says."""

    worker: int
    served: int


@dataclass(frozen=True)
class RecycleDue(Fact):
    """A worker has reached a limit of ``[pool.*.recycle]``; ``reason`` says which. It serves on."""

    worker: int
    reason: str


@dataclass(frozen=True)
class StacksDumped(Fact):
    worker: int
    stacks: str


@dataclass(frozen=True)
class RequestSeen:
    """A row of the scoreboard. ``busy_since`` in seconds of the monotonic clock, 0.0 when idle."""

    busy_since: float = 0.0
    request: str = ""
    served: int = 0
    queued: float = 0.0  # seconds that its connection waited to be accepted


@dataclass(frozen=True)
class ScoreboardRead(Fact):
    """The rows that were asked for, by worker."""

    rows: Mapping[int, RequestSeen]


@dataclass(frozen=True)
class ChildExited(Fact):
    """A worker was reaped. ``ending`` says how in words ("exit code 3"); ``peak_memory`` in bytes.

    ``killed``: by SIGKILL, which it cannot have brought about by what it did.
    """

    worker: int
    ending: str
    clean: bool
    peak_memory: int = 0
    last: RequestSeen = RequestSeen()
    killed: bool = False


@dataclass(frozen=True)
class ConfigLoaded(Fact):
    """The file was read anew and is sound. ``changed``: the keys that differ, by what they take."""

    config: Config
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ListenersOpened(Fact):
    """Every listener of the generation on trial is open."""

    generation: int


@dataclass(frozen=True)
class ReloadRefused(Fact):
    """The file has faults, or one of its listeners cannot be opened; nothing has changed."""

    faults: tuple[str, ...]


@dataclass(frozen=True)
class SuccessorStarted(Fact):
    pid: int


@dataclass(frozen=True)
class SuccessorReady(Fact):
    """The new master serves. The version and interpreter of this master and of the new one, for people."""

    runs_on: str = ""
    successor_runs_on: str = ""


@dataclass(frozen=True)
class SuccessorFailed(Fact):
    """The new master could not be started, or said why it cannot serve."""

    reason: str


@dataclass(frozen=True)
class SuccessorGone(Fact):
    """The new master has ended."""


@dataclass(frozen=True)
class PredecessorGone(Fact):
    """The master that handed over to this one has ended."""


@dataclass(frozen=True)
class OrderFailed(Fact):
    """Something was raised that no fact of the order's own stands for; how much of it was done is not known."""

    order: Order
    reason: str
