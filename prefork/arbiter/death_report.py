"""Pure. What is said of a worker that has ended: nothing that is known of an unasked death is left out."""

from __future__ import annotations

from typing import Any

from prefork.arbiter.facts import ChildExited
from prefork.arbiter.fleet import Worker
from prefork.arbiter.orders import Report, report

TRACEBACK = "Traceback (most recent call last)"


def retirement(worker: Worker, fact: ChildExited) -> Report:
    """It ended as it was asked to."""
    return report(
        "info", f"{worker.kind}_retired", **worker.describe(), reason=worker.life.cause, served=fact.last.served
    )


def certificate(worker: Worker, fact: ChildExited, delay: float, now: float) -> Report:
    """The death certificate; ``delay`` is the back-off that follows, in seconds."""
    fields: dict[str, Any] = {
        **worker.describe(),
        "cause": cause_of(worker, fact),
        "ending": fact.ending,
        "age": round(now - worker.born, 3),
        "served": fact.last.served,
        "peak_memory": fact.peak_memory,
    }
    if fact.last.request:
        fields["last_request"] = fact.last.request
    if fact.last.busy_since:
        fields["busy_seconds"] = round(now - fact.last.busy_since, 3)
    if fact.last.busy_since and fact.last.queued:
        fields["queue_seconds"] = round(fact.last.queued, 3)
    if worker.life.failure:
        fields["traceback"] = worker.life.failure
    if worker.life.stacks:
        fields["stacks"] = worker.life.stacks
    if delay:
        fields["next_try_in"] = round(delay, 1)
    return Report("error", f"{worker.kind}_died", fields)


def boot_story(worker: Worker, fact: ChildExited) -> str:
    """Why a worker did not become ready, for whoever asked for it."""
    ending = f"pool {worker.pool}: a {worker.kind} ended before it was ready: {cause_of(worker, fact)}"
    return f"{ending}\n{worker.life.failure or worker.life.stacks}".rstrip()


def cause_of(worker: Worker, fact: ChildExited) -> str:
    """Why a worker has ended, in one line: what the master did to it, what its boot failed by, or how it ended."""
    if worker.life.cause or not worker.life.failure or fact.ending.startswith("signal"):
        return worker.life.cause or fact.ending
    lines = worker.life.failure.strip().splitlines()
    raised = TRACEBACK in worker.life.failure and not lines[-1].startswith(" ")
    return lines[-1] if raised else lines[0]
