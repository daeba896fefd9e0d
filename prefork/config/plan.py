"""Pure. What a reload from one configuration to another would do, in lines for people and in lists for the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prefork.config.changes import Change, Cost, changes
from prefork.config.models import Config

WORDS: Mapping[Cost, str] = {
    Cost.NOTHING: "at once",
    Cost.WORKERS: "new workers",
    Cost.SOCKET: "a socket",
    Cost.UPGRADE: "an upgrade or a restart",
}
FIELDS: Mapping[Cost, str] = {
    Cost.NOTHING: "at_once",
    Cost.WORKERS: "new_workers",
    Cost.SOCKET: "sockets",
    Cost.UPGRADE: "needs_upgrade",
}


def by_cost(old: Config, new: Config) -> dict[str, tuple[str, ...]]:
    """The keys that differ, by what they take; what takes nothing is left out."""
    found: dict[str, tuple[str, ...]] = {}
    for change in changes(old, new):
        name = FIELDS[change.cost]
        found[name] = (*found.get(name, ()), change.key)
    return found


def lines(old: Config, new: Config) -> Iterator[str]:
    """A line for each change, and what a reload comes to."""
    found = changes(old, new)
    before, after = (config.model_dump(mode="json") for config in (old, new))
    rows = [(change.key, _difference(change, before, after), WORDS[change.cost]) for change in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for key, difference, takes in rows:
        yield f"{key:<{widths[0]}}  {difference:<{widths[1]}}  takes {takes}".replace("takes at once", "at once")
    if rows:
        yield ""
    pools = ", ".join(new.pool)
    yield f"A reload first waits for one new worker of each pool ({pools}), then replaces the others one by one."
    sockets = [change.key for change in found if change.cost is Cost.SOCKET]
    if sockets:
        yield f"The reload opens new sockets for {', '.join(sockets)} first, and closes the old ones afterwards."
    late = [change.key for change in found if change.cost is Cost.UPGRADE]
    if late:
        yield f"A reload does not change {', '.join(late)}."


def _difference(change: Change, before: Any, after: Any) -> str:
    if change.old is None and isinstance(_at(after, change.key), dict):
        return "added"
    if change.new is None and isinstance(_at(before, change.key), dict):
        return "removed"
    return f"{_shown(_at(before, change.key))} -> {_shown(_at(after, change.key))}"


def _at(data: Any, key: str) -> Any:
    for name in key.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_shown(its)}" for name, its in value.items()) + " }" if value else "{}"
    return str(value) if value != "" else '""'
