"""Pure. Replacing workers that are healthy, but have grown old, or large, or have served their number of requests.

One at a time in each pool, and the replacement is ready before the old one retires. A worker knows for itself how many
requests it has served and how large it is, and says so; its age is the master's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from prefork.arbiter.fleet import Worker, WorkerState

GOLDEN = 0.618034  # multiples of it, without their whole part, spread evenly however many there are


def old_at(worker: Worker) -> float:
    """When a worker will have reached its age, in seconds of the monotonic clock."""
    recycle = worker.settings.recycle
    # Workers that were born together take turns.
    return worker.life.ready_at + recycle.age * (1 - recycle.jitter * (worker.id * GOLDEN % 1))


def mark(workers: Iterable[Worker], now: float) -> None:
    """Mark the workers that have reached the age of their pool's limit."""
    for worker in workers:
        if _ages(worker) and old_at(worker) <= now:
            worker.mark_worn("age")


def next_age(workers: Iterable[Worker]) -> float:
    """When the next worker will have reached its age; inf if none will."""
    return min(map(old_at, filter(_ages, workers)), default=inf)


def _ages(worker: Worker) -> bool:
    return bool(worker.settings.recycle.age) and worker.ready and not worker.life.worn and not worker.template


def whose_turn(workers: Sequence[Worker], generation: int) -> Worker | None:
    """The worn worker of a pool that is replaced now, if it is anybody's turn.

    Nobody is while a generation is being replaced, which renews all, or while the last one is still on its way out.
    """
    turn = None
    for worker in workers:
        if worker.generation < generation and worker.serving:
            return None
        if worker.life.worn:
            if worker.state is WorkerState.RETIRING:
                return None
            if turn is None and worker.ready and worker.generation == generation:
                turn = worker
    return turn
