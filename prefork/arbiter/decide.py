"""Pure. The policy of the master: one fact in, orders out.

``handle`` reacts to what happened, then *converges*: it works out what is owed by now, whatever the cause, and
orders it. So a fact that was missed is made good by the next one. ``deadline`` says when it must be called again. Pids,
sockets, files and the clock are elsewhere: nothing here can fail, and every fate of a worker is tested without a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from math import inf
from typing import Any

from prefork.arbiter import deaths, facts, orders, policy
from prefork.arbiter.facts import Fact
from prefork.arbiter.fleet import Fleet, Life, Step, Worker
from prefork.arbiter.ladder import Ladder
from prefork.arbiter.orders import Order, report
from prefork.arbiter.pools import Pools
from prefork.arbiter.rollout import Trial
from prefork.arbiter.upgrade import Stage, Upgrade
from prefork.config.models import Config, Pool
from prefork.errors import BootError

Orders = Iterable[Order]


class Phase(Enum):
    """Where the service stands as a whole."""

    STARTING = "starting"  # not every pool has been up yet: what cannot boot ends the master
    SERVING = "serving"  # from now on the master never gives up
    STOPPING = "stopping"


class Master:
    """The state of the whole service, as the master knows it. Times in seconds of the monotonic clock."""

    def __init__(self, config: Config, workers_of: Callable[[Pool], int], *, predecessor: bool = False) -> None:
        self.config = config
        self.generation = 1
        self.phase = Phase.STARTING
        self.fleet = Fleet()
        self.trial: Trial | None = None
        self.upgrade = Upgrade()
        self.predecessor = predecessor
        self.pools = Pools(config, self.fleet, workers_of)
        self._ladder = Ladder(self.fleet)
        self._newest = 1  # the generation number that was given out last
        self._rolling_since = inf
        self._exit = orders.Exit(0)

    # What the loop calls.

    def handle(self, fact: Fact, now: float) -> list[Order]:
        """React to one fact and converge."""
        found = list(REACTIONS[type(fact)](self, fact, now))
        found += self.murder_workers(now)
        found += self.manage_workers(now)
        found += self._conclude(now)
        return found

    def deadline(self) -> float:
        """When ``handle`` must be called with TimePassed at the latest; inf when only a fact can change anything."""
        times = [self.upgrade.deadline]
        for worker in self.fleet:
            times += (worker.deadline, worker.look_at)
        times += (worker.ready_at + policy.SETTLED_AFTER for worker in self.pools.proving())
        if self.phase is not Phase.STOPPING:
            times += self.pools.waiting_until(self.generation)
        return min(times)

    # Convergence.

    def murder_workers(self, now: float) -> Orders:
        """What is past its deadline: workers, by the ladder; rows that are due to be read; a silent successor."""
        if self.upgrade.deadline <= now:
            yield from self.upgrade.overdue()
        due = []
        for worker in self.fleet:
            if worker.deadline <= now:
                yield from self._ladder.overdue(worker, now)
            elif worker.look_at <= now:
                worker.look_at = inf  # until the answer sets it
                due.append(worker.id)
        for worker in tuple(self.pools.proving()):
            if worker.ready_at + policy.SETTLED_AFTER <= now:
                self.pools.settle(worker)
        if due:
            yield orders.ReadBoard(tuple(due))

    def manage_workers(self, now: float) -> Orders:
        """Bring every pool nearer to its number, in this generation; and of a generation on trial, to one worker."""
        if self.phase is Phase.STOPPING:
            return
        for worker in self.fleet:
            if worker.pool not in self.pools and worker.generation <= self.generation:
                yield from self._ladder.retire(worker, "its pool was removed", now)
        for name in self.pools:
            for worker in self.pools.owed(name, self.generation).retire:
                old = worker.generation < self.generation
                yield from self._ladder.retire(worker, "replaced by a new generation" if old else "scaled down", now)
            if self.pools.patient(name, now):
                # Asked again, for those who retire make room, and it may be long before they say anything.
                for _ in range(self.pools.owed(name, self.generation).spawn):
                    yield self._spawn(name, self.config, self.generation, now)
        if self.trial and self.trial.opened:
            for name in self.trial.config.pool:
                if not self._canaries(name):
                    yield self._spawn(name, self.trial.config, self.trial.generation, now)

    def _conclude(self, now: float) -> Orders:
        """What is complete by now is said, once."""
        if self.phase is Phase.STOPPING and not len(self.fleet):
            yield self._exit
        elif self.phase is Phase.STARTING and all(self.pools.full(name, self.generation) for name in self.pools):
            self.phase = Phase.SERVING
            yield report("info", "service_ready", **self._summary())
            yield orders.AnnounceReady()
        if self.trial and self._proved(self.trial):
            yield from self._adopt(self.trial)
            yield from self.manage_workers(now)
        if self._rolling_since < inf and self._rolled():
            took = round(now - self._rolling_since, 3)
            self._rolling_since = inf
            yield report("info", "reload_done", seconds=took, **self._summary())

    # Reactions: what the operator asked.

    def _stop_asked(self, fact: facts.StopAsked, now: float) -> Orders:
        reason = f"the service stops ({fact.signal})"
        if self.phase is not Phase.STOPPING:
            self.phase = Phase.STOPPING
            yield report("info", "master_stopping", signal=fact.signal, graceful=fact.graceful)
            yield from self._drop_trial(reason, now)
            self._rolling_since = inf
            if fact.graceful:
                yield orders.StopListening(unlink=self.alone)
        for worker in self.fleet:
            if fact.graceful:
                # Nobody accepts after the last worker, unless a successor does.
                yield from self._ladder.retire(worker, reason, now, drain=not self.upgrade.ready)
            else:
                yield from self._ladder.quit(worker, reason, now)

    def _reload_asked(self, _fact: facts.ReloadAsked, now: float) -> Orders:
        if self.phase is not Phase.SERVING:
            yield report("warning", "reload_refused", reason=f"the service is {self.phase.value}")
            return
        yield from self._drop_trial("superseded by another reload", now)
        yield report("info", "reload_started")
        yield orders.LoadConfig()

    def _upgrade_asked(self, _fact: facts.UpgradeAsked, _now: float) -> Orders:
        obstacle = ""
        if self.phase is not Phase.SERVING:
            obstacle = f"the service is {self.phase.value}"
        elif self.predecessor:
            obstacle = "the old master of the last upgrade is still running: stop it first"
        return self.upgrade.asked(obstacle)

    def _reopen_asked(self, _fact: facts.ReopenAsked, _now: float) -> Orders:
        yield orders.ReopenLogs()

    def _scale_asked(self, fact: facts.ScaleAsked, _now: float) -> Orders:
        name = next(iter(self.pools))
        wanted = self.pools.scale(name, fact.change)
        if wanted is not None:
            yield report("info", "pool_scaled", pool=name, workers=wanted)
        else:
            yield report("warning", "scale_refused", pool=name, reason="a pool keeps at least one worker")

    def _rest_asked(self, _fact: facts.RestAsked, now: float) -> Orders:
        if self.phase is not Phase.SERVING:
            return
        yield from self._drop_trial("the workers were sent to rest", now)
        self.pools.resting = True
        yield report("info", "workers_resting", hint="HUP brings them back")

    # Reactions: what became of workers.

    def _time_passed(self, _fact: facts.TimePassed, _now: float) -> Orders:
        return ()

    def _worker_spawned(self, fact: facts.WorkerSpawned, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            worker.pid = fact.pid
            yield report("debug", "worker_spawned", **worker.describe())

    def _spawn_failed(self, fact: facts.SpawnFailed, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker is None:
            return
        self.fleet.strike(worker)
        delay = self.pools.backoff_of(worker.pool).died_booting(now)
        yield report("error", "spawn_failed", pool=worker.pool, reason=fact.reason, next_try_in=round(delay, 1))
        if self._on_trial(worker):
            yield from self._refuse_trial(f"a worker of pool {worker.pool} cannot be forked: {fact.reason}", now)

    def _worker_ready(self, fact: facts.WorkerReady, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and self.fleet.move(worker, Step.BOOTED):
            worker.ready_at = now
            worker.deadline = inf
            yield report("info", "worker_ready", **worker.describe(), boot_seconds=round(now - worker.born, 3))

    def _boot_failed(self, fact: facts.BootFailed, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and worker.life is Life.BOOTING:
            worker.failure = fact.traceback
        return ()

    def _accepting_ended(self, fact: facts.AcceptingEnded, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            worker.accepts = False
        return ()

    def _worker_rang(self, fact: facts.WorkerRang, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and worker.life in (Life.READY, Life.RETIRING):
            # The request began by now at the latest, so this look comes when it is overdue, not before.
            worker.look_at = now + policy.limit(worker.settings.timeout.request)
            if worker.look_at < inf:
                yield orders.WatchWorker(worker.id, watching=True)

    def _board_read(self, fact: facts.BoardRead, now: float) -> Orders:
        for serial, seen in fact.rows.items():
            worker = self.fleet.get(serial)
            if worker is None or worker.life not in (Life.READY, Life.RETIRING):
                continue
            worker.last = seen
            if not seen.busy_since:
                yield orders.WatchWorker(serial, watching=False)
                continue
            # A clock value from the future, which only a worker gone wrong can write, is no reason to wait longer.
            due = min(seen.busy_since, now) + policy.limit(worker.settings.timeout.request)
            if due <= now:
                yield from self._ladder.stuck(worker, "request timeout", now)
            else:
                worker.look_at = due

    def _stacks_dumped(self, fact: facts.StacksDumped, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            self._ladder.dumped(worker, fact.stacks, now)
        return ()

    def _child_exited(self, fact: facts.ChildExited, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker is None:
            return
        self.fleet.strike(worker)
        if worker.unwanted:
            yield deaths.retirement(worker, fact) if fact.clean else deaths.certificate(worker, fact, 0.0, now)
            return
        delay = 0.0 if self._on_trial(worker) else self.pools.count_death(worker, now)  # a canary's costs the reload
        yield deaths.certificate(worker, fact, delay, now)
        if self._on_trial(worker):
            yield from self._refuse_trial(deaths.boot_story(worker, fact), now)
        elif self.phase is Phase.STARTING and not worker.was_ready:
            yield from self._give_up(worker, fact, now)

    def _give_up(self, worker: Worker, fact: facts.ChildExited, now: float) -> Orders:
        """At start-up, what cannot boot ends the master."""
        self.phase = Phase.STOPPING
        self._exit = orders.Exit(BootError.exit_code, deaths.boot_story(worker, fact))
        yield report("error", "start_failed", pool=worker.pool, reason="a worker ended before it was ready")
        for other in self.fleet:
            yield from self._ladder.quit(other, "the service cannot start", now)

    # Reactions: reload.

    def _config_loaded(self, fact: facts.ConfigLoaded, now: float) -> Orders:
        self._newest += 1
        self.trial = Trial(self._newest, fact.config, now, fact.restart_keys)
        yield orders.OpenListeners(self._newest, fact.config)

    def _listeners_opened(self, fact: facts.ListenersOpened, _now: float) -> Orders:
        if self.trial and self.trial.generation == fact.generation:
            self.trial.opened = True
        return ()

    def _reload_refused(self, fact: facts.ReloadRefused, _now: float) -> Orders:
        self.trial = None
        for fault in fact.faults:
            yield report("error", "reload_refused", reason=fault, generation=self.generation)

    def _refuse_trial(self, reason: str, now: float) -> Orders:
        yield report("error", "reload_refused", reason=reason, generation=self.generation)
        yield from self._drop_trial("its generation was refused", now)

    def _drop_trial(self, reason: str, now: float) -> Orders:
        """Everything is as it was before the reload."""
        if self.trial is None:
            return
        generation, self.trial = self.trial.generation, None
        for worker in self.fleet:
            if worker.generation == generation:
                yield from self._ladder.retire(worker, reason, now)
        yield orders.DropGeneration(generation)

    def _adopt(self, trial: Trial) -> Orders:
        """The trial was passed: from here on its generation is the one in force."""
        self.trial = None
        self.config, self.generation = trial.config, trial.generation
        self._rolling_since = trial.since
        for name, scale in self.pools.adopt(trial.config):
            yield report("info", "adjustment_kept", pool=name, workers=scale.wanted, file=scale.file)
        if trial.restart_keys:
            keys = ", ".join(trial.restart_keys)
            yield report("warning", "restart_needed", keys=keys, hint="they take effect at an upgrade or a restart")
        yield orders.AdoptGeneration(trial.generation, trial.config)

    # Reactions: upgrade.

    def _successor_started(self, fact: facts.SuccessorStarted, now: float) -> Orders:
        self.upgrade.started(fact.pid, self.config, now)
        return ()

    def _successor_ready(self, _fact: facts.SuccessorReady, now: float) -> Orders:
        if self.upgrade.stage is not Stage.STARTED:
            return
        auto = self.config.master.upgrade == "auto"
        yield from self.upgrade.serves(auto=auto)
        if auto:
            yield from self._stop_asked(facts.StopAsked(graceful=True, signal="upgrade"), now)

    def _successor_failed(self, fact: facts.SuccessorFailed, _now: float) -> Orders:
        return self.upgrade.failed(fact.reason)

    def _successor_gone(self, _fact: facts.SuccessorGone, _now: float) -> Orders:
        return self.upgrade.gone(stopping=self.phase is Phase.STOPPING)

    def _predecessor_gone(self, _fact: facts.PredecessorGone, _now: float) -> Orders:
        self.predecessor = False
        yield report("info", "upgrade_completed")

    # Questions, and the little that they share.

    @property
    def alone(self) -> bool:
        """No other master serves the same sockets."""
        return not self.predecessor and self.upgrade.stage is Stage.NONE

    def _rolled(self) -> bool:
        """Every new connection gets the new generation."""
        old = any(worker.accepts and worker.generation < self.generation for worker in self.fleet)
        return not old and all(self.pools.full(name, self.generation) for name in self.pools)

    def _on_trial(self, worker: Worker) -> bool:
        return self.trial is not None and worker.generation == self.trial.generation

    def _canaries(self, pool: str) -> list[Worker]:
        return [worker for worker in self.fleet.of(pool) if self._on_trial(worker) and not worker.unwanted]

    def _proved(self, trial: Trial) -> bool:
        return all(any(worker.ready for worker in self._canaries(name)) for name in trial.config.pool)

    def _spawn(self, pool: str, config: Config, generation: int, now: float) -> Order:
        settings = config.pool[pool]
        worker = self.fleet.enlist(pool, settings, generation, now)
        worker.deadline = now + policy.limit(settings.timeout.boot)
        return orders.SpawnWorker(worker.id, pool, worker.number, worker.slot, generation, config)

    def _summary(self) -> dict[str, Any]:
        ready = sum(worker.ready and worker.generation == self.generation for worker in self.fleet)
        return {"generation": self.generation, "workers": ready, "pools": len(self.config.pool)}


REACTIONS: dict[type, Callable[[Master, Any, float], Orders]] = {
    facts.TimePassed: Master._time_passed,
    facts.StopAsked: Master._stop_asked,
    facts.ReloadAsked: Master._reload_asked,
    facts.UpgradeAsked: Master._upgrade_asked,
    facts.ReopenAsked: Master._reopen_asked,
    facts.ScaleAsked: Master._scale_asked,
    facts.RestAsked: Master._rest_asked,
    facts.WorkerSpawned: Master._worker_spawned,
    facts.SpawnFailed: Master._spawn_failed,
    facts.WorkerReady: Master._worker_ready,
    facts.BootFailed: Master._boot_failed,
    facts.AcceptingEnded: Master._accepting_ended,
    facts.WorkerRang: Master._worker_rang,
    facts.StacksDumped: Master._stacks_dumped,
    facts.BoardRead: Master._board_read,
    facts.ChildExited: Master._child_exited,
    facts.ConfigLoaded: Master._config_loaded,
    facts.ListenersOpened: Master._listeners_opened,
    facts.ReloadRefused: Master._reload_refused,
    facts.SuccessorStarted: Master._successor_started,
    facts.SuccessorReady: Master._successor_ready,
    facts.SuccessorFailed: Master._successor_failed,
    facts.SuccessorGone: Master._successor_gone,
    facts.PredecessorGone: Master._predecessor_gone,
}
