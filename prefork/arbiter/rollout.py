"""Pure. One generation of a pool replacing another, and fresh workers replacing worn ones.

A pool rolls with at most ``surge`` workers above the wanted number, and each new worker that is ready retires an old
one. So ready capacity never falls because of a reload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prefork.arbiter.fleet import Worker
from prefork.arbiter.recycling import whose_turn


@dataclass(frozen=True)
class Owed:
    """What a pool needs now: so many new workers of its generation, and these retired."""

    spawn: int
    retire: tuple[Worker, ...]
    worn: Worker | None = None  # whose turn it is to be recycled


def owed(workers: Sequence[Worker], *, wanted: int, surge: int, generation: int) -> Owed:
    """What brings a pool nearer to ``wanted`` workers of ``generation``, without ready capacity falling below it."""
    worn = whose_turn(workers, generation)
    serving = [worker for worker in workers if worker.serving and worker.generation <= generation]
    new = [worker for worker in serving if worker.generation == generation and worker is not worn]
    old = [worker for worker in serving if worker.generation < generation or worker is worn]
    useless = [worker for worker in old if not worker.ready]  # it would be replaced the moment it was ready
    old = [worker for worker in old if worker.ready]

    ready = len(old) + sum(worker.ready for worker in new)
    surplus = max(0, ready - wanted)
    retire = useless + old[:surplus]
    # More new ones than wanted (TTOU, a smaller number in the file): first those that serve nobody yet.
    excess = max(0, len(new) - wanted)
    retire += sorted(new, key=lambda worker: (worker.ready, worker.born))[:excess]

    room = wanted + (surge if old else 0) - len(new) - len(old)
    return Owed(spawn=max(0, min(wanted - len(new), room)), retire=tuple(retire), worn=worn)
