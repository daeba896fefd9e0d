"""What the configuration means on this machine: users, directories and cores.

Rules. Read only. What is checked here may change after the start, so whoever uses it checks again; this is for one
clear report of every fault before anything begins.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path as FilePath

from prefork.config.locations import Path, key_text
from prefork.config.models import Config, Pool, WorkerRange
from prefork.errors import ConfigError, Fault

ExplainedAt = Callable[[Path, str, str], Fault]


def check_environment(config: Config, at: ExplainedAt | None = None) -> None:
    """Raise ConfigError for users, groups and directories that are not there. ``at`` knows the places of keys."""
    fault = at or _without_place
    faults = [fault(path, problem, hint) for path, problem, hint in _absent(config)]
    if faults:
        raise ConfigError(*faults)


def worker_count(pool: Pool) -> int:
    """How many workers a pool starts with.

    ``auto`` is two for each usable core and one more: a sync worker waits for databases as long as it computes.
    """
    if isinstance(pool.workers, WorkerRange):
        return pool.workers.min
    return usable_cores() * 2 + 1 if pool.workers == "auto" else pool.workers


def usable_cores(root: str = "/") -> int:
    """The cores that this process may use: its affinity, and the quota of its control group (cgroups(7), v2)."""
    cores = len(os.sched_getaffinity(0))
    try:
        group = FilePath(root, "proc/self/cgroup").read_text(encoding="ascii").rpartition("0::")[2].split("\n")[0]
        quota, period = FilePath(root, f"sys/fs/cgroup{group}/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores  # no cgroups v2, or "max": no quota


def _without_place(path: Path, problem: str, hint: str) -> Fault:
    return Fault(problem, key=key_text(path), hint=hint)


def _absent(config: Config) -> Iterator[tuple[Path, str, str]]:
    users: list[tuple[Path, str | None]] = [(("master", "user"), config.master.user)]
    groups: list[tuple[Path, str | None]] = [(("master", "group"), config.master.group)]
    directories: list[tuple[Path, str | None]] = [(("master", "working_directory"), config.master.working_directory)]
    for name, listen in config.listen.items():
        users.append((("listen", name, "user"), listen.user))
        groups.append((("listen", name, "group"), listen.group))
    directories += ((("pool", name, "directory"), pool.directory) for name, pool in config.pool.items())
    for path, user in users:
        if user is not None and not _has_entry(pwd.getpwnam, user):
            yield path, f'there is no user "{user}"', "create it, or write a number"
    for path, group in groups:
        if group is not None and not _has_entry(grp.getgrnam, group):
            yield path, f'there is no group "{group}"', "create it, or write a number"
    for path, directory in directories:
        if directory is not None and not FilePath(directory).is_dir():
            yield path, f"there is no directory {directory}", ""


def _has_entry(look_up: Callable[[str], object], name: str) -> bool:
    """Whether it is known by name; a number needs no entry."""
    if name.isdigit():
        return True
    try:
        look_up(name)
    except KeyError:
        return False
    return True
