"""Pure. What it takes for an edit of the configuration to have effect.

Rules. Every key has its cost in one table, proved total by a test. The cost is what the edit needs beyond being read:
a reload gives new workers anyway, so ``NOTHING`` means that old workers and sockets already follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from prefork.config.models import Config, Section
from prefork.config.models.catalogue import NAMED
from prefork.config.models.pool import WorkerRange


class Cost(IntEnum):
    """What an edit takes to have effect, from cheap to dear."""

    NOTHING = 0  # the master heeds it at once
    WORKERS = 1  # new workers have it, old ones have not
    SOCKET = 2  # a socket is opened or closed
    UPGRADE = 3  # a reload cannot do it: upgrade, or stop and start


@dataclass(frozen=True)
class Change:
    """One key that differs; a value of None is absent. A pool or listener that comes or goes is one change."""

    key: str
    old: Any
    new: Any
    cost: Cost


COSTS: Mapping[str, Cost] = {
    "include": Cost.NOTHING,  # what the files say counts, not which file says it
    # The master does these once, when it starts.
    "master.daemonize": Cost.UPGRADE,
    "master.pidfile": Cost.UPGRADE,
    "master.working_directory": Cost.UPGRADE,
    # Whom workers run as is the operator's who starts the master, and not of whoever edits a file and sends HUP.
    "master.user": Cost.UPGRADE,
    "master.group": Cost.UPGRADE,
    "master.umask": Cost.WORKERS,  # each worker takes it after the fork
    "master.no_new_privileges": Cost.WORKERS,
    "master.upgrade": Cost.NOTHING,
    # A log's target is opened once, so that USR1 and passed descriptors always mean the same file.
    "log.file": Cost.UPGRADE,
    "log.access": Cost.UPGRADE,
    "log.access.file": Cost.UPGRADE,
    "log.access.format": Cost.WORKERS,
    "log.format": Cost.UPGRADE,
    # The master heeds a new level at once, the workers filter for themselves.
    "log.level": Cost.WORKERS,
    "control": Cost.SOCKET,
    "control.socket": Cost.SOCKET,
    "control.mode": Cost.SOCKET,
    "control.group": Cost.SOCKET,
    "status": Cost.SOCKET,
    "status.listen": Cost.SOCKET,
    "listen.*": Cost.SOCKET,
    "listen.*.address": Cost.SOCKET,
    # listen(2), chmod(2) and chown(2) on the open socket.
    "listen.*.backlog": Cost.NOTHING,
    "listen.*.mode": Cost.NOTHING,
    "listen.*.user": Cost.NOTHING,
    "listen.*.group": Cost.NOTHING,
    "listen.*.tls": Cost.WORKERS,
    "listen.*.tls.certificate": Cost.WORKERS,
    "listen.*.tls.key": Cost.WORKERS,
    "pool.*": Cost.WORKERS,
    "pool.*.app": Cost.WORKERS,
    "pool.*.worker": Cost.WORKERS,
    "pool.*.listen": Cost.WORKERS,
    "pool.*.workers": Cost.NOTHING,
    "pool.*.threads": Cost.WORKERS,
    "pool.*.preload": Cost.WORKERS,
    "pool.*.python": Cost.WORKERS,
    # As whom code runs is decided by who starts the service, not by who edits its file.
    "pool.*.user": Cost.UPGRADE,
    "pool.*.group": Cost.UPGRADE,
    "pool.*.directory": Cost.WORKERS,
    "pool.*.python_path": Cost.WORKERS,
    "pool.*.environment": Cost.WORKERS,
    "pool.*.surge": Cost.NOTHING,
    "pool.*.refork": Cost.WORKERS,
    "pool.*.probe": Cost.WORKERS,
    # The master watches these three ...
    "pool.*.timeout.boot": Cost.NOTHING,
    "pool.*.timeout.request": Cost.NOTHING,
    "pool.*.timeout.slow": Cost.NOTHING,
    # ... and the worker the others; of graceful the master knows too, but the worker gives up by its own.
    "pool.*.timeout.graceful": Cost.WORKERS,
    "pool.*.timeout.keepalive": Cost.WORKERS,
    "pool.*.timeout.header": Cost.WORKERS,
    "pool.*.timeout.body": Cost.WORKERS,
    "pool.*.recycle.requests": Cost.WORKERS,
    "pool.*.recycle.age": Cost.NOTHING,
    "pool.*.recycle.memory": Cost.WORKERS,
    "pool.*.recycle.jitter": Cost.WORKERS,
    "pool.*.hooks.post_fork": Cost.WORKERS,
    "pool.*.hooks.ready": Cost.WORKERS,
    "pool.*.hooks.exit": Cost.WORKERS,
    "pool.*.hooks.abort": Cost.WORKERS,
    "pool.*.http.max_request_line": Cost.WORKERS,
    "pool.*.http.max_header_fields": Cost.WORKERS,
    "pool.*.http.max_header_size": Cost.WORKERS,
    "pool.*.http.max_body": Cost.WORKERS,
    "pool.*.http.trusted_proxies": Cost.WORKERS,
    "pool.*.http.forwarded": Cost.WORKERS,
    "pool.*.http.proxy_protocol": Cost.WORKERS,
    "pool.*.http.server_header": Cost.WORKERS,
}


def changes(old: Config, new: Config) -> tuple[Change, ...]:
    """The keys that differ between two configurations, in the order of the sections; empty for equal ones."""
    return tuple(_of_section(old, new, "", ""))


def _of_section(old: Section, new: Section, key: str, pattern: str) -> Iterator[Change]:
    for name in type(new).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if name in NAMED and not pattern:
            yield from _of_named(before, after, name)
        else:
            yield from _of_value(before, after, _below(key, name), _below(pattern, name))


def _of_named(old: Mapping[str, Section], new: Mapping[str, Section], kind: str) -> Iterator[Change]:
    for name in (*old, *(name for name in new if name not in old)):
        yield from _of_value(old.get(name), new.get(name), f"{kind}.{name}", f"{kind}.*")


def _of_value(before: Any, after: Any, key: str, pattern: str) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Section) and isinstance(after, Section) and not isinstance(before, WorkerRange):
        yield from _of_section(before, after, key, pattern)
    else:
        yield Change(key, before, after, COSTS[pattern])


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
