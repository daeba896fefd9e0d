"""A path becomes a Config, or every fault with its place.

Rules. Nothing is touched and nothing of the application is imported: reading the configuration is safe at any time, in
the master too. One fault never hides another, unless it makes the other meaningless.

Diagnostics. ConfigError with every fault.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from prefork.config import messages, rules, source
from prefork.config.host import check_environment, check_start, worker_count
from prefork.config.locations import Path
from prefork.config.models import Config
from prefork.config.models.catalogue import pattern_of
from prefork.config.source import Source
from prefork.errors import ConfigError, Fault

__all__ = ["DEFAULT_PATH", "Loaded", "check_environment", "check_start", "load", "read", "worker_count"]

DEFAULT_PATH = "/etc/prefork.toml"


@dataclass(frozen=True)
class Loaded:
    """A configuration without a fault, and where its keys stand."""

    config: Config
    source: Source

    def fault(self, path: Path, problem: str, hint: str = "") -> Fault:
        """A mistake that was found after loading, at the place of a key."""
        return self.source.fault(path, problem, hint)


def load(path: str | None, overrides: Sequence[str] = ()) -> Config:
    """The configuration at ``path``, or at /etc/prefork.toml. Raises ConfigError with all faults."""
    return read(path, overrides).config


def read(path: str | None, overrides: Sequence[str] = (), writers: Collection[str] | None = None) -> Loaded:
    """The configuration at ``path`` with the places of its keys. Raises ConfigError with all faults.

    ``overrides`` are ``KEY=VALUE``, as for ``--set``; ``writers``: as root, who may write to the files, see ``files``.
    """
    if path is None and not os.path.lexists(DEFAULT_PATH):
        raise ConfigError(Fault(f"no configuration: there is no {DEFAULT_PATH}", hint="name a file with -c FILE"))
    found = source.read(path or DEFAULT_PATH, overrides, writers)
    faults = list(found.faults)
    try:
        config = Config.model_validate(found.data)
    except ValidationError as error:
        faults += _explained(error, found)
    if faults:
        raise ConfigError(*sorted(set(faults), key=lambda fault: _order(fault, found.files)))
    return Loaded(config, found)


def _explained(error: ValidationError, found: Source) -> Iterator[Fault]:
    unclear = found.broken
    for details in error.errors(include_url=False):
        unclear |= pattern_of(details["loc"]) == "pool.*.listen"
        if details["type"] == "missing" and found.broken:
            continue  # it may stand in the file that cannot be read
        if details["type"] == "too_short" and details["input"]:
            continue  # not empty: its entries are wrong, and reported
        yield found.fault(*messages.explain(details))
    if not unclear:
        for breach in rules.breaches(*_listeners_and_claims(found.data)):
            yield found.fault(breach.path, breach.problem, breach.hint)


def _listeners_and_claims(data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Sequence[str] | None]]:
    """The listeners and the pools that claim them, out of what was read, however wrong the rest is."""
    tables = {name: data[name] for name in ("listen", "pool") if isinstance(data.get(name), dict)}
    addresses = {
        name: str(listen.get("address", "")) for name, listen in tables.get("listen", {}).items() if _is_table(listen)
    }
    claims: dict[str, Sequence[str] | None] = {}
    for name, pool in tables.get("pool", {}).items():
        listen = pool.get("listen") if _is_table(pool) else None
        claims[name] = [entry for entry in listen if isinstance(entry, str)] if isinstance(listen, list) else None
    return (addresses if "listen" in data else dict(rules.DEFAULT_LISTENERS)), claims


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _order(fault: Fault, files: Sequence[str]) -> tuple[int, int, int, str]:
    """The sort key of faults: file by file as they were read, and the command line last."""
    known = files.index(fault.file) if fault.file in files else len(files)
    return known, fault.line, fault.column, fault.key
