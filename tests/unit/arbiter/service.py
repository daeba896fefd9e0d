"""A master under test: told facts by hand in virtual time, its orders kept; forks always work unless told otherwise."""

from __future__ import annotations

from math import inf
from typing import Any

from prefork.arbiter import facts, orders
from prefork.arbiter.facts import Fact
from prefork.arbiter.fleet import Worker
from prefork.arbiter.master import Master
from prefork.config.models import Config, Pool


def config(
    workers: dict[str, int] | None = None,
    master: dict[str, Any] | None = None,
    pool: dict[str, Any] | None = None,
    **timeout: float,
) -> Config:
    """Pools by name with their numbers, each with a listener of its own; ``surge`` 1; ``pool``: more of each."""
    pools = workers or {"web": 1}
    return Config.model_validate(
        {
            "master": master or {},
            "listen": {name: {"address": f"unix:/run/{name}.sock"} for name in pools},
            "pool": {
                name: {
                    "app": "a:b",
                    "listen": [name],
                    "workers": number,
                    "surge": 1,
                    "timeout": {"slow": 0, **timeout},
                    **(pool or {}),
                }
                for name, number in pools.items()
            },
        }
    )


def workers_of(pool: Pool) -> int:
    assert isinstance(pool.workers, int)
    return pool.workers


class Service:
    """One master. ``forks`` False: every fork fails; ``greets`` False: no template has forked yet what it was told to."""

    def __init__(
        self,
        workers: dict[str, int] | None = None,
        master: dict[str, Any] | None = None,
        pool: dict[str, Any] | None = None,
        *,
        cores: int = 99,
        **timeout: float,
    ) -> None:
        self.now = 1000.0
        self.forks = True
        self.greets = True
        self.given: list[orders.Order] = []
        self.room = (0, 0, 1024)  # bytes that are available, bytes that a worker has, rows
        self.master = Master(config(workers, master, pool, **timeout), workers_of, cores=cores)

    def up(self) -> Service:
        """Start, and have every worker ready."""
        self.tell(facts.TimePassed())
        self.all_ready()
        return self

    def tell(self, fact: Fact, *, after: float = 0.0) -> list[orders.Order]:
        """Give a fact ``after`` so many seconds; the orders, those that followed from obeying them included.

        What is overdue after that is told as the loop tells it.
        """
        self.now += after
        found = self._tell(fact)
        if self.master.deadline() <= self.now:
            found += self._tell(facts.TimePassed())
        self.given += found
        return found

    def _tell(self, fact: Fact) -> list[orders.Order]:
        found: list[orders.Order] = []
        waiting = [fact]
        while waiting:
            for order in self.master.handle(waiting.pop(0), self.now):
                found.append(order)
                if isinstance(order, orders.MeasureRoom):
                    waiting.append(facts.RoomMeasured(order.pool, order.workers, order.force, *self.room))
                if isinstance(order, orders.SpawnWorker) and (self.greets or not order.template):
                    pid = 1000 + order.worker
                    waiting.append(
                        facts.WorkerSpawned(order.worker, pid)
                        if self.forks
                        else facts.SpawnFailed(order.worker, "EAGAIN")
                    )
        return found

    def pass_time(self, seconds: float) -> list[orders.Order]:
        """Wake the master at each of its deadlines, as the loop does."""
        end = self.now + seconds
        found: list[orders.Order] = []
        turns = 0
        while (deadline := self.master.deadline()) <= end:
            turns = turns + 1 if deadline <= self.now else 0
            assert turns < 50, f"the master spins at {self.now}"
            self.now = max(self.now, deadline)
            found += self.tell(facts.TimePassed())
        self.now = end
        return found

    def all_ready(self) -> list[orders.Order]:
        """Every worker that boots is ready, and those that are forked for it, and so on."""
        found: list[orders.Order] = []
        while booting := [worker.id for worker in self.master.fleet if worker.state.value == "booting"]:
            found += self.tell(facts.WorkerReady(booting[0]))
        return found

    def die(self, worker: int, ending: str = "signal SIGKILL", *, killed: bool = False) -> list[orders.Order]:
        return self.tell(facts.ChildExited(worker, ending, clean=ending == "exit code 0", killed=killed))

    def board(self, worker: int, busy_since: float) -> list[orders.Order]:
        return self.tell(facts.ScoreboardRead({worker: facts.RequestSeen(busy_since, "GET / HTTP/1.1", 1)}))

    def reload(self, new: Config | None = None) -> list[orders.Order]:
        """HUP, a sound file, and its listeners open."""
        found = self.tell(facts.ReloadRequested())
        found += self.tell(facts.ConfigLoaded(new or self.master.config))
        [opening] = [order for order in found if isinstance(order, orders.OpenListeners)]
        return found + self.tell(facts.ListenersOpened(opening.generation))

    def retired_go(self) -> list[orders.Order]:
        """Everyone who was asked to end does."""
        found: list[orders.Order] = []
        while leaving := [worker.id for worker in self.master.fleet if worker.life.unwanted]:
            found += self.die(leaving[0], "exit code 0")
        return found

    # Questions.

    def worker(self, worker: int) -> Worker:
        found = self.master.fleet.get(worker)
        assert found
        return found

    def state(self, worker: int) -> str:
        return self.worker(worker).state.value

    def lives(self, generation: int | None = None) -> dict[str, list[str]]:
        """The lives of each pool's workers, by birth."""
        found: dict[str, list[str]] = {}
        for worker in self.master.fleet:
            if generation in (None, worker.generation):
                found.setdefault(worker.pool, []).append(worker.state.value)
        return found

    def reports(self, event: str) -> list[dict[str, Any]]:
        return [dict(order.fields) for order in self.given if isinstance(order, orders.Report) and order.event == event]

    def told(self, kind: type) -> list[Any]:
        """The orders of one kind, so far."""
        return [order for order in self.given if isinstance(order, kind)]

    @property
    def asleep(self) -> bool:
        """Only a fact can change anything."""
        return self.master.deadline() == inf
