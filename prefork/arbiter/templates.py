"""Pure. Templates: the processes that workers of a pool are forked from, where the pool preloads.

A pool on trial or in force has one template a generation, made when the first worker is owed. A template shares the
life of a worker: its boot has a deadline, and its failure is the pool's. Its death is no worker's death.

A worker that has served long enough is warm: what it has imported and cached by now is forked off as the next
template, one level up, and the other workers are replaced by its children. Should that fail, everything stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from prefork.arbiter import death_report, orders
from prefork.arbiter.facts import ChildExited
from prefork.arbiter.fleet import Fleet, Worker, WorkerState
from prefork.arbiter.orders import Order, report
from prefork.arbiter.termination import Termination
from prefork.config.models import Config


class Templates:
    """Where workers come from. Times in seconds of the monotonic clock."""

    def __init__(self, fleet: Fleet, termination: Termination) -> None:
        self._fleet = fleet
        self._termination = termination

    def spawn(self, pool: str, config: Config, generation: int, now: float) -> Iterable[Order]:
        """One worker more; or the template that it will be forked from, or nothing while that boots."""
        settings = config.pool[pool]
        template = self.template_of(pool, generation) if settings.templated else None
        if settings.templated and template is None:
            made = self._fleet.enlist(pool, settings, generation, now, template=True)
            yield orders.SpawnTemplate(made.id, pool, made.slot, generation, config)
        elif template is None or template.ready:
            level = template.level if template else 0
            source = template.id if template else 0
            worker = self._fleet.enlist(pool, settings, generation, now, level=level, source=source)
            warm_at = settings.refork[level] if level < len(settings.refork) else 0
            yield orders.SpawnWorker(worker.id, pool, worker.number, worker.slot, generation, config, source, warm_at)

    def template_of(self, pool: str, generation: int) -> Worker | None:
        """The template that is there, or, if none is, on its way."""
        templates = self._templates_of(pool, generation)
        return max(templates, key=lambda template: (template.ready, template.level), default=None)

    def _templates_of(self, pool: str, generation: int) -> list[Worker]:
        templates = (worker for worker in self._fleet.templates if worker.serving)
        return [one for one in templates if (one.pool, one.generation) == (pool, generation)]

    # Reforking.

    def warm(self, worker: Worker, served: int, config: Config, now: float) -> Iterable[Order]:
        """A worker says that it can be the next template: it is, if it is due, and no other is before it.

        A worker may say what it likes. It is believed where the pool reforks at this level, and its row agrees.
        """
        due = worker.settings.refork[worker.level] if worker.level < len(worker.settings.refork) else inf
        if served < due:
            return
        template = self.template_of(worker.pool, worker.generation)
        alone = len(self._templates_of(worker.pool, worker.generation)) == 1
        if not (worker.ready and template and template.ready and alone) or template.life.refused:
            return
        if template.level == worker.level and worker.pool in config.pool:
            settings, level = worker.settings, worker.level + 1
            made = self._fleet.enlist(worker.pool, settings, worker.generation, now, template=True, level=level)
            yield orders.SpawnTemplate(made.id, made.pool, made.slot, made.generation, config, worker.id)

    def mark_colder(self) -> None:
        """Note which workers were forked from a template that there is a warmer one than."""
        for template in self._fleet.templates:
            if template.ready and template.level:
                for worker in self._fleet.of(template.pool):
                    if worker.ready and worker.generation == template.generation and worker.level < template.level:
                        worker.mark_worn("refork")

    def refused(self, made: Worker, fact: ChildExited) -> Iterable[Order]:
        """What was to be the next template has ended before it was ready: the present one is kept."""
        template = self.template_of(made.pool, made.generation)
        if template:
            template.life.refused = True
        yield report("warning", "refork_refused", **made.describe(), reason=death_report.boot_story(made, fact))

    def dismiss(self, needed: Iterable[int], now: float) -> Iterable[Order]:
        """End the templates of generations that are not needed, and those that there is a warmer one than.

        Not while a worker is still to be forked from it: that worker would be lost, though nothing is wrong with it.
        """
        generations = frozenset(needed)
        for template in self._fleet.templates:
            reason = "" if template.generation in generations else "a new generation replaced this one"
            if not reason and self._superseded(template):
                reason = "a warmer template is ready"
            if reason and not self._unborn(template):
                yield from self._termination.retire(template, reason, now)

    def _superseded(self, template: Worker) -> bool:
        others = self._templates_of(template.pool, template.generation)
        return any(other.ready and other.level > template.level for other in others)

    def _unborn(self, template: Worker) -> list[Worker]:
        """The workers that it was told to fork, and that have not said hello."""
        return [one for one in self._fleet.of(template.pool) if one.source == template.id and not one.pid]

    def barren(self, worker: Worker, now: float) -> Iterable[Order]:
        """A worker is overdue and has not even been forked: it is its template that hangs."""
        template = self._fleet.get(worker.source)
        if template and template.serving and worker.state is WorkerState.BOOTING and not worker.pid:
            yield from self._termination.stuck(template, "the template does not fork", now)
