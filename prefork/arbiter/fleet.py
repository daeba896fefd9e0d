"""Pure. The worker table and the life of a worker.

Everything that changes a worker's state goes through ``Fleet.move``, which sets the deadline of the new state: the
state machine is the table ``NEXT``, and there is no other. What a worker is never changes; how far it has come is its
``life``, and what is known of its requests is its ``watch``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from prefork.arbiter import policy
from prefork.arbiter.facts import RequestSeen
from prefork.config.models import Pool

DEATHS_KEPT = 64


class ServiceState(Enum):
    """Where the service stands as a whole."""

    STARTING = "starting"  # not every pool has been up yet: what cannot boot ends the master
    SERVING = "serving"  # from now on the master never gives up
    STOPPING = "stopping"


class WorkerState(Enum):
    """The states of a worker's life, as adjectives."""

    BOOTING = "booting"  # forked, not ready yet
    READY = "ready"  # it accepts
    RETIRING = "retiring"  # asked to finish
    STUCK = "stuck"  # past a deadline: its stacks are being written down
    ABORTED = "aborted"  # ABRT was sent
    QUITTING = "quitting"  # QUIT was sent
    KILLED = "killed"  # KILL was sent: only the kernel can be late


class WorkerEvent(Enum):
    """What moves a worker from one life to the next."""

    BOOTED = "booted"
    RETIRE = "retire"
    QUIT = "quit"
    OVERDUE = "overdue"


class Limit(Enum):
    """How long a worker may stay in a state."""

    NONE = "none"
    GRACEFUL = "graceful"  # of its pool's settings; where that is switched off, the limit that it had goes on
    STACKS = "stacks"
    ABORT = "abort"
    QUIT = "quit"

    def seconds(self, settings: Pool) -> float:
        """The time from the step into the state to its deadline; inf where there is none."""
        if self is Limit.GRACEFUL:
            return policy.graceful_within(settings)
        return LIMITS[self]


LIMITS = {
    Limit.NONE: inf,  # of a worker that serves, and of one that only the kernel can be late with
    Limit.STACKS: policy.STACKS_WITHIN,
    Limit.ABORT: policy.ABORT_WITHIN,
    Limit.QUIT: policy.QUIT_WITHIN,
}

# (state, event) -> (state, how long it may stay there). A pair that is missing cannot happen or changes nothing;
# ``Fleet.move`` says which.
NEXT: dict[tuple[WorkerState, WorkerEvent], tuple[WorkerState, Limit]] = {
    (WorkerState.BOOTING, WorkerEvent.BOOTED): (WorkerState.READY, Limit.NONE),
    # It serves nobody yet, or has not been heard to.
    (WorkerState.BOOTING, WorkerEvent.RETIRE): (WorkerState.RETIRING, Limit.GRACEFUL),
    (WorkerState.BOOTING, WorkerEvent.QUIT): (WorkerState.QUITTING, Limit.QUIT),
    (WorkerState.BOOTING, WorkerEvent.OVERDUE): (WorkerState.STUCK, Limit.STACKS),
    (WorkerState.READY, WorkerEvent.RETIRE): (WorkerState.RETIRING, Limit.GRACEFUL),
    (WorkerState.READY, WorkerEvent.QUIT): (WorkerState.QUITTING, Limit.QUIT),
    (WorkerState.READY, WorkerEvent.OVERDUE): (WorkerState.STUCK, Limit.STACKS),
    (WorkerState.RETIRING, WorkerEvent.QUIT): (WorkerState.QUITTING, Limit.QUIT),
    (WorkerState.RETIRING, WorkerEvent.OVERDUE): (WorkerState.STUCK, Limit.STACKS),
    # Its stacks are complete, or none came.
    (WorkerState.STUCK, WorkerEvent.OVERDUE): (WorkerState.ABORTED, Limit.ABORT),
    (WorkerState.STUCK, WorkerEvent.QUIT): (WorkerState.KILLED, Limit.NONE),
    (WorkerState.ABORTED, WorkerEvent.OVERDUE): (WorkerState.KILLED, Limit.NONE),
    (WorkerState.ABORTED, WorkerEvent.QUIT): (WorkerState.KILLED, Limit.NONE),
    (WorkerState.QUITTING, WorkerEvent.OVERDUE): (WorkerState.KILLED, Limit.NONE),
}
WORKING = frozenset({WorkerState.READY, WorkerState.RETIRING})  # they may have a request


@dataclass
class DumpAttempt:
    """The stacks that an operator asked for. It has ended when none is ``owed`` (serial numbers of workers)."""

    owed: set[int] = field(default_factory=set)
    dumps: list[Mapping[str, object]] = field(default_factory=list)  # one a worker, as it is logged


@dataclass
class Dump:
    """Stacks that were asked of a worker that goes on. ``due``: when they are complete, or never will be."""

    due: float
    slow: bool = False  # its request is slow
    attempts: list[DumpAttempt] = field(default_factory=list)  # of those who want to see them
    stacks: str = ""


@dataclass
class Life:
    """How far a worker has come, and what has become of it. State and deadline are set by ``Fleet.move``."""

    deadline: float
    state: WorkerState = WorkerState.BOOTING
    pid: int = 0
    ready_at: float = inf
    worn: str = ""  # which limit of [pool.*.recycle] it has reached: it is to be replaced
    cause: str = ""  # why it was made to end; empty: it was not
    unwanted: bool = False  # it was asked to end: its death is no surprise
    accepts: bool = True  # as far as it has told us
    refused: bool = False  # of a template: what its workers have become by now does not survive a fork
    stacks: str = ""
    failure: str = ""  # the traceback of its boot


@dataclass
class Watch:
    """What the master knows of a worker's requests, and when it looks again."""

    look_at: float = inf  # when its row is due to be read
    last: RequestSeen = field(default_factory=RequestSeen)
    dump: Dump | None = None
    slow_told: float = 0.0  # since when the request runs that was last told of as slow


@dataclass(frozen=True, eq=False)
class Worker:
    """One process, from the order to fork until it is reaped: a worker, or a template, whose life is the same.

    What it is never changes; ``life`` and ``watch`` do. Times in seconds of the monotonic clock.
    """

    id: int
    pool: str
    number: int
    slot: int
    generation: int
    settings: Pool  # of its own generation: the timeouts that it was born with
    born: float
    life: Life
    template: bool = False  # it serves nobody: workers are forked from it
    level: int = 0  # how often a warm worker has become the template, from the application's import to this one
    source: int = 0  # the serial number of the template that forks it; 0: the master does
    watch: Watch = field(default_factory=Watch)

    @property
    def state(self) -> WorkerState:
        """The state of life that the worker is in now."""
        return self.life.state

    @property
    def pid(self) -> int:
        """The pid of the worker's process; 0 while it is not known."""
        return self.life.pid

    @property
    def dump(self) -> Dump | None:
        """The stacks that are being taken of the worker while it goes on; None if there are none."""
        return self.watch.dump

    @property
    def serving(self) -> bool:
        """Whether the worker counts towards the number of its pool: it is ready, or boots."""
        return self.life.state is WorkerState.READY or self.life.state is WorkerState.BOOTING

    @property
    def ready(self) -> bool:
        """Whether the worker accepts, and nobody has asked it to stop."""
        return self.life.state is WorkerState.READY

    @property
    def was_ready(self) -> bool:
        """Whether the worker has ever been ready, whatever it is now."""
        return self.life.ready_at < inf

    def shares_listener(self, other: Worker) -> bool:
        """Whether both workers get the same connections; a pool that names no listeners has all of them."""
        ours, theirs = self.settings.listen, other.settings.listen
        return not ours or not theirs or not set(ours).isdisjoint(theirs)

    def mark_worn(self, reason: str) -> None:
        """Mark the worker as one that is to be replaced; the first reason stays."""
        self.life.worn = self.life.worn or reason

    def describe(self) -> dict[str, object]:
        """The fields by which logs name a worker."""
        number = {} if self.template else {"worker": self.number}
        return {"pool": self.pool, **number, "pid": self.life.pid, "generation": self.generation}

    @property
    def kind(self) -> str:
        """What the process is, ``worker`` or ``template``, as names of events begin."""
        return "template" if self.template else "worker"

    def describe_request(self, now: float) -> dict[str, object]:
        """The fields of the request that the worker is at, as far as its row was read."""
        seen = self.watch.last
        if not seen.busy_since:
            return {}
        fields: dict[str, object] = {"request": seen.request, "busy_seconds": round(now - seen.busy_since, 3)}
        return {**fields, "queue_seconds": round(seen.queued, 3)} if seen.queued else fields


@dataclass(frozen=True)
class Death:
    """What is remembered of a worker that ended unasked, or was found stuck and is being ended. ``at`` in seconds."""

    at: float
    outcome: str  # "died" or "stuck"
    story: Mapping[str, object]  # as it is logged


class Fleet:
    """The workers there are, and the last that died."""

    def __init__(self) -> None:
        self.deaths: deque[Death] = deque(maxlen=DEATHS_KEPT)
        self._workers: dict[int, Worker] = {}
        self._serial = 0

    def __iter__(self) -> Iterator[Worker]:
        return iter(tuple(self._workers.values()))

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, worker: int) -> Worker | None:
        """The worker of a serial number; None once it has ended."""
        return self._workers.get(worker)

    def of(self, pool: str) -> list[Worker]:
        """The workers of a pool, in the order of their birth."""
        return [worker for worker in self._workers.values() if worker.pool == pool and not worker.template]

    @property
    def templates(self) -> list[Worker]:
        """The processes that workers are forked from."""
        return [worker for worker in self._workers.values() if worker.template]

    def enlist(
        self,
        pool: str,
        settings: Pool,
        generation: int,
        now: float,
        *,
        template: bool = False,
        level: int = 0,
        source: int = 0,
    ) -> Worker:
        """A new worker, with the lowest number in its pool, the lowest slot that nobody has, and a time to boot."""
        self._serial += 1
        worker = Worker(
            id=self._serial,
            pool=pool,
            number=0 if template else _lowest(1, (other.number for other in self.of(pool))),
            template=template,
            level=level,
            source=source,
            slot=_lowest(0, (other.slot for other in self._workers.values())),
            generation=generation,
            settings=settings,
            born=now,
            life=Life(now + policy.limit(settings.timeout.boot), accepts=not template),
        )
        self._workers[worker.id] = worker
        return worker

    def strike(self, worker: Worker) -> None:
        """Remove a worker that has ended."""
        del self._workers[worker.id]

    def move(self, worker: Worker, step: WorkerEvent, now: float) -> bool:
        """Take a step of life; False where the table has none, so that nothing is ordered twice."""
        if (worker.state, step) not in NEXT:
            return False
        life = worker.life
        life.state, limit = NEXT[worker.state, step]
        if step is WorkerEvent.BOOTED:
            life.ready_at = now
        seconds = limit.seconds(worker.settings)
        if limit is not Limit.GRACEFUL or seconds < inf:
            life.deadline = now + seconds
        if life.state not in WORKING:
            worker.watch.look_at = inf
        return True


def _lowest(start: int, taken: Iterable[int]) -> int:
    numbers = set(taken)
    while start in numbers:
        start += 1
    return start
