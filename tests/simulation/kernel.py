"""A fake kernel in virtual time: it carries out the master's orders on processes that misbehave at random.

Everything is drawn from one seeded generator, so that a failure is replayed by its seed. After every fact the
invariants are checked; they are the sentences of the design, and nothing here knows how the policy keeps them.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from prefork.arbiter import facts, orders
from prefork.arbiter.facts import Fact, RequestSeen
from prefork.arbiter.fleet import ServiceState, Worker, WorkerState
from prefork.arbiter.master import Master
from prefork.arbiter.rolling import surge_of
from prefork.config.models import Config

SOON = 0.001  # what takes no time worth mentioning, in seconds


@dataclass
class Process:
    """A worker as the kernel has it; its temper was decided at its birth."""

    worker: int
    pool: str
    generation: int
    alive: bool = True
    ready: bool = False
    busy_since: float = 0.0
    watched: bool = False
    template: bool = False
    unborn: bool = False  # a template is to fork it, and nobody knows its pid yet
    warm_at: float = 0.0  # it can be a template after about so many seconds; 0: never
    unwanted: bool = False  # it was told to go before it was ready
    deaf: frozenset[str] = frozenset()  # the signals that it does not die of
    given: Counter[str] = field(default_factory=Counter)


def config_of(rng: Random) -> Config:
    """A random configuration: one to three pools, each with a listener of its own."""
    names = rng.sample(["web", "api", "admin"], rng.randint(1, 3))
    return Config.model_validate(
        {
            "listen": {name: {"address": f"unix:/run/{name}.sock"} for name in names},
            "pool": {
                name: {
                    "app": "a:b",
                    "listen": [name],
                    "workers": rng.randint(1, 6),
                    "surge": rng.choice(["25%", "100%", 1, 3]),
                    "timeout": {
                        "boot": rng.choice([1.0, 5.0]),
                        "request": rng.choice([2.0, 30.0]),
                        "slow": rng.choice([0.0, 0.5]),
                        "graceful": 3.0,
                    },
                    **rng.choice([{}, {}, {"preload": True}, {"preload": True, "refork": [10, 100]}]),
                    "recycle": {"age": rng.choice([0.0, 0.0, 20.0])},
                }
                for name in names
            },
        }
    )


class Kernel:
    """Time, processes, and the operator, for one master from its start to its exit."""

    def __init__(self, rng: Random, *, trouble: float) -> None:
        self.rng = rng
        self.trouble = trouble  # the share of steps that go wrong, 0..1
        self.now = 1000.0
        self.config = config_of(rng)
        self.processes: dict[int, Process] = {}
        self.exit: orders.Exit | None = None
        self.births = 0
        self.told: list[orders.Report] = []
        self.cores = rng.choice([1, 2, 8])
        self.master = Master(self.config, lambda pool: pool.workers, cores=self.cores)  # type: ignore[arg-type,return-value]
        self._queue: list[tuple[float, int, Callable[[], Fact | None]]] = []
        self._serial = itertools.count()
        self._reaped: set[int] = set()
        self._ordered: Counter[tuple[Any, ...]] = Counter()
        self.configs = {1: self.config}  # by generation
        self.successor = False
        self.successor_serves = False
        self.whole = False  # the operator wants both masters of an upgrade to end
        self._busy_turns = 0
        self._failures: dict[str, int] = {}
        self._looked: set[int] = set()
        self._failed_at: dict[str, float] = {}
        self._told_time = False  # the fact of the moment is that time has passed
        self._adopted = False  # by the fact of the moment a generation came into force
        self._in_force: set[int] = set()  # the generations that were ordered to be adopted

    # Running.

    def at(self, delay: float, happening: Callable[[], Fact | None]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._serial), happening))

    def tell(self, fact: Fact) -> None:
        """Give the master a fact, obey what it orders, and check what must hold."""
        waiting = [fact]
        while waiting and self.exit is None:
            before = {pool: self.ready(pool) for pool in self.master.config.pool}
            fact = waiting.pop(0)
            self._note(fact)
            sharers = self._sharers(fact)
            found = self.master.handle(fact, self.now)
            self._check_answer(fact, found)
            self._check_retirements(found, before)
            self._check_recycled(found)
            self._check_looked(fact, found, sharers)
            for order in found:
                raises = self.chance(0.3) and not isinstance(order, orders.Exit | orders.Report)
                answer = facts.OrderFailed(order, "out of memory") if raises else EXECUTE[type(order)](self, order)
                if answer is not None:
                    waiting.append(answer)
            self._check_numbers()
            self._check_backoff()

    def run(self, until: float) -> None:
        """Let time pass until then, or until the master exits."""
        while self.exit is None:
            next_event = self._queue[0][0] if self._queue else inf
            deadline = self.master.deadline()
            moment = min(next_event, max(deadline, self.now))
            if moment > until:
                self.now = until
                return
            self._check_progress(moment)
            self.now = moment
            if next_event <= moment:
                fact = heapq.heappop(self._queue)[2]()
                if fact is not None:
                    self.tell(fact)
            else:
                self.tell(facts.TimePassed())

    # What must hold.

    def _check_progress(self, moment: float) -> None:
        """The master never asks to be woken again and again at one moment."""
        self._busy_turns = self._busy_turns + 1 if moment == self.now else 0
        assert self._busy_turns < 200, f"the master spins at {self.now}: {self.told[-5:]}"

    def _note(self, fact: Fact) -> None:
        """What the operator and the successor have said, as far as a rule depends on it."""
        self._told_time = isinstance(fact, facts.TimePassed)
        if isinstance(fact, facts.StopRequested):
            self.whole |= fact.plan.whole_service
        elif isinstance(fact, facts.SuccessorReady):
            self.successor_serves = True

    def _check_answer(self, fact: Fact, found: list[orders.Order]) -> None:
        """A reload is begun or refused in so many words, and one that is in force leaves no pool waiting."""
        if isinstance(fact, facts.ReloadRequested):
            said = [order for order in found if isinstance(order, orders.Report)]
            begun = any(isinstance(order, orders.LoadConfig) for order in found)
            assert begun or any(report.event == "reload_refused" for report in said), "HUP was dropped"
        self._adopted = any(isinstance(order, orders.AdoptGeneration) for order in found)
        for order in found:
            # One that raised is ordered again later: what has failed since then counts.
            if isinstance(order, orders.AdoptGeneration) and order.generation not in self._in_force:
                self._in_force.add(order.generation)
                assert not any(self.master.pools.backoff_of(name).failures for name in order.config.pool)

    def _check_backoff(self) -> None:
        """A pool that has failed is forgiven when a worker has been ready for five seconds since, and not before.

        Nor is it ever forgotten: it is called again in time.
        """
        for name in self.master.config.pool:
            before, failures = self._failures.get(name, 0), self.master.pools.backoff_of(name).failures
            self._failures[name] = failures
            if failures > before:
                self._failed_at[name] = self.now
            fresh = self._ready_since(name, self._failed_at.get(name, 0.0))
            if failures and self._told_time and self.master.state is not ServiceState.STOPPING:
                assert all(self.now < w.life.ready_at + 5.001 for w in fresh if w.ready), f"{name}: not forgiven"
            if before and not failures and not self._adopted:
                assert any(self.now - w.life.ready_at > 4.999 for w in fresh), f"{name}: nobody has stayed up"

    def _ready_since(self, name: str, since: float) -> list[Worker]:
        return [w for w in self.master.fleet.of(name) if w.was_ready and w.life.ready_at >= since]

    def _check_recycled(self, found: list[orders.Order]) -> None:
        """Nobody is recycled beside a roll."""
        for order in found:
            worker = self.master.fleet.get(order.worker) if isinstance(order, orders.RetireWorker) else None
            if worker and worker.life.cause.startswith("recycled"):
                old = [w for w in self.master.fleet.of(worker.pool) if w.serving and w.generation < worker.generation]
                assert not old, worker.pool

    def _sharers(self, fact: Fact) -> set[int]:
        """Those to whom the connections come now that came to a worker that has been killed."""
        dead = self.processes.get(fact.worker) if isinstance(fact, facts.ChildExited) and not fact.clean else None
        if dead is None or not dead.ready or dead.template:
            return set()
        return {w.id for w in self.master.fleet.of(dead.pool) if w.ready and w.id != dead.worker}

    def _check_looked(self, fact: Fact, found: list[orders.Order], sharers: set[int]) -> None:
        """A wake-up that died with a worker is made good: the others of its pool look at their listeners."""
        asked = {one for order in found if isinstance(order, orders.LookAgain) for one in order.workers}
        if isinstance(fact, facts.ChildExited) and self.master.fleet.get(fact.worker) is None:
            assert sharers <= asked or fact.worker in self._looked
            self._looked.add(fact.worker)

    def _check_config(self, order: orders.SpawnWorker | orders.SpawnTemplate) -> None:
        """Whatever is forked is given the configuration of its own generation."""
        assert order.config is self.configs[order.generation], order.generation

    def _check_retirements(self, found: list[orders.Order], before: dict[str, int]) -> None:
        """Ready capacity never falls below what is wanted, or below what it was, because of a reload or a scaling."""
        if self.master.state is not ServiceState.SERVING or self.master.pools.paused:
            return
        retired = {process.pool for process in self._retired(found)}
        for pool in retired & self.master.config.pool.keys() & before.keys():
            enough = min(self.master.pools.wanted(pool), before[pool])
            assert self.ready(pool) >= enough or self._only_trial(found, pool), pool

    def _only_trial(self, found: list[orders.Order], pool: str) -> bool:
        """Those retired are a refused generation's."""
        retired = self._retired(found)
        return all(p.generation > self.master.generation for p in retired if p.pool == pool)

    def _retired(self, found: list[orders.Order]) -> list[Process]:
        """Those that served: one that boots is no capacity."""
        retired = [self.processes.get(order.worker) for order in found if isinstance(order, orders.RetireWorker)]
        return [process for process in retired if process and process.ready]

    def _check_numbers(self) -> None:
        """A pool never has more serving workers of its generation than it wants."""
        for name in self.master.config.pool:
            workers = self.master.fleet.of(name)
            serving = [w for w in workers if w.serving and w.generation == self.master.generation]
            worn = any(w.life.worn for w in serving)  # its replacement is ready before it goes
            if self.master.state is not ServiceState.STOPPING:
                assert len(serving) <= self.master.pools.wanted(name) + worn, name
            assert sum(w.life.cause.startswith("recycled") and w.state is WorkerState.RETIRING for w in workers) <= 1, (
                name
            )

    def _check_surge(self, order: orders.SpawnWorker) -> None:
        """A roll forks only while there are no more serving workers than wanted and the surge."""
        if order.generation != self.master.generation:
            return
        wanted = self.master.pools.wanted(order.pool)
        serving = [w for w in self.master.fleet.of(order.pool) if w.serving and w.generation <= order.generation]
        surge = surge_of(order.config.pool[order.pool], wanted)
        assert len(serving) <= wanted + surge, order.pool
        booting = [w for w in serving if not w.ready and w.generation == order.generation]
        assert len(booting) <= max(surge, self.cores), "more boot than there are cores"

    def _once(self, *what: Any) -> None:
        """No order is repeated without a new cause."""
        self._ordered[what] += 1
        assert self._ordered[what] == 1, f"ordered again: {what}"

    def _living(self, worker: int) -> Process:
        """A worker is never signalled after it was reaped."""
        assert worker not in self._reaped, f"worker {worker} was reaped"
        return self.processes[worker]

    def ready(self, pool: str) -> int:
        return sum(w.ready for w in self.master.fleet.of(pool))

    # Processes.

    def chance(self, weight: float = 1.0) -> bool:
        return self.rng.random() < self.trouble * weight

    def spawn(self, order: orders.SpawnWorker) -> Fact | None:
        self._once("spawn", order.worker)
        self._check_config(order)
        self._check_surge(order)
        self._check_template(order)
        self.births += 1
        if self.chance(0.5):
            return facts.SpawnFailed(order.worker, "Resource temporarily unavailable")
        process = self._begin(order, unborn=bool(order.template))
        boot = order.config.pool[order.pool].timeout.boot
        if not process.unborn:
            self._plan_life(process, boot)
            return facts.WorkerSpawned(order.worker, 10000 + order.worker)
        fate = self.rng.random()
        if fate >= self.trouble:
            self.at(SOON, lambda: self._be_born(process, boot))
        elif fate < self.trouble / 2:  # the template could not fork it, or ended before; else the template hangs
            self.at(SOON, lambda: self.die(process, "an unknown end"))
        return None

    def spawn_template(self, order: orders.SpawnTemplate) -> Fact | None:
        self._once("spawn", order.worker)
        self._check_config(order)
        self.births += 1
        if self.chance(0.5):
            return facts.SpawnFailed(order.worker, "Resource temporarily unavailable")
        boot = order.config.pool[order.pool].timeout.boot
        process = self._begin(order, template=True, unborn=bool(order.source))
        if order.source:
            warm = self._living(order.source)
            assert (warm.pool, warm.generation, warm.template) == (order.pool, order.generation, False)
            if not self.chance():  # else it is stuck, or has gone
                self.at(SOON, lambda: self._be_born(process, boot))
            return None
        self._plan_life(process, boot)
        return facts.WorkerSpawned(order.worker, 10000 + order.worker)

    def _begin(self, order: orders.SpawnWorker | orders.SpawnTemplate, **kind: bool) -> Process:
        deaf = frozenset(name for name in ("TERM", "QUIT", "ABRT") if self.chance())
        process = Process(order.worker, order.pool, order.generation, deaf=deaf, **kind)
        process.warm_at = getattr(order, "warm_at", 0)
        self.processes[order.worker] = process
        return process

    def _be_born(self, process: Process, boot: float) -> Fact | None:
        if not process.alive:
            return None
        process.unborn = False
        self._plan_life(process, boot)
        if process.unwanted:
            self._go(process)
        return facts.WorkerSpawned(process.worker, 10000 + process.worker)

    def _check_template(self, order: orders.SpawnWorker) -> None:
        """A pool that preloads forks from a ready template of the same generation, any other from the master."""
        assert bool(order.template) == order.config.pool[order.pool].preload
        if order.template:
            template = self._living(order.template)
            assert template.ready
            assert (template.pool, template.generation) == (order.pool, order.generation)

    def _plan_life(self, process: Process, boot: float) -> None:
        fate = self.rng.random()
        if fate < self.trouble * 0.5:  # it cannot boot
            self.at(boot * 0.3, lambda: facts.BootFailed(process.worker, "Traceback ...") if process.alive else None)
            self.at(boot * 0.3 + SOON, lambda: self.die(process, "exit code 70"))
        elif fate < self.trouble:
            return  # its boot hangs
        else:
            self.at(boot * self.rng.uniform(0.05, 0.6), lambda: self._get_ready(process))

    def _get_ready(self, process: Process) -> Fact | None:
        if not process.alive:
            return None
        process.ready = True
        if self.chance(0.5):  # it will die by itself
            self.at(self.rng.expovariate(0.2), lambda: self.die(process, "signal SIGSEGV"))
        if process.template:
            return facts.WorkerReady(process.worker)
        self.at(self.rng.expovariate(0.3), lambda: self._take_request(process))
        if self.rng.random() < 0.2:
            self.at(self.rng.expovariate(0.1), lambda: facts.RecycleDue(process.worker, "requests"))
        if process.warm_at:
            self.at(
                self.rng.expovariate(1 / process.warm_at), lambda: facts.WorkerWarm(process.worker, process.warm_at)
            )
        return facts.WorkerReady(process.worker)

    def _take_request(self, process: Process) -> Fact | None:
        if not process.alive:
            return None
        process.busy_since = self.now
        if not self.chance():  # else it hangs
            self.at(self.rng.uniform(SOON, 1.0), lambda: self._finish_request(process))
        if process.watched:
            return None
        process.watched = True
        return facts.RequestStarted(process.worker)

    def _finish_request(self, process: Process) -> Fact | None:
        process.busy_since = 0.0
        if process.alive:
            self.at(self.rng.expovariate(0.1), lambda: self._take_request(process))
        return None

    def die(self, process: Process, ending: str) -> Fact | None:
        if not process.alive:
            return None
        process.alive = False
        last = RequestSeen(process.busy_since, "GET / HTTP/1.1" if process.busy_since else "", 1)
        self._reaped.add(process.worker)
        return facts.ChildExited(process.worker, ending, ending == "exit code 0", 1, last)

    # Obeying.

    def retire(self, order: orders.RetireWorker) -> None:
        if order.worker not in self.processes:
            return  # its fork failed, and the master is about to be told
        process = self._living(order.worker)
        self._once("retire", order.worker)
        if not process.ready:
            process.unwanted = True
            self._go(process)
        elif "TERM" not in process.deaf:
            self.at(SOON, lambda: facts.AcceptingEnded(process.worker) if process.alive else None)
            self.at(self.rng.uniform(SOON, 4.0), lambda: self.die(process, "exit code 0"))

    def _go(self, process: Process) -> None:
        """One that boots ends when it hears that it may; one that is still to be forked, when it has been."""
        if not process.unborn and "TERM" not in process.deaf:
            self.at(SOON, lambda: self.die(process, "exit code 0"))

    def kill(self, order: orders.KillWorker) -> None:
        if order.worker not in self.processes:
            return  # its fork failed, and the master is about to be told
        process = self._living(order.worker)
        self._once("kill", order.worker, order.signal)
        name = order.signal.name.removeprefix("SIG")
        if process.unborn and name != "KILL":
            return  # it waits until there is a process
        if name not in process.deaf:
            ending = "exit code 0" if name == "QUIT" else f"signal SIG{name}"
            self.at(self.rng.uniform(SOON, 0.1), lambda: self.die(process, ending))

    def dump(self, order: orders.DumpStacks) -> None:
        process = self._living(order.worker)
        if order.expired:
            self._once("dump", order.worker)
        if not self.chance():
            self.at(SOON, lambda: facts.StacksDumped(process.worker, "Thread 0x1") if process.alive else None)

    def watch(self, order: orders.WatchWorker) -> Fact | None:
        process = self._living(order.worker)
        process.watched = order.watching
        return facts.RequestStarted(order.worker) if not order.watching and process.busy_since else None

    def board(self, order: orders.ReadScoreboard) -> Fact:
        return facts.ScoreboardRead({w: RequestSeen(self._living(w).busy_since, "GET /", 1) for w in order.workers})

    def measure(self, order: orders.MeasureRoom) -> Fact:
        available, each = self.rng.choice([(0, 0), (1000, 1), (2, 1)])
        return facts.RoomMeasured(order.pool, order.workers, order.force, available, each, 1024)

    def look_again(self, order: orders.LookAgain) -> None:
        """Only living ones that accept are asked."""
        for worker in order.workers:
            assert self._living(worker).ready

    def load(self, _order: orders.LoadConfig) -> Fact:
        if self.chance():
            return facts.ReloadRefused(("prefork.toml:1:1: it is broken",))
        return facts.ConfigLoaded(config_of(self.rng) if self.rng.random() < 0.5 else self.master.config)

    def open(self, order: orders.OpenListeners) -> Fact:
        assert order.generation not in self.configs, "a number is given out once"
        self.configs[order.generation] = order.config
        if self.chance():
            return facts.ReloadRefused(("Address already in use",))
        return facts.ListenersOpened(order.generation)

    def reexec(self, _order: orders.Reexec) -> Fact:
        assert not self.successor, "one successor at a time"
        if self.chance():
            return facts.SuccessorFailed("No such file or directory")
        self.successor, self.successor_serves = True, False
        if not self.chance():  # else it is silent
            failing = self.chance()
            report = facts.SuccessorFailed("the app is broken") if failing else facts.SuccessorReady()
            self.at(2.0, lambda: report if self.successor else None)
            if failing or self.rng.random() < 0.5:
                self.at(3.0, self.end_successor)
        return facts.SuccessorStarted(99)

    def end_successor(self) -> Fact | None:
        if not self.successor:
            return None
        self.successor = False
        return facts.SuccessorGone()

    def kill_successor(self, _order: orders.KillSuccessor) -> None:
        assert self.successor
        assert self.whole or not self.successor_serves, "it is the service"
        self.at(SOON, self.end_successor)

    def restore_pidfile(self, _order: orders.RestorePidfile) -> None:
        assert not self.successor, "the name belongs to a living successor"

    def report(self, order: orders.Report) -> None:
        """Only what was busy for long enough is told of as slow."""
        self.told.append(order)
        if order.event == "request_slow":
            slow = self.configs[order.fields["generation"]].pool[order.fields["pool"]].timeout.slow
            assert 0 < slow <= order.fields["busy_seconds"] + SOON

    def end(self, order: orders.Exit) -> None:
        assert not any(process.alive for process in self.processes.values()), "a child is left"
        self.exit = order

    def nothing(self, _order: orders.Order) -> None:
        """An order that has no consequence in here."""


EXECUTE: dict[type, Callable[[Kernel, Any], Fact | None]] = {
    orders.SpawnWorker: Kernel.spawn,
    orders.SpawnTemplate: Kernel.spawn_template,
    orders.RetireWorker: Kernel.retire,
    orders.KillWorker: Kernel.kill,
    orders.DumpStacks: Kernel.dump,
    orders.WatchWorker: Kernel.watch,
    orders.ReadScoreboard: Kernel.board,
    orders.MeasureRoom: Kernel.measure,
    orders.LookAgain: Kernel.look_again,
    orders.LoadConfig: Kernel.load,
    orders.OpenListeners: Kernel.open,
    orders.AdoptGeneration: Kernel.nothing,
    orders.DropGeneration: Kernel.nothing,
    orders.StopListening: Kernel.nothing,
    orders.ReopenLogs: Kernel.nothing,
    orders.Reexec: Kernel.reexec,
    orders.KillSuccessor: Kernel.kill_successor,
    orders.RetirePredecessor: Kernel.nothing,
    orders.RestorePidfile: Kernel.restore_pidfile,
    orders.AnnounceReady: Kernel.nothing,
    orders.CloseUnclaimed: Kernel.nothing,
    orders.Report: Kernel.report,
    orders.Exit: Kernel.end,
}
