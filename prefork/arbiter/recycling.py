"""Pure. Replacing workers that are healthy, but have grown old, or large, or have served their number of requests.

One at a time in each pool, and the replacement is ready before the old one retires. A worker knows for itself how many
requests it has served and how large it is, and says so; its age is the master's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from prefork.arbiter.fleet import Life, Worker

GOLDEN = 0.618034  # multiples of it, without their whole part, spread evenly however many there are


def old_at(worker: Worker) -> float:
    """When a worker will have reached its age, in seconds of the monotonic clock; inf: never."""
    recycle = worker.settings.recycle
    if not recycle.age:
        return inf
    # Workers that were born together take turns.
    return worker.ready_at + recycle.age * (1 - recycle.jitter * (worker.id * GOLDEN % 1))


def mark(workers: Iterable[Worker], now: float) -> None:
    """Note who has reached its age."""
    for worker in workers:
        if worker.ready and not worker.worn and old_at(worker) <= now:
            worker.worn = "age"


def next_age(workers: Iterable[Worker]) -> float:
    """When the next of them will have reached its age."""
    return min((old_at(worker) for worker in workers if worker.ready and not worker.worn), default=inf)


def whose_turn(workers: Sequence[Worker], generation: int) -> Worker | None:
    """The worn worker of a pool that is replaced now, if it is anybody's turn.

    Nobody is while a generation is being replaced, which renews all, or while the last one is still on its way out.
    """
    if any(worker.serving and worker.generation < generation for worker in workers):
        return None
    if any(worker.worn and worker.life is Life.RETIRING for worker in workers):
        return None
    worn = (worker for worker in workers if worker.ready and worker.worn and worker.generation == generation)
    return next(worn, None)
