"""Pure. How many workers a pool has, and how they are replaced: scaling, surge, rolling, recycling.

A pool rolls with at most ``surge`` workers above the wanted number, and each new worker that is ready retires an old
one. So ready capacity never falls because of a reload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from prefork.arbiter.facts import RoomMeasured
from prefork.arbiter.fleet import Worker
from prefork.arbiter.recycling import whose_turn
from prefork.config.models import Pool

MIB = 1024 * 1024
UNKNOWN_MOST = 64  # workers of a pool, where nobody can tell how much memory one has


@dataclass
class Scale:
    """The number wanted of a pool. An adjustment outlives a reload that leaves the file's number as it was."""

    file: int
    adjustment: int = 0

    @property
    def wanted(self) -> int:
        """How many workers the pool should have."""
        return self.file + self.adjustment

    def change(self, by: int) -> bool:
        """One more or fewer; False if it would leave the pool without a worker."""
        if self.wanted + by < 1:
            return False
        self.adjustment += by
        return True

    def reloaded(self, file: int) -> Scale:
        """What is wanted under a new file."""
        return Scale(file, self.adjustment if file == self.file else 0)


def no_room(fact: RoomMeasured, *, present: int, taken: int) -> str:
    """Why a pool cannot have so many workers, as a sentence; empty if it can.

    ``present``: the workers that the pool has; ``taken``: the rows of the scoreboard that are not to be had.
    """
    most = fact.rows - taken
    if fact.workers > most:
        return f"the scoreboard has rows for {max(0, most)} workers of pool {fact.pool}, not for {fact.workers}"
    if fact.force:
        return ""
    if not fact.available or not fact.each:
        if fact.workers > max(UNKNOWN_MOST, present):
            return f"the memory that a worker needs is not known; more than {UNKNOWN_MOST} workers need --force"
        return ""
    fit = present + fact.available // fact.each
    if fact.workers > fit:
        each, left = fact.each / MIB, fact.available / MIB
        return (
            f"memory for {fit} workers: {left:.0f} MiB are available, a worker has {each:.1f} MiB (--force overrides)"
        )
    return ""


def surge_of(pool: Pool, wanted: int) -> int:
    """How many workers above the wanted number a roll may use: at least one."""
    surge = pool.surge
    if isinstance(surge, int):
        return max(1, surge)
    return max(1, ceil(wanted * float(surge.rstrip("%")) / 100))


@dataclass(frozen=True)
class Owed:
    """What a pool needs now: so many new workers of its generation, and these retired."""

    spawn: int
    retire: tuple[Worker, ...]
    worn: Worker | None = None  # whose turn it is to be recycled


def owed(workers: Sequence[Worker], *, wanted: int, surge: int, generation: int, batch: int) -> Owed:
    """What brings a pool nearer to ``wanted`` workers of ``generation``, without ready capacity falling below it.

    At most ``batch`` of them boot at a time: more would only be in each other's way, and in that of those who serve.
    """
    worn = whose_turn(workers, generation)
    new, old, useless = [], [], []
    for worker in workers:
        if not worker.serving or worker.generation > generation:
            continue
        if worker.generation == generation and worker is not worn:
            new.append(worker)
        elif worker.ready:
            old.append(worker)
        else:
            useless.append(worker)  # it would be replaced the moment it was ready

    ready = len(old) + sum(worker.ready for worker in new)
    surplus = max(0, ready - wanted)
    retire = useless + old[:surplus]
    if len(new) > wanted:
        # TTOU, or a smaller number in the file: first those that serve nobody yet.
        retire += sorted(new, key=lambda worker: (worker.ready, worker.born))[: len(new) - wanted]

    room = wanted + (surge if old else 0) - len(new) - len(old)
    booting = sum(not worker.ready for worker in new)
    return Owed(spawn=max(0, min(wanted - len(new), room, batch - booting)), retire=tuple(retire), worn=worn)
