"""Pure. Templates: the processes that workers of a pool are forked from, where the pool preloads.

A pool on trial or in force has one template a generation, made when the first worker is owed. A template shares the
life of a worker: its boot has a deadline, and its failure is the pool's. Its death is no worker's death.
"""

from __future__ import annotations

from collections.abc import Iterable

from prefork.arbiter import orders, policy
from prefork.arbiter.fleet import Fleet, Life, Worker
from prefork.arbiter.ladder import Ladder
from prefork.arbiter.orders import Order
from prefork.config.models import Config


class Nursery:
    """Where workers come from. Times in seconds of the monotonic clock."""

    def __init__(self, fleet: Fleet, ladder: Ladder) -> None:
        self._fleet = fleet
        self._ladder = ladder

    def spawn(self, pool: str, config: Config, generation: int, now: float) -> Iterable[Order]:
        """One worker more; or the template that it will be forked from, or nothing while that boots."""
        settings = config.pool[pool]
        template = self.template_of(pool, generation) if settings.templated else None
        if settings.templated and template is None:
            made = self._fleet.enlist(pool, settings, generation, now, template=True)
            made.deadline = now + policy.limit(settings.timeout.boot)
            yield orders.SpawnTemplate(made.id, pool, made.slot, generation, config)
        elif template is None or template.ready:
            worker = self._fleet.enlist(pool, settings, generation, now)
            worker.deadline = now + policy.limit(settings.timeout.boot)
            source = template.id if template else 0
            yield orders.SpawnWorker(worker.id, pool, worker.number, worker.slot, generation, config, source)

    def template_of(self, pool: str, generation: int) -> Worker | None:
        """The template that is there, or on its way."""
        templates = (worker for worker in self._fleet.templates if worker.serving)
        return next((one for one in templates if (one.pool, one.generation) == (pool, generation)), None)

    def dismiss(self, needed: Iterable[int], reason: str, now: float) -> Iterable[Order]:
        """End the templates of generations that are not needed."""
        generations = frozenset(needed)
        for template in self._fleet.templates:
            if template.generation not in generations:
                yield from self._ladder.quit(template, reason, now)

    def barren(self, worker: Worker, now: float) -> Iterable[Order]:
        """A worker is overdue and has not even been forked: it is its template that hangs."""
        template = self.template_of(worker.pool, worker.generation)
        if template and not worker.template and worker.life is Life.BOOTING and not worker.pid:
            yield from self._ladder.stuck(template, "it does not fork", now)
