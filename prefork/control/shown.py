"""Pure. The answers of a daemon, for people: plain text that fits eighty columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Answer = Mapping[str, Any]


def progress(told: Answer) -> str:
    """One event, while it happens; of texts of many lines the first, for the answer has the rest."""
    fields = {name: str(value).partition("\n")[0] for name, value in told.items()}
    del fields["event"]
    return f"{told['event']:<20} " + " ".join(f"{name}={text}" for name, text in fields.items())


def status(answer: Answer) -> str:
    """The service, its pools, its workers."""
    lines = [f"prefork {answer['version']}, pid {answer['pid']}, {answer['phase']}, generation {answer['generation']}"]
    lines.append(f"configuration {answer['config']}")
    lines += (f"listener {name:<12} {address}" for name, address in answer["listeners"].items())
    lines += _doings(answer)
    rows: list[Sequence[str]] = [("POOL", "WORKER", "PID", "GEN", "STATE", "AGE", "SERVED", "REQUEST")]
    rows += (_row(worker) for worker in answer["workers"])
    lines += ["", *table(rows)]
    for name, pool in answer["pools"].items():
        if pool["ready"] != pool["wanted"] or pool["next_try_in"]:
            pause = f", next try in {pool['next_try_in']} s" if pool["next_try_in"] else ""
            lines.append(f"pool {name}: {pool['ready']} of {pool['wanted']} ready{pause}")
    return "\n".join(lines) + "\n"


def _doings(answer: Answer) -> list[str]:
    lines = []
    if answer["resting"]:
        lines.append("the workers rest; reload brings them back")
    if answer["upgrade"]["stage"] != "none":
        lines.append(f"upgrade: the new master {answer['upgrade']['successor']} is {answer['upgrade']['stage']}")
    if answer["predecessor"]:
        lines.append("upgrade: the old master is still there")
    last = answer["reload"]
    if last:
        lines.append(f"last reload: {last['course']}, {span(last['began_seconds_ago'])} ago")
        lines += (f"  {line}" for fault in last["faults"] for line in fault.splitlines())
    return lines


def _row(worker: Answer) -> tuple[str, ...]:
    busy = f"{span(worker['busy_seconds'])} {worker['request']}" if "request" in worker else ""
    number = worker.get("worker", "template")
    return tuple(
        str(cell)
        for cell in (
            worker["pool"],
            number,
            worker["pid"],
            worker["generation"],
            worker["life"],
            span(worker["age"]),
            worker["served"],
            busy[:40],
        )
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they need, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [all(row[column].isdigit() for row in rows[1:]) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


def span(seconds: float) -> str:
    """A length of time, in the unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 10 else f"{seconds:.1f}s"


def _reload(answer: Answer) -> str:
    if answer["course"] != "done":
        return "asked; --wait would tell how it goes\n"
    return f"done: generation {answer['generation']}, {answer['workers']} workers\n"


def _upgrade(answer: Answer) -> str:
    return f"the new master is {answer['successor']}; {answer['master']} retires when it is ready\n"


def _scale(answer: Answer) -> str:
    return f"pool {answer['pool']}: {answer['workers']} workers\n"


def _done(_answer: Answer) -> str:
    return ""


def _dump(answer: Answer) -> str:
    return "\n".join(_story(worker) for worker in answer["workers"])


def _deaths(answer: Answer) -> str:
    return "\n".join(_story(death) for death in answer["deaths"]) or "no worker has ended unasked\n"


def _story(told: Answer) -> str:
    """What is known of a worker: short fields first, texts of many lines after them."""
    head = {name: value for name, value in told.items() if "\n" not in str(value)}
    long = {name: value for name, value in told.items() if name not in head}
    lines = [" ".join(f"{name}={value}" for name, value in head.items())]
    for text in long.values():
        lines += (f"    {line}" for line in str(text).rstrip().splitlines())
    return "\n".join(lines) + "\n"


SHOWN: Mapping[str, Callable[[Answer], str]] = {
    "status": status,
    "reload": _reload,
    "upgrade": _upgrade,
    "scale": _scale,
    "reopen": _done,
    "stop": _done,
    "quit": _done,
    "dump": _dump,
    "deaths": _deaths,
}
