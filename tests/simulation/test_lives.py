"""Random lives of whole services, thousands of workers each run, against the invariants of the design."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random

import pytest

from prefork.arbiter import facts
from prefork.arbiter.executor import METHODS as REAL
from prefork.arbiter.fleet import NEXT, ServiceState, WorkerEvent, WorkerState
from prefork.arbiter.master import REACTIONS
from tests.simulation.kernel import EXECUTE, Kernel

LIVES = int(os.environ.get("PREFORK_LIVES", "20000"))
ROUND = 100  # services that are lived at a time
GESTURES = (
    facts.ReloadRequested(),
    facts.ReloadRequested(),
    facts.UpgradeRequested(),
    facts.ReopenRequested(),
    facts.ScaleRequested(+1),
    facts.ScaleRequested(pool="web", workers=9),
    facts.ScaleRequested(-1),
    facts.DumpRequested(),
    facts.PauseRequested(),
)


def live(seed: int) -> Kernel:
    """One service: it starts, an operator plays with it for a while, and it is stopped."""
    rng = Random(seed)
    kernel = Kernel(rng, trouble=rng.choice([0.0, 0.02, 0.1, 0.3]))
    kernel.tell(facts.TimePassed())
    for _ in range(rng.randint(5, 40)):
        kernel.run(kernel.now + rng.expovariate(0.3))
        if kernel.exit:
            return kernel
        kernel.tell(rng.choice(GESTURES))
        if rng.random() < 0.1:  # the machine, or the master alone, was asleep
            kernel.now += rng.uniform(1.0, 600.0)
    whole = rng.random() < 0.5
    kernel.tell(
        facts.StopRequested(graceful=rng.random() < 0.7, signal="TERM", plan=facts.StopPlan(whole_service=whole))
    )
    if rng.random() < 0.3:  # somebody insists
        kernel.run(kernel.now + rng.expovariate(1.0))
        if kernel.exit is None:
            kernel.tell(facts.StopRequested(graceful=rng.random() < 0.3, signal="QUIT"))
    kernel.run(kernel.now + 120.0)
    assert not (whole and kernel.successor), "a master is left"
    return kernel


def births(seed: int) -> int:
    """How many workers one service has; fails where an invariant does, and names the seed."""
    try:
        kernel = live(seed)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error
    assert kernel.exit is not None, f"seed {seed}: still running"
    return kernel.births


@pytest.mark.long
def test_whatever_happens_the_invariants_hold_and_the_master_ends_when_told():
    """After TERM and enough time the master always exits with no child left; the other rules are checked throughout."""
    seed = total = 0
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as cores:
        while total < LIVES:
            total += sum(cores.map(births, range(seed, seed + ROUND), chunksize=5))
            seed += ROUND


def test_without_trouble_every_service_comes_up_and_every_reload_is_done():
    """With nothing going wrong there is nothing but readiness: no death, no refusal, full pools."""
    for seed in range(40):
        kernel = Kernel(Random(seed), trouble=0.0)
        kernel.tell(facts.TimePassed())
        kernel.run(kernel.now + 30)
        assert kernel.master.state is ServiceState.SERVING
        kernel.tell(facts.ReloadRequested())
        kernel.run(kernel.now + 120)
        names = [report.event for report in kernel.told]
        assert "reload_done" in names, seed
        assert "worker_died" not in names, seed
        assert all(kernel.ready(name) == pool.workers for name, pool in kernel.master.config.pool.items())


def test_a_pool_that_keeps_dying_is_respawned_with_growing_pauses():
    """Back-off is 0.1 s where nobody serves, times 1.5, at most 5 s; the master never gives up."""
    kernel = Kernel(Random(1), trouble=0.0)
    kernel.tell(facts.TimePassed())
    kernel.run(kernel.now + 30)
    kernel.trouble = 1.0
    for process in list(kernel.processes.values()):
        if process.alive:
            kernel.tell(kernel.die(process, "signal SIGSEGV"))
    kernel.run(kernel.now + 600)
    delays = [r.fields["next_try_in"] for r in kernel.told if "next_try_in" in r.fields]
    assert kernel.exit is None
    assert delays[0] == 0.1
    assert max(delays) == 5.0


@pytest.mark.parametrize("fact", facts.Fact.__subclasses__())
def test_every_fact_has_a_reaction(fact: type):
    """The table is total."""
    assert fact in REACTIONS


def test_every_order_is_obeyed_for_real_and_in_the_simulation():
    """Both tables are total."""

    assert set(REAL) == set(EXECUTE)


def test_the_life_table_names_only_what_can_happen_and_every_life_can_end():
    """From every life a chain of overdue steps leads to KILLED, unless it is READY, which has no deadline of its own."""
    assert all(isinstance(life, WorkerState) and isinstance(step, WorkerEvent) for life, step in NEXT)
    for life in WorkerState:
        seen = [life]
        while seen[-1] is not WorkerState.KILLED:
            seen.append(NEXT[seen[-1], WorkerEvent.OVERDUE][0])
        assert len(seen) <= 4
