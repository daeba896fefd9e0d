"""Pure. The policy of the master: one fact in, orders out.

``handle`` reacts to what happened, then *converges*: it works out what is owed by now, whatever the cause, and
orders it. So a fact that was missed is made good by the next one. ``deadline`` says when it must be called again. Pids,
sockets, files and the clock are elsewhere: nothing here can fail, and every fate of a worker is tested without a fork.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from prefork.arbiter import commands, death_report, facts, orders, recycling
from prefork.arbiter.facts import Fact
from prefork.arbiter.fleet import Death, ServiceState, Worker, WorkerEvent, WorkerState
from prefork.arbiter.orders import Order, report
from prefork.arbiter.situation import REACTIONS, Situation, on
from prefork.arbiter.upgrade.policy import UpgradeState
from prefork.errors import BootError

Orders = Iterable[Order]


class Master(Situation):
    """Decides. What it knows is the situation; times in seconds of the monotonic clock."""

    # What the loop calls.

    def handle(self, fact: Fact, now: float, found: list[Order] | None = None) -> list[Order]:
        """React to one fact and converge.

        The orders are added to ``found`` one by one: should anything be raised, those that were given until then are
        there, and are to be carried out.

        Deadlines are looked at when time has passed, which is said after everything else: a master that was stopped
        for an hour, or had no processor, first hears what its workers have said meanwhile.
        """
        found = [] if found is None else found
        found.extend(REACTIONS[type(fact)](self, fact, now))
        found.extend(self.manage_workers(now))
        found.extend(self._conclude(now))
        return found

    def deadline(self) -> float:
        """When ``handle`` must be called with TimePassed at the latest; inf when only a fact can change anything."""
        times = [self.upgrade.deadline, self.retries.due, self.pools.next_settled()]
        for worker in self.fleet:
            times += (worker.life.deadline, worker.watch.look_at, worker.dump.due if worker.dump else inf)
        if self.state is not ServiceState.STOPPING:
            times += self.pools.waiting_until(self.generation)
            times.append(recycling.next_age(self.fleet))
        return min(times)

    # Convergence.

    def murder_workers(self, now: float) -> Orders:
        """What is past its deadline: workers, by the ladder; rows that are due to be read; a silent successor."""
        yield from (order for order in self.retries.take(now) if self._still_wanted(order))
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
                yield from self.termination.retire(worker, "the pool was removed from the configuration", now)
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
        yield from self._templates.dismiss(self._wanted_generations(), now)

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

    @on(facts.TimePassed)
    def _time_passed(self, _fact: facts.TimePassed, now: float) -> Orders:
        return self.murder_workers(now)

    @on(facts.WorkerSpawned)
    def _worker_spawned(self, fact: facts.WorkerSpawned, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            worker.life.pid = fact.pid
            yield report("debug", f"{worker.kind}_spawned", **worker.describe())

    @on(facts.SpawnFailed)
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

    @on(facts.WorkerReady)
    def _worker_ready(self, fact: facts.WorkerReady, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and self.fleet.move(worker, WorkerEvent.BOOTED, now):
            yield report("info", f"{worker.kind}_ready", **worker.describe(), boot_seconds=round(now - worker.born, 3))
            self._templates.mark_colder()

    @on(facts.BootFailed)
    def _boot_failed(self, fact: facts.BootFailed, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and worker.state is WorkerState.BOOTING:
            worker.life.failure = fact.traceback
        return ()

    @on(facts.AcceptingEnded)
    def _accepting_ended(self, fact: facts.AcceptingEnded, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker:
            worker.life.accepts = False
        return ()

    @on(facts.RequestStarted)
    def _request_started(self, fact: facts.RequestStarted, now: float) -> Orders:
        return self.stalls.request_started(fact, now)

    @on(facts.ScoreboardRead)
    def _scoreboard_read(self, fact: facts.ScoreboardRead, now: float) -> Orders:
        return self.stalls.seen(fact, now)

    @on(facts.RecycleDue)
    def _recycle_due(self, fact: facts.RecycleDue, _now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and worker.ready:
            worker.mark_worn(fact.reason)
        return ()

    @on(facts.WorkerWarm)
    def _worker_warm(self, fact: facts.WorkerWarm, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and self.state is ServiceState.SERVING and worker.generation == self.generation:
            yield from self._templates.warm(worker, fact.served, self.config, now)

    @on(facts.StacksDumped)
    def _stacks_dumped(self, fact: facts.StacksDumped, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker and not self.stalls.dumped(worker, fact.stacks, now):
            self.termination.dumped(worker, fact.stacks, now)
        return ()

    @on(facts.ChildExited)
    def _child_exited(self, fact: facts.ChildExited, now: float) -> Orders:
        worker = self.fleet.get(fact.worker)
        if worker is None:
            return
        self.fleet.strike(worker)
        worker.life.stacks = worker.life.stacks or (worker.dump.stacks if worker.dump else "")
        yield from self.stalls.tell(worker, now)
        # One that was told to go before its template had forked it has gone as it was asked to.
        retired = worker.life.unwanted and (fact.clean or not worker.pid)
        if not retired:
            yield from self._look_again(worker)
        if self._exit.code and not worker.was_ready and worker.life.failure in ("", self._start_failure):
            yield death_report.retirement(worker, fact)  # what all of them fail by has been reported
            return
        if worker.life.unwanted:
            yield death_report.retirement(worker, fact) if retired else self._died(worker, fact, 0.0, now)
            return
        if worker.template and worker.level and not worker.was_ready:
            yield from self._templates.refused(worker, fact)
            return
        on_trial = self.reload.on_trial(worker)
        # A canary's death costs the reload.
        delay = 0.0 if on_trial else self.pools.count_death(worker, now, killed=fact.killed and not worker.life.cause)
        yield self._died(worker, fact, delay, now)
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

    def _died(self, worker: Worker, fact: facts.ChildExited, delay: float, now: float) -> Order:
        certificate = death_report.certificate(worker, fact, delay, now)
        self.fleet.deaths.append(Death(now, "died", certificate.fields))
        return certificate

    def _give_up(self, worker: Worker, fact: facts.ChildExited, now: float) -> Orders:
        """At start-up, what cannot boot ends the master."""
        self.state = ServiceState.STOPPING
        self._exit = orders.Exit(BootError.exit_code, death_report.boot_story(worker, fact))
        self._start_failure = worker.life.failure
        yield report("error", "start_failed", pool=worker.pool, reason=f"a {worker.kind} ended before it was ready")
        for other in self.fleet:
            yield from self.termination.quit(other, "the service cannot start", now)

    # Reactions: reload.

    @on(facts.ConfigLoaded)
    def _config_loaded(self, fact: facts.ConfigLoaded, _now: float) -> Orders:
        return self.reload.loaded(fact)

    @on(facts.ListenersOpened)
    def _listeners_opened(self, fact: facts.ListenersOpened, _now: float) -> Orders:
        self.reload.opened(fact.generation)
        return ()

    @on(facts.ReloadRefused)
    def _reload_refused(self, fact: facts.ReloadRefused, now: float) -> Orders:
        return self.reload.refused(fact.faults, now)

    # Reactions: upgrade.

    @on(facts.SuccessorStarted)
    def _successor_started(self, fact: facts.SuccessorStarted, now: float) -> Orders:
        self.upgrade.started(fact.pid, self.config, now)
        return ()

    @on(facts.SuccessorReady)
    def _successor_ready(self, fact: facts.SuccessorReady, now: float) -> Orders:
        if self.upgrade.state is not UpgradeState.STARTED:
            return
        yield from self.upgrade.serves(fact)
        if self.upgrade.auto:
            yield from commands.stop_requested(self, facts.StopRequested(graceful=True, signal="upgrade"), now)

    @on(facts.SuccessorFailed)
    def _successor_failed(self, fact: facts.SuccessorFailed, _now: float) -> Orders:
        return () if self.upgrade.dismissed else self.upgrade.failed(fact.reason)  # that was its failure

    @on(facts.SuccessorGone)
    def _successor_gone(self, _fact: facts.SuccessorGone, _now: float) -> Orders:
        return self.upgrade.gone(stopping=self.state is ServiceState.STOPPING)

    @on(facts.PredecessorGone)
    def _predecessor_gone(self, _fact: facts.PredecessorGone, _now: float) -> Orders:
        self.predecessor = False
        yield orders.CloseUnclaimed()
        yield report("info", "upgrade_completed")

    # Reactions: what could not be carried out.

    @on(facts.OrderFailed)
    def _order_failed(self, fact: facts.OrderFailed, now: float) -> Orders:
        """As the fact by which the order itself would have said that it failed; or it is tried again, in a while."""
        order = fact.order
        if isinstance(order, orders.SpawnWorker | orders.SpawnTemplate):
            return self._spawn_failed(facts.SpawnFailed(order.worker, fact.reason), now)
        if isinstance(order, orders.LoadConfig | orders.OpenListeners):
            return self.reload.refused((fact.reason,), now)
        if isinstance(order, orders.MeasureRoom):
            return [commands.scale_refused(self, order.pool, f"the memory could not be measured: {fact.reason}")]
        if isinstance(order, orders.ReopenLogs):
            self.reopening.failed(fact.reason)
        if isinstance(order, orders.Reexec):
            return self._successor_failed(facts.SuccessorFailed(fact.reason), now)
        if isinstance(order, orders.ReadScoreboard):
            self.stalls.unread(order.workers, now)
        else:
            self.retries.add(order, now)
        return ()

    def _still_wanted(self, order: Order) -> bool:
        """Whether an order that failed is worth another try: its object is there, and nothing has superseded it."""
        if isinstance(order, orders.RetireWorker | orders.KillWorker | orders.WatchWorker):
            return self.fleet.get(order.worker) is not None
        if isinstance(order, orders.AdoptGeneration):
            return order.generation == self.generation
        if isinstance(order, orders.RetirePredecessor):
            return self.predecessor
        if isinstance(order, orders.KillSuccessor | orders.RestorePidfile):
            return isinstance(order, orders.KillSuccessor) == (self.upgrade.state is not UpgradeState.NONE)
        return True

    def _wanted_generations(self) -> Iterable[int]:
        """Those whose workers may still have to be forked."""
        if not self.pools.paused:
            yield self.generation
        if self.reload.trial:
            yield self.reload.trial.generation
