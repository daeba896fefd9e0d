"""Pure. Reactions to what the operator asks, by signal or by command: one function a wish.

A wish that cannot be granted is refused with a sentence; nothing else of it happens.
"""

from __future__ import annotations

from collections.abc import Iterable
from signal import Signals

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.orders import Order, report
from prefork.arbiter.situation import Situation, on

Orders = Iterable[Order]


@on(facts.StopRequested)
def stop_requested(master: Situation, fact: facts.StopRequested, now: float) -> Orders:
    """Graceful: every worker finishes what it has; else it drops that. The master exits when none is left."""
    reason = f"the service stops ({fact.signal})"
    yield from _stop_other(master, fact)
    if master.state is not ServiceState.STOPPING:
        master.state = ServiceState.STOPPING
        yield report("info", "master_stopping", signal=fact.signal, graceful=fact.graceful)
        yield from master.reload.stop(reason, now)
        if fact.graceful:
            master.again = fact.again and master.keeps
            yield orders.StopListening(last=master.alone and not master.again)
    for worker in master.fleet:
        if fact.graceful:
            # Nobody accepts after the last worker, unless another master does, or will.
            drain = not (master.upgrade.ready or master.again)
            yield from master.termination.retire(worker, reason, now, drain=drain)
        else:
            yield from master.termination.quit(worker, reason, now)


def _stop_other(master: Situation, fact: facts.StopRequested) -> Orders:
    """The other master of an upgrade, if the whole service is to stop; who insists, insists there as well."""
    if fact.whole or (master.upgrade.dismissed and not fact.graceful):
        yield from master.upgrade.dismiss(Signals.SIGTERM if fact.graceful else Signals.SIGQUIT)
    if fact.whole and master.predecessor and not master.whole:
        yield orders.RetirePredecessor()
    master.whole = master.whole or fact.whole


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
        yield _scale_refused(master, name, f"there is no pool {name}")
        return
    change = fact.workers - master.pools.scaled(name) if fact.workers else fact.change
    wanted = master.pools.scale(name, change)
    if wanted is not None:
        master.scaling.done()
        yield report("info", "pool_scaled", pool=name, workers=wanted)
    else:
        yield _scale_refused(master, name, "a pool keeps at least one worker")


def _scale_refused(master: Situation, pool: str, reason: str) -> Order:
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
    yield from master.reload.drop("the workers were sent to rest", now)
    master.pools.paused = True
    yield report("info", "workers_paused", hint="HUP brings them back")
