"""Pure. What ``preforkctl`` prints for people: aligned tables within 80 columns, and sentences.

Rules. Whatever a response holds is untrusted: it may quote a worker or the network, and what listens at the socket may
not be preforkd. Every function here makes the whole message printable before it looks at it, so a new field cannot be
forgotten. A message of another shape raises KeyError, TypeError, ValueError or AttributeError: see ``ctl``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 80
GAP = "  "
LONG = frozenset({"reason", "faults", "traceback", "stacks"})  # fields that have several lines
Reply = Mapping[str, Any]


def printable(value: Any, *, long: bool = False) -> Any:
    """The same message, with every text in it (names of fields too) safe for a terminal: control characters escaped.

    ``long``: line breaks stay.
    """
    if isinstance(value, str):
        return lines(value) if long else text(value)
    if isinstance(value, Mapping):
        return {text(name): printable(one, long=name in LONG) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [printable(one, long=long) for one in value]
    return value


def filled(shape: str, message: Reply) -> str:
    """A sentence with the fields of a message in place of their names. Raises KeyError for a field that it lacks."""
    return shape.format_map({name: text(value) for name, value in message.items()})


def text(value: object) -> str:
    """One line of a text that may hold anything."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(value))


def lines(value: object) -> str:
    """A text of several lines, such as a traceback, with everything else that is not printable escaped."""
    return "\n".join(text(line.expandtabs()) for line in str(value).splitlines())


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Numbers to the right, texts to the left; the last column is cut where the line would be too long."""
    given = [list(row) for row in rows]
    cells = [list(head), *([text(cell) for cell in row] for row in given)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    right = [bool(given) and all(isinstance(row[column], int) for row in given) for column in range(len(head))]
    return "\n".join(_row(row, widths, right) for row in cells)


def _row(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(row, widths, right, strict=True)
    ]
    line = GAP.join(padded).rstrip()
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def span(seconds: float) -> str:
    """A duration as people say it: its largest unit, with one digit after the point where it is small."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def status(reply: Reply) -> str:
    """The whole service, in tables."""
    reply = printable(reply)
    parts = [_service(reply), _pools(reply["pools"]), _workers(reply["workers"])]
    if reply.get("listeners"):
        parts.append(table(("LISTENER", "ADDRESS"), sorted(reply["listeners"].items())))
    return "\n\n".join(parts)


def _service(reply: Reply) -> str:
    said = [f"prefork {reply['version']}, master {reply['pid']}, {reply['config']}"]
    rest = ", workers paused (WINCH); HUP resumes" if reply.get("paused") else ""
    said.append(f"{reply['state']}, generation {reply['generation']}{rest}")
    if reply.get("reload"):
        said.append(_reload(reply["reload"]))
    if reply["upgrade"]["state"] != "none":
        said.append(f"upgrade: the successor {reply['upgrade']['successor']} is {reply['upgrade']['state']}")
    if reply.get("predecessor"):
        old = f" {reply['predecessor']}" if reply["predecessor"] is not True else ""
        said.append(f"upgrade: the old master{old} is still running beside this one")
    return "\n".join(said)


def _reload(last: Reply) -> str:
    ended = last.get("ended_seconds_ago")
    when = f"began {span(last['began_seconds_ago'])} ago" if ended is None else f"{span(ended)} ago"
    faults = "".join(f"\n  {line}" for fault in last["faults"] for line in fault.splitlines())
    return f"last reload: {last['state']}, {when}{faults}"


def _pools(pools: Mapping[str, Reply]) -> str:
    head = ("POOL", "WANTED", "READY", "FAILURES", "NEXT TRY")
    return table(head, [_pool(name, pool) for name, pool in pools.items()])


def _pool(name: str, pool: Reply) -> tuple[object, ...]:
    pause = f"in {span(pool['next_try_in'])}" if pool["next_try_in"] else "-"
    return name, pool["wanted"], pool["ready"], pool["failures"], pause


def _workers(workers: Sequence[Reply]) -> str:
    return table(
        ("WORKER", "PID", "GENERATION", "STATE", "AGE", "SERVED", "REQUEST"), [_worker(worker) for worker in workers]
    )


def _worker(worker: Reply) -> tuple[object, ...]:
    busy = f"{span(worker['busy_seconds'])}: {worker['request']}" if worker.get("request") else ""
    state = f"{worker['state']}, recycle due" if worker.get("recycle_due") else worker["state"]
    age = span(worker["age"])
    return name_of(worker), worker["pid"], worker["generation"], state, age, worker["served"], busy


def name_of(worker: Reply) -> str:
    """A worker's name in commands, pool/number; a template has no number."""
    return f"{worker['pool']}/{worker['worker']}" if "worker" in worker else f"{worker['pool']} template"


def deaths(reply: Reply) -> str:
    """The workers that died, the newest last, as in a log."""
    found = printable(reply)["deaths"]
    if not found:
        return "no worker has died unasked or was stuck"
    return "\n\n".join(_death(one) for one in found)


def _death(one: Reply) -> str:
    ago = f", {span(one['seconds_ago'])} ago" if "seconds_ago" in one else ""
    said = [f"{name_of(one)} (pid {one.get('pid')}, generation {one.get('generation')}){ago}: {one.get('cause')}"]
    for field, name in (("ending", "ended with"), ("served", "served"), ("age", "age in seconds")):
        if field in one:
            said.append(f"  {name}: {one[field]}")
    request = one.get("request") or one.get("last_request")
    if request:
        busy = f" ({span(one['busy_seconds'])})" if "busy_seconds" in one else ""
        said.append(f"  last request: {request}{busy}")
    for field in ("traceback", "stacks"):
        said += [f"  {line}" for line in (one.get(field) or "").splitlines()]
    return "\n".join(said)


def dumps(reply: Reply) -> str:
    """The stacks of each worker, under its name and what it is at."""
    return "\n\n".join(_dump(worker) for worker in printable(reply)["workers"])


def _dump(worker: Reply) -> str:
    busy = f", {span(worker['busy_seconds'])} in {worker['request']}" if worker.get("request") else ", idle"
    stacks = worker.get("stacks") or "the worker did not write its stacks in time"
    return f"{name_of(worker)}, pid {worker['pid']}{busy}\n{stacks}"


class _Fields(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return ""


def progress(event: Reply, shapes: Mapping[str, str]) -> str:
    """A line about an event for whoever waits, by the shape of such events; empty if it has none."""
    shape = shapes.get(str(event["event"]), "")
    return shape.format_map(_Fields({name: text(value) for name, value in event.items()}))


def refusal(reply: Reply) -> str:
    """Why a request was not granted."""
    reason = printable(reply).get("reason")
    return f"refused: {reason}" if reason else "refused (no reason given)"
