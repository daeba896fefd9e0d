"""Pure. The policy of the master: one fact in, orders out.

``handle`` reacts to what happened, then *converges*: it works out what is owed by now, whatever the cause, and
orders it. So a fact that was missed is made good by the next one. ``deadline`` says when it must be called again. Pids,
sockets, files and the clock are elsewhere: nothing here can fail, and every fate of a worker is tested without a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from prefork.arbiter import commands, death_report, facts, orders, recycling
from prefork.arbiter.facts import Fact
from prefork.arbiter.fleet import Fleet, ServiceState, Worker, WorkerEvent, WorkerState
from prefork.arbiter.orders import Order, report
from prefork.arbiter.pools import Pools
from prefork.arbiter.reload import Reload
from prefork.arbiter.stalls import Stalls
from prefork.arbiter.templates import Templates
from prefork.arbiter.termination import Termination
from prefork.arbiter.upgrade.policy import Upgrade, UpgradeState
from prefork.config.models import Config, Pool
from prefork.errors import BootError

Orders = Iterable[Order]


class Master:
    """The state of the whole service, as the master knows it. Times in seconds of the monotonic clock."""

    def __init__(
        self,
        config: Config,
        workers_of: Callable[[Pool], int],
        *,
        cores: int = 1,
        predecessor: bool = False,
        keeps: bool = False,
    ) -> None:
        self.state = ServiceState.STARTING
        self.stop = facts.StopPlan()  # as far as it is known: what is done with the sockets depends on it
        self._keeps = keeps  # the sockets are kept for a master that is started after this one
        self.fleet = Fleet()
        self.pools = Pools(config, self.fleet, workers_of, cores)
        self.termination = Termination(self.fleet)
        self.reload = Reload(config, self.fleet, self.pools, self.termination)
        self.upgrade = Upgrade()
        self.predecessor = predecessor
        self._templates = Templates(self.fleet, self.termination)
        self.stalls = Stalls(self.fleet, self.termination)
        self._exit = orders.Exit(0)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.reload.config

    @property
    def generation(self) -> int:
        """Of the configuration in force."""
        return self.reload.generation

    @property
    def alone(self) -> bool:
        """No other master serves the same sockets, or will go on to."""
        return self.stop.whole_service or (
            not self.predecessor and self.upgrade.state in (UpgradeState.NONE, UpgradeState.DISMISSED)
        )

    def plan_stop(self, plan: facts.StopPlan) -> None:
        """The service is to stop so; a second order may take the other master with it, and undoes nothing."""
        restarting = self.stop.restarting if self.state is ServiceState.STOPPING else plan.restarting and self._keeps
        self.stop = facts.StopPlan(restarting, self.stop.whole_service or plan.whole_service)

    # What the loop calls.

    def handle(self, fact: Fact, now: float) -> list[Order]:
        """React to one fact and converge.

        Deadlines are looked at when time has passed, which is said after everything else: a master that was stopped
        for an hour, or had no processor, first hears what its workers have said meanwhile.
        """
        found = list(REACTIONS[type(fact)](self, fact, now))
        found += self.manage_workers(now)
        found += self._conclude(now)
        return found

    def deadline(self) -> float:
        """When ``handle`` must be called with TimePassed at the latest; inf when only a fact can change anything."""
        times = [self.upgrade.deadline, self.pools.next_settled()]
        for worker in self.fleet:
            times += (worker.life.deadline, worker.watch.look_at, worker.dump.due if worker.dump else inf)
        if self.state is not ServiceState.STOPPING:
            times += self.pools.waiting_until(self.generation)
            times.append(recycling.next_age(self.fleet))
        return min(times)

    # Convergence.

    def murder_workers(self, now: float) -> Orders:
        """What is past its deadline: workers, by the ladder; rows that are due to be read; a silent successor."""
        if self.upgrade.deadline <= now:
            yield from self.upgrade.overdue()
        for worker in self.fleet:
            if worker.life.deadline <= now:
                yield from self._templates.barren(worker, now)
                yield from self.termination.overdue(worker, now)
        yield from self.stalls.complete(now)
        recycling.mark(self.fleet, now)
        due = tuple(self.stalls.due(now))
        self.pools.settle(now)
        if due:
            yield orders.ReadScoreboard(due)

    def manage_workers(self, now: float) -> Orders:
        """Bring every pool nearer to its number, in this generation; and of a generation on trial, to one worker."""
        if self.state is ServiceState.STOPPING:
            return
        for worker in self.fleet:
            if worker.pool not in self.pools and worker.generation <= self.generation:
                yield from self.termination.retire(worker, "its pool was removed", now)
        for name in self.pools:
            owed = self.pools.owed(name, self.generation)
            for worker in owed.retire:
                old = worker.generation < self.generation
                reason = "replaced by a new generation" if old else "scaled down"
                recycled = worker is owed.worn
                yield from self.termination.retire(
                    worker, f"recycled ({worker.life.worn})" if recycled else reason, now
                )
            if self.pools.patient(name, now):
                # Those who retire make room, and it may be long before they say anything.
                spawn = self.pools.owed(name, self.generation).spawn if owed.retire else owed.spawn
                for _ in range(spawn):
                    yield from self._templates.spawn(name, self.config, self.generation, now)
        for name in self.reload.lacking():
            assert self.reload.trial is not None
            yield from self._templates.spawn(name, self.reload.trial.config, self.reload.trial.generation, now)
        yield from self._templates.dismiss(self._wanted_generations(), "its generation was replaced", now)

    def _conclude(self, now: float) -> Orders:
        """What is complete by now is said, once."""
        if self.state is ServiceState.STOPPING and not len(self.fleet) and not self.upgrade.dismissed:
            yield self._exit
        elif self.state is ServiceState.STARTING and all(self.pools.full(name, self.generation) for name in self.pools):
            self.state = ServiceState.SERVING
            yield report("info", "service_ready", **self.reload.summary())
            yield orders.AnnounceReady()
        before = self.generation
        yield from self.reload.conclude(now)
        if self.generation != before:
            yield from self.manage_workers(now)

    # Reactions: what became of workers.

    def _time_passed(self, _fact: facts.TimePassed, now: float) -> Orders:
        return self.murder_workers(now)

    def _worker_spawned(self, fact: facts.WorkerSpawned, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            worker.life.pid = fact.pid
            yield report("debug", f"{worker.kind}_spawned", **worker.describe())

    def _spawn_failed(self, fact: facts.SpawnFailed, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker is None:
            return
        self.fleet.strike(worker)
        if worker.level and worker.template:
            return  # another warm worker, or none, will be the next template
        delay = self.pools.count_failure(worker.pool, now)
        yield report("error", "spawn_failed", pool=worker.pool, reason=fact.reason, next_try_in=round(delay, 1))
        if self.reload.on_trial(worker):
            reason = f"a worker of pool {worker.pool} cannot be forked: {fact.reason}"
            yield from self.reload.refused((reason,), now)

    def _worker_ready(self, fact: facts.WorkerReady, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and self.fleet.move(worker, WorkerEvent.BOOTED, now):
            yield report("info", f"{worker.kind}_ready", **worker.describe(), boot_seconds=round(now - worker.born, 3))
            if worker.template:
                yield from self._templates.supersede(worker, now)
            self._templates.mark_colder()

    def _boot_failed(self, fact: facts.BootFailed, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and worker.state is WorkerState.BOOTING:
            worker.life.failure = fact.traceback
        return ()

    def _accepting_ended(self, fact: facts.AcceptingEnded, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            worker.life.accepts = False
        return ()

    def _request_started(self, fact: facts.RequestStarted, now: float) -> Orders:
        return self.stalls.request_started(fact, now)

    def _scoreboard_read(self, fact: facts.ScoreboardRead, now: float) -> Orders:
        return self.stalls.seen(fact, now)

    def _recycle_due(self, fact: facts.RecycleDue, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and worker.ready:
            worker.mark_worn(fact.reason)
        return ()

    def _worker_warm(self, fact: facts.WorkerWarm, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and self.state is ServiceState.SERVING and worker.generation == self.generation:
            yield from self._templates.warm(worker, self.config, now)

    def _stacks_dumped(self, fact: facts.StacksDumped, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and not self.stalls.dumped(worker, fact.stacks, now):
            self.termination.dumped(worker, fact.stacks, now)
        return ()

    def _child_exited(self, fact: facts.ChildExited, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker is None:
            return
        self.fleet.strike(worker)
        worker.life.stacks = worker.life.stacks or (worker.dump.stacks if worker.dump else "")
        yield from self.stalls.tell(worker, now)
        if not (worker.life.unwanted and fact.clean):
            yield from self._look_again(worker)
        if worker.life.unwanted:
            yield (
                death_report.retirement(worker, fact)
                if fact.clean
                else death_report.certificate(worker, fact, 0.0, now)
            )
            return
        if worker.template and worker.level and not worker.was_ready:
            yield from self._templates.refused(worker, fact)
            return
        on_trial = self.reload.on_trial(worker)
        # A canary's death costs the reload.
        delay = 0.0 if on_trial else self.pools.count_death(worker, now, killed=fact.killed and not worker.life.cause)
        yield death_report.certificate(worker, fact, delay, now)
        if on_trial:
            yield from self.reload.refused((death_report.boot_story(worker, fact),), now)
        elif self.state is ServiceState.STARTING and not worker.was_ready:
            yield from self._give_up(worker, fact, now)

    def _look_again(self, dead: Worker) -> Orders:
        """The kernel wakes one process for a connection: if that was this one, nobody else knows of it."""
        # One that was told to go while it booted may have become ready without our taking note.
        if (dead.was_ready or dead.life.unwanted) and not dead.template:
            idle = (one for one in self.fleet if one.ready and not one.template and one.shares_listener(dead))
            others = tuple(one.id for one in idle)
            if others:
                yield orders.LookAgain(others)

    def _give_up(self, worker: Worker, fact: facts.ChildExited, now: float) -> Orders:
        """At start-up, what cannot boot ends the master."""
        self.state = ServiceState.STOPPING
        self._exit = orders.Exit(BootError.exit_code, death_report.boot_story(worker, fact))
        yield report("error", "start_failed", pool=worker.pool, reason=f"a {worker.kind} ended before it was ready")
        for other in self.fleet:
            yield from self.termination.quit(other, "the service cannot start", now)

    # Reactions: reload.

    def _config_loaded(self, fact: facts.ConfigLoaded, _now: float) -> Orders:
        return self.reload.loaded(fact)

    def _listeners_opened(self, fact: facts.ListenersOpened, _now: float) -> Orders:
        self.reload.opened(fact.generation)
        return ()

    def _reload_refused(self, fact: facts.ReloadRefused, now: float) -> Orders:
        return self.reload.refused(fact.faults, now)

    # Reactions: upgrade.

    def _successor_started(self, fact: facts.SuccessorStarted, now: float) -> Orders:
        self.upgrade.started(fact.pid, self.config, now)
        return ()

    def _successor_ready(self, _fact: facts.SuccessorReady, now: float) -> Orders:
        if self.upgrade.state is not UpgradeState.STARTED:
            return
        yield from self.upgrade.serves()
        if self.upgrade.auto:
            yield from commands.stop_requested(self, facts.StopRequested(graceful=True, signal="upgrade"), now)

    def _successor_failed(self, fact: facts.SuccessorFailed, _now: float) -> Orders:
        return () if self.upgrade.dismissed else self.upgrade.failed(fact.reason)  # that was its failure

    def _successor_gone(self, _fact: facts.SuccessorGone, _now: float) -> Orders:
        return self.upgrade.gone(stopping=self.state is ServiceState.STOPPING)

    def _predecessor_gone(self, _fact: facts.PredecessorGone, _now: float) -> Orders:
        self.predecessor = False
        yield orders.CloseUnclaimed()
        yield report("info", "upgrade_completed")

    def _wanted_generations(self) -> Iterable[int]:
        """Those whose workers may still have to be forked."""
        if not self.pools.paused:
            yield self.generation
        if self.reload.trial:
            yield self.reload.trial.generation


REACTIONS: dict[type, Callable[[Master, Any, float], Orders]] = {
    facts.TimePassed: Master._time_passed,
    facts.StopRequested: commands.stop_requested,
    facts.ReloadRequested: commands.reload_requested,
    facts.UpgradeRequested: commands.upgrade_requested,
    facts.ReopenRequested: commands.reopen_requested,
    facts.ScaleRequested: commands.scale_requested,
    facts.RoomMeasured: commands.room_measured,
    facts.DumpRequested: commands.dump_requested,
    facts.PauseRequested: commands.pause_requested,
    facts.WorkerSpawned: Master._worker_spawned,
    facts.SpawnFailed: Master._spawn_failed,
    facts.WorkerReady: Master._worker_ready,
    facts.BootFailed: Master._boot_failed,
    facts.AcceptingEnded: Master._accepting_ended,
    facts.RequestStarted: Master._request_started,
    facts.RecycleDue: Master._recycle_due,
    facts.WorkerWarm: Master._worker_warm,
    facts.StacksDumped: Master._stacks_dumped,
    facts.ScoreboardRead: Master._scoreboard_read,
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
