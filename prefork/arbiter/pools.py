"""Pure. What each pool wants: how many workers, how soon after a death, and what is owed to bring it there.

All times are seconds of the monotonic clock. A pool is known by its name; those here are of the configuration in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from prefork.arbiter import policy
from prefork.arbiter.fleet import Fleet, Worker, WorkerState
from prefork.arbiter.policy import Backoff
from prefork.arbiter.rolling import Owed, Scale, owed, surge_of
from prefork.config.models import Config, Pool


class Pools:
    """The pools of the configuration in force. ``workers_of`` gives the number that a pool's configuration means.

    ``cores``: how many workers can boot at a time without being in each other's way.
    """

    def __init__(self, config: Config, fleet: Fleet, workers_of: Callable[[Pool], int], cores: int) -> None:
        self._paused = False
        self._fleet = fleet
        self._workers_of = workers_of
        self._cores = cores
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
        """Whether the pools want no workers for now."""
        return self._paused

    def pause(self) -> None:
        """Want no workers from here on; the numbers stay as they are."""
        self._paused = True

    def resume(self) -> None:
        """Want the workers again."""
        self._paused = False

    def wanted(self, name: str) -> int:
        """How many workers a pool should have now."""
        return 0 if self._paused else self.scaled(name)

    def scaled(self, name: str) -> int:
        """How many workers a pool should have when the pools are not paused."""
        return self._scale[name].wanted

    def scale(self, name: str, by: int) -> int | None:
        """Change the number of a pool by an operator's adjustment.

        Returns the new number, or None if that cannot be.
        """
        return self._scale[name].wanted if self._scale[name].change(by) else None

    def occupied(self, name: str) -> dict[str, int]:
        """What ``no_room`` has to know: the workers that this pool has, and the rows that the others take."""
        others = [other for other in self._pools if other != name]
        # A roll takes a surge beside the number, and each pool that preloads a template, and a second one meanwhile.
        taken = sum(self.scaled(other) for other in others)
        beside = sum(surge_of(pool, self.scaled(other)) + 2 * pool.templated for other, pool in self._pools.items())
        return {"present": len(self._fleet.of(name)), "taken": taken + beside}

    def owed(self, name: str, generation: int) -> Owed:
        """What brings a pool nearer to its number of workers of a generation."""
        wanted = self.wanted(name)
        surge = surge_of(self._pools[name], wanted)
        batch = max(surge, self._cores)
        return owed(self._fleet.of(name), wanted=wanted, surge=surge, generation=generation, batch=batch)

    def full(self, name: str, generation: int) -> bool:
        """Whether the pool has its number of ready workers of a generation."""
        ready = sum(worker.ready and worker.generation == generation for worker in self._fleet.of(name))
        return ready >= self.wanted(name)

    # Deaths and back-off.

    def backoff_of(self, name: str) -> Backoff:
        """The back-off of a pool; of one that is on trial, or removed, as well."""
        return self._backoff.setdefault(name, Backoff())

    def not_before(self, name: str) -> float:
        """When the back-off of a pool is over; a pool without a ready worker waits least."""
        return self.backoff_of(name).not_before(bare=not any(worker.ready for worker in self._fleet.of(name)))

    def patient(self, name: str, now: float) -> bool:
        """Whether the back-off of the pool is over, so that it may fork."""
        return self.not_before(name) <= now

    def count_failure(self, name: str, now: float) -> float:
        """The back-off that a worker costs that could not be forked, in seconds."""
        self.backoff_of(name).failed(now)
        return self._delay(name, now)

    def count_death(self, worker: Worker, now: float, *, killed: bool) -> float:
        """The back-off in seconds that a death nobody asked for costs its pool. ``killed``: by KILL, from outside."""
        backoff = self.backoff_of(worker.pool)
        if worker.was_ready and now - worker.life.ready_at >= policy.SETTLED_AFTER:
            return 0.0
        if worker.was_ready or killed:
            backoff.died(now, policy.burst_of(self.scaled(worker.pool) if worker.pool in self else 1))
        else:
            backoff.failed(now)
        return self._delay(worker.pool, now)

    def _delay(self, name: str, now: float) -> float:
        return max(0.0, self.not_before(name) - now)

    def settle(self, now: float) -> None:
        """End the back-off of the pools in which a worker that became ready since the last failure has stayed up."""
        for name, at in self._settling():
            if at <= now:
                self.backoff_of(name).settled()

    def next_settled(self) -> float:
        """When the next back-off may end because a worker has stayed ready; inf if none will."""
        return min((at for _name, at in self._settling()), default=inf)

    def _settling(self) -> Iterator[tuple[str, float]]:
        for name, backoff in self._backoff.items():
            for worker in self._fleet.of(name) if backoff.failures else ():
                if worker.ready and worker.life.ready_at >= backoff.failed_at:
                    yield name, worker.life.ready_at + policy.SETTLED_AFTER

    def waiting_until(self, generation: int) -> Iterator[float]:
        """When the pools that are short of workers may fork again: what is still owed waits for its back-off."""
        for name, backoff in self._backoff.items():
            if not backoff.failures or name not in self._pools:
                continue
            if self.owed(name, generation).spawn and not self._waits_for_template(name, generation):
                yield self.not_before(name)

    def _waits_for_template(self, name: str, generation: int) -> bool:
        lives = {one.state for one in self._fleet.templates if (one.pool, one.generation) == (name, generation)}
        return WorkerState.BOOTING in lives and WorkerState.READY not in lives
