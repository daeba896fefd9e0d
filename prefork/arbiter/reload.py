"""Pure. The course of a reload: the file is read, sockets are opened, one worker a pool is tried, then all roll.

Until its trial is passed, everything is as it was; whatever goes wrong before that, or comes between, leaves it so.
A reload that is asked for meanwhile supersedes the one on its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import inf

from prefork.arbiter import facts, orders
from prefork.arbiter.fleet import Fleet, Worker
from prefork.arbiter.orders import Order, report
from prefork.arbiter.pools import Pools
from prefork.arbiter.termination import Termination
from prefork.config.models import Config

Orders = Iterable[Order]


class ReloadState(Enum):
    """How far a reload has come, or how it ended."""

    LOADING = "loading"  # the file is being read, or its sockets opened
    TRIAL = "trial"  # one worker a pool has to become ready
    ROLLING = "rolling"  # it is in force: the old generation's workers are being replaced
    DONE = "done"
    REFUSED = "refused"
    SUPERSEDED = "superseded"  # by another reload, or by what else the operator asked


ENDED = frozenset({ReloadState.DONE, ReloadState.REFUSED, ReloadState.SUPERSEDED})


@dataclass
class Attempt:
    """One reload, kept until the next for whoever asks. Times in seconds of the monotonic clock."""

    serial: int  # 1 is the first since the master started
    began: float
    state: ReloadState = ReloadState.LOADING
    faults: tuple[str, ...] = ()
    ended: float = inf


@dataclass
class Trial:
    """A generation that has to prove itself before the old one is touched."""

    generation: int
    config: Config
    restart_keys: tuple[str, ...] = ()
    opened: bool = False  # its listeners are open


class Reload:
    """The generation in force, and the one that is to replace it."""

    def __init__(self, config: Config, fleet: Fleet, pools: Pools, termination: Termination) -> None:
        self.config = config
        self.generation = 1
        self.trial: Trial | None = None
        self.last: Attempt | None = None
        self._fleet = fleet
        self._pools = pools
        self._termination = termination
        self._newest = 1  # the generation number that was given out last

    def asked(self, obstacle: str, now: float) -> Orders:
        """Begin, unless there is an ``obstacle`` (a sentence)."""
        yield from self.drop("superseded by another reload", now)
        self._end(ReloadState.SUPERSEDED, now)
        self.last = Attempt(self.last.serial + 1 if self.last else 1, now)
        if obstacle:
            yield from self.refused((obstacle,), now)
            return
        yield report("info", "reload_started")
        yield orders.LoadConfig()

    def loaded(self, fact: facts.ConfigLoaded) -> Orders:
        """The file is sound."""
        self._newest += 1
        self.trial = Trial(self._newest, fact.config, fact.changed.get("needs_upgrade", ()))
        if fact.changed:
            yield report("info", "config_changed", **{name: ", ".join(keys) for name, keys in fact.changed.items()})
        yield orders.OpenListeners(self._newest, fact.config)

    def opened(self, generation: int) -> None:
        """The listeners of a generation are open: its trial can begin."""
        if self.trial and self.trial.generation == generation:
            self.trial.opened = True
            self._advance(ReloadState.TRIAL)

    def refused(self, faults: tuple[str, ...], now: float) -> Orders:
        """It cannot be: all is as it was, and these are the reasons. But workers that rest were wanted back."""
        if self.last:
            self.last.faults = faults
        self._pools.resume()
        self._end(ReloadState.REFUSED, now)
        for fault in faults:
            yield report("error", "reload_refused", reason=fault, generation=self.generation)
        yield from self.drop("the reload of this generation was refused", now)

    def drop(self, reason: str, now: float) -> Orders:
        """Give up the trial, if there is one: everything is as it was before the reload."""
        if self.trial is None:
            return
        trial, self.trial = self.trial, None
        self._end(ReloadState.SUPERSEDED, now)
        for worker in self._fleet:
            if worker.generation == trial.generation:
                yield from self._termination.retire(worker, reason, now)
        yield orders.DropGeneration(trial.generation)

    def stop(self, reason: str, now: float) -> Orders:
        """The service stops, whatever was on its way."""
        yield from self.drop(reason, now)
        self._end(ReloadState.SUPERSEDED, now)

    def conclude(self, now: float) -> Orders:
        """What is complete by now: the trial, or the roll."""
        if self.trial and self.trial.opened and self._proved(self.trial):
            yield from self._adopt(self.trial)
        if self.last and self.last.state is ReloadState.ROLLING and self._rolled():
            took = round(now - self.last.began, 3)
            self._end(ReloadState.DONE, now)
            yield report("info", "reload_done", seconds=took, **self.summary())

    def on_trial(self, worker: Worker) -> bool:
        """It belongs to the generation that has to prove itself."""
        return self.trial is not None and worker.generation == self.trial.generation

    def lacking(self) -> Iterable[str]:
        """The pools on trial that have no worker yet."""
        if self.trial and self.trial.opened:
            yield from (name for name in self.trial.config.pool if not self._canaries(name))

    def summary(self) -> dict[str, int]:
        """The generation in force, for reports."""
        ready = sum(
            worker.ready and worker.generation == self.generation and not worker.template for worker in self._fleet
        )
        return {"generation": self.generation, "workers": ready, "pools": len(self.config.pool)}

    def _adopt(self, trial: Trial) -> Orders:
        """The trial was passed: from here on its generation is the one in force."""
        self.trial = None
        self.config, self.generation = trial.config, trial.generation
        self._advance(ReloadState.ROLLING)
        for name, scale in self._pools.adopt(trial.config):
            yield report("info", "adjustment_kept", pool=name, workers=scale.wanted, file=scale.file)
        if trial.restart_keys:
            keys = ", ".join(trial.restart_keys)
            yield report(
                "warning", "restart_needed", keys=keys, hint="these keys take effect at an upgrade or a restart"
            )
        yield orders.AdoptGeneration(trial.generation, trial.config)

    def _advance(self, state: ReloadState) -> None:
        if self.last and self.last.state not in ENDED:
            self.last.state = state

    def _end(self, state: ReloadState, now: float) -> None:
        if self.last and self.last.state not in ENDED:
            self.last.state, self.last.ended = state, now

    def _canaries(self, pool: str) -> list[Worker]:
        return [worker for worker in self._fleet.of(pool) if self.on_trial(worker) and not worker.life.unwanted]

    def _proved(self, trial: Trial) -> bool:
        return all(any(worker.ready for worker in self._canaries(name)) for name in trial.config.pool)

    def _rolled(self) -> bool:
        """Every new connection gets the new generation."""
        old = any(worker.life.accepts and worker.generation < self.generation for worker in self._fleet)
        return not old and all(self._pools.full(name, self.generation) for name in self._pools)
