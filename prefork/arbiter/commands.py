"""Pure. Reactions to what the operator asks, by signal or by command: one function a wish.

A wish that cannot be granted is refused with a sentence; nothing else of it happens.
"""

from __future__ import annotations

from collections.abc import Iterable
from signal import Signals

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.orders import Order, report
from prefork.arbiter.rolling import no_room
from prefork.arbiter.situation import Situation, on

Orders = Iterable[Order]

MEASURED = 4  # workers whose memory is looked at: reading that of a large one takes milliseconds


@on(facts.StopRequested)
def stop_requested(master: Situation, fact: facts.StopRequested, now: float) -> Orders:
    """Graceful: every worker finishes what it has; else it drops that. The master exits when none is left."""
    reason = f"the service is stopping ({fact.signal})"
    yield from _stop_other(master, fact)
    master.plan_stop(fact.plan)
    if master.state is not ServiceState.STOPPING:
        master.state = ServiceState.STOPPING
        yield report("info", "master_stopping", signal=fact.signal, graceful=fact.graceful)
        yield from master.reload.stop(reason, now)
        if fact.graceful:
            yield orders.StopListening(last=master.alone and not master.stop.restarting)
    for worker in master.fleet:
        if fact.graceful:
            # Nobody accepts after the last worker, unless another master does, or will.
            drain = not (master.upgrade.ready or master.stop.restarting)
            yield from master.termination.retire(worker, reason, now, drain=drain)
        else:
            yield from master.termination.quit(worker, reason, now)


def _stop_other(master: Situation, fact: facts.StopRequested) -> Orders:
    """The other master of an upgrade, if the whole service is to stop. A second, forceful stop is forwarded as well."""
    if fact.plan.whole_service or (master.upgrade.dismissed and not fact.graceful):
        yield from master.upgrade.dismiss(Signals.SIGTERM if fact.graceful else Signals.SIGQUIT)
    if fact.plan.whole_service and master.predecessor and not master.stop.whole_service:
        yield orders.RetirePredecessor()


@on(facts.ReloadRequested)
def reload_requested(master: Situation, _fact: facts.ReloadRequested, now: float) -> Orders:
    """The configuration and the applications anew, unless the service is only starting, or stopping."""
    serving = master.state is ServiceState.SERVING
    return master.reload.asked("" if serving else f"the service is {master.state.value}", now)


@on(facts.UpgradeRequested)
def upgrade_requested(master: Situation, fact: facts.UpgradeRequested, _now: float) -> Orders:
    """A successor on the same sockets, one at a time."""
    obstacle = ""
    if master.state is not ServiceState.SERVING:
        obstacle = f"the service is {master.state.value}"
    elif master.predecessor:
        obstacle = "the old master of the last upgrade is still running: stop it first"
    auto = master.config.master.upgrade == "auto" if fact.auto is None else fact.auto
    return master.upgrade.asked(obstacle, auto=auto)


@on(facts.ReopenRequested)
def reopen_requested(master: Situation, _fact: facts.ReopenRequested, _now: float) -> Orders:
    """Every log anew."""
    master.reopening = master.reopening.after()
    yield orders.ReopenLogs()


@on(facts.LogsReopened)
def logs_reopened(master: Situation, fact: facts.LogsReopened, _now: float) -> Orders:
    """Every log was tried."""
    if fact.failures:
        master.reopening.failed("\n".join(fact.failures))
    else:
        master.reopening.done()
    return ()


@on(facts.ScaleRequested)
def scale_requested(master: Situation, fact: facts.ScaleRequested, _now: float) -> Orders:
    """Another number of workers for a pool, until the file says another."""
    master.scaling = master.scaling.after()
    name = fact.pool or next(iter(master.pools))
    if name not in master.pools:
        yield scale_refused(master, name, f"there is no pool {name}")
        return
    now_wanted = master.pools.scaled(name)
    workers = fact.workers or now_wanted + fact.change
    if workers > now_wanted:
        like = tuple(worker.id for worker in master.fleet.of(name) if worker.ready)[:MEASURED]
        yield orders.MeasureRoom(name, workers, fact.force, like)
    else:
        yield _scale(master, name, workers)


@on(facts.RoomMeasured)
def room_measured(master: Situation, fact: facts.RoomMeasured, _now: float) -> Orders:
    """More workers, if there is room for them. They boot in batches: nobody waits here."""
    obstacle = no_room(fact, **master.pools.occupied(fact.pool))
    yield scale_refused(master, fact.pool, obstacle) if obstacle else _scale(master, fact.pool, fact.workers)


def _scale(master: Situation, pool: str, workers: int) -> Order:
    wanted = master.pools.scale(pool, workers - master.pools.scaled(pool))
    if wanted is None:
        return scale_refused(master, pool, "a pool keeps at least one worker")
    master.scaling.done()
    return report("info", "pool_scaled", pool=pool, workers=wanted)


def scale_refused(master: Situation, pool: str, reason: str) -> Order:
    """A pool keeps its number, and whoever asked is told why."""
    master.scaling.refused(reason)
    return report("warning", "scale_refused", pool=pool, reason=reason)


@on(facts.DumpRequested)
def dump_requested(master: Situation, fact: facts.DumpRequested, now: float) -> Orders:
    """The stacks of workers, which go on unharmed."""
    return master.stalls.dump_asked(fact, now)


@on(facts.PauseRequested)
def pause_requested(master: Situation, _fact: facts.PauseRequested, now: float) -> Orders:
    """No workers, while the sockets stay open."""
    if master.state is not ServiceState.SERVING:
        return
    yield from master.reload.drop("workers paused (WINCH)", now)
    master.pools.pause()
    yield report("info", "workers_paused", hint="HUP resumes the workers")
