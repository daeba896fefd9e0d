"""Pure. What each pool wants: how many workers, how soon after a death, and what is owed to bring it there.

All times are seconds of the monotonic clock. A pool is known by its name; those here are of the configuration in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prefork.arbiter import policy
from prefork.arbiter.fleet import Fleet, Worker, WorkerState
from prefork.arbiter.policy import Backoff
from prefork.arbiter.rolling import Owed, Scale, owed, surge_of
from prefork.config.models import Config, Pool


class Pools:
    """The pools of the configuration in force. ``workers_of`` gives the number that a pool's configuration means."""

    def __init__(self, config: Config, fleet: Fleet, workers_of: Callable[[Pool], int]) -> None:
        self._paused = False
        self._fleet = fleet
        self._workers_of = workers_of
        self._backoff: dict[str, Backoff] = {}
        self._pools = config.pool
        self._scale = {name: Scale(workers_of(pool)) for name, pool in config.pool.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._pools)

    def __contains__(self, name: object) -> bool:
        return name in self._pools

    def adopt(self, config: Config) -> Iterator[tuple[str, Scale]]:
        """Go on with another configuration; gives the pools whose number keeps an operator's adjustment."""
        before, self._scale, self._pools = self._scale, {}, config.pool
        self.resume()
        for name, pool in config.pool.items():
            file = self._workers_of(pool)
            self._scale[name] = before[name].reloaded(file) if name in before else Scale(file)
            self.backoff_of(name).settled()
            if self._scale[name].adjustment:
                yield name, self._scale[name]

    @property
    def paused(self) -> bool:
        """They want no workers for now."""
        return self._paused

    def pause(self) -> None:
        """From here on no workers are wanted; the numbers stay as they are."""
        self._paused = True

    def resume(self) -> None:
        """The workers are wanted again."""
        self._paused = False

    def wanted(self, name: str) -> int:
        """How many workers a pool should have now."""
        return 0 if self._paused else self.scaled(name)

    def scaled(self, name: str) -> int:
        """How many workers a pool should have when the pools are not paused."""
        return self._scale[name].wanted

    def scale(self, name: str, by: int) -> int | None:
        """Change the number by an operator's adjustment; the number wanted by then, or None if that cannot be."""
        return self._scale[name].wanted if self._scale[name].change(by) else None

    def owed(self, name: str, generation: int) -> Owed:
        """What brings a pool nearer to its number of workers of a generation."""
        wanted = self.wanted(name)
        surge = surge_of(self._pools[name], wanted)
        return owed(self._fleet.of(name), wanted=wanted, surge=surge, generation=generation)

    def full(self, name: str, generation: int) -> bool:
        """The pool has its number of ready workers of a generation."""
        ready = sum(worker.ready and worker.generation == generation for worker in self._fleet.of(name))
        return ready >= self.wanted(name)

    # Deaths and back-off.

    def backoff_of(self, name: str) -> Backoff:
        """A pool's back-off; also of one that is on trial, or removed."""
        return self._backoff.setdefault(name, Backoff())

    def patient(self, name: str, now: float) -> bool:
        """Its back-off is over: it may fork."""
        return self.backoff_of(name).not_before <= now

    def count_death(self, worker: Worker, now: float) -> float:
        """The back-off that a death nobody asked for costs its pool, in seconds."""
        if not worker.was_ready:
            return self.backoff_of(worker.pool).died_booting(now)
        if now - worker.life.ready_at < policy.SETTLED_AFTER:
            return self.backoff_of(worker.pool).died_young(now)
        return 0.0

    def proving(self) -> Iterator[Worker]:
        """The workers that end their pool's back-off if they stay up."""
        for name, backoff in self._backoff.items():
            if backoff.failures:
                yield from (worker for worker in self._fleet.of(name) if worker.ready and not worker.life.settled)

    def settle(self, worker: Worker) -> None:
        """It has stayed up."""
        worker.life.settled = True
        self.backoff_of(worker.pool).settled()

    def waiting_until(self, generation: int) -> Iterator[float]:
        """When the pools that are short of workers may fork again: what is still owed waits for its back-off."""
        for name, backoff in self._backoff.items():
            if not backoff.not_before or name not in self._pools:
                continue
            if self.owed(name, generation).spawn and not self._waits_for_template(name, generation):
                yield backoff.not_before

    def _waits_for_template(self, name: str, generation: int) -> bool:
        lives = {one.state for one in self._fleet.templates if (one.pool, one.generation) == (name, generation)}
        return WorkerState.BOOTING in lives and WorkerState.READY not in lives
