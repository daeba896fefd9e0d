"""Pure. The state of the whole service as one value, for whoever asks: plain numbers, texts, lists and tables."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from prefork.arbiter.facts import RequestSeen
from prefork.arbiter.fleet import Worker
from prefork.arbiter.master import Master


def overview(master: Master, rows: Mapping[int, RequestSeen], now: float) -> dict[str, Any]:
    """The state of the service for ``status``.

    ``rows``: what the scoreboard says of each worker; ``now``: seconds of the monotonic clock.
    """
    return {
        "state": master.state.value,
        "generation": master.generation,
        "paused": master.pools.paused,
        "reload": _reload(master, now),
        "upgrade": {"state": master.upgrade.state.value, "successor": master.upgrade.pid},
        "predecessor": master.predecessor,
        "pools": {name: _pool(master, name, now) for name in master.pools},
        "workers": [_worker(worker, rows.get(worker.id, RequestSeen()), now) for worker in master.fleet],
    }


def _reload(master: Master, now: float) -> dict[str, Any] | None:
    last = master.reload.last
    if last is None:
        return None
    ended = {"ended_seconds_ago": round(now - last.ended, 3)} if last.ended < inf else {}
    return {
        "state": last.state.value,
        "began_seconds_ago": round(now - last.began, 3),
        **ended,
        "faults": list(last.faults),
    }


def _pool(master: Master, name: str, now: float) -> dict[str, Any]:
    ready = [w for w in master.fleet.of(name) if w.ready and w.generation == master.generation]
    backoff = master.pools.backoff_of(name)
    return {
        "wanted": master.pools.wanted(name),
        "ready": len(ready),
        "failures": backoff.failures,
        "next_try_in": max(0.0, round(master.pools.not_before(name) - now, 1)) if backoff.failures else 0.0,
    }


def _worker(worker: Worker, seen: RequestSeen, now: float) -> dict[str, Any]:
    busy = {"request": seen.request, "busy_seconds": round(now - seen.busy_since, 3)} if seen.busy_since else {}
    return {
        **worker.describe(),
        "kind": worker.kind,
        "state": worker.state.value,
        "age": round(now - worker.born, 1),
        "served": seen.served,
        **({"cause": worker.life.cause} if worker.life.cause else {}),
        **({"recycle_due": worker.life.worn} if worker.life.worn else {}),
        **busy,
    }
