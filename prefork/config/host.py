"""What the configuration means on this machine: users, directories and cores.

Rules. Read only, and nothing here raises on odd text: a path that cannot be looked at is a fault like one that is not
there. What is checked here may change after the start, so whoever uses it checks again; this is for one clear report of
every fault before anything begins.

Diagnostics. faults at the keys of users, groups, directories and files, as ConfigError.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from pathlib import Path as FilePath

from prefork.config import files
from prefork.config.addresses import UnixAddress, parse
from prefork.config.locations import Path, key_text
from prefork.config.models import Config, Pool, WorkerRange
from prefork.errors import ConfigError, Fault

ExplainedAt = Callable[[Path, str, str], Fault]
Problem = tuple[Path, str, str]  # the key, what is wrong, a hint

WORD_TARGETS = ("stderr", "syslog", "journal")


def check_environment(config: Config, at: ExplainedAt | None = None) -> None:
    """Raise ConfigError for users, groups and directories that are not there. ``at`` knows the places of keys."""
    _raise((*_absent(config), *_foreign(config)), at)


def check_start(config: Config, at: ExplainedAt | None = None) -> None:
    """Raise ConfigError for what a start would fail to write: logs, the pidfile, the files of unix sockets.

    A running master has them open already: a reload is not refused for a directory that has gone since.
    """
    _raise(_unwritable(config), at)


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


def _raise(problems: Iterable[Problem], at: ExplainedAt | None) -> None:
    fault = at or _without_place
    faults = [fault(path, problem, hint) for path, problem, hint in problems]
    if faults:
        raise ConfigError(*faults)


def _without_place(path: Path, problem: str, hint: str) -> Fault:
    return Fault(problem, key=key_text(path), hint=hint)


def _absent(config: Config) -> Iterator[Problem]:
    for path, user in _users(config):
        if not _has_entry(pwd.getpwnam, user):
            yield path, f'there is no user "{user}"', "create it, or write a number"
    for path, group in _groups(config):
        if not _has_entry(grp.getgrnam, group):
            yield path, f'there is no group "{group}"', "create it, or write a number"
    directories: list[tuple[Path, str | None]] = [(("master", "working_directory"), config.master.working_directory)]
    directories += ((("pool", name, "directory"), pool.directory) for name, pool in config.pool.items())
    for path, directory in directories:
        if directory is not None and not files.is_directory(directory):
            yield path, f"there is no directory {directory}", ""


def _foreign(config: Config) -> Iterator[Problem]:
    """Faults for owners of sockets that only root may name."""
    if os.geteuid() == files.ROOT:
        return
    ours = {os.getegid(), *os.getgroups()}
    who = _name_of_user(os.geteuid())
    for path, user in _users(config):
        if path[0] == "listen" and _has_entry(pwd.getpwnam, user) and _uid(user) != os.geteuid():
            yield path, f'preforkd runs as {who}, and only root can give a socket to user "{user}"', "remove the key"
    for path, group in _groups(config):
        if path[0] not in ("master", "pool") and _has_entry(grp.getgrnam, group) and _gid(group) not in ours:
            hint = f"add {who} to the group, or remove the key"
            yield path, f'preforkd runs as {who}, who is not in group "{group}"', hint


def _unwritable(config: Config) -> Iterator[Problem]:
    targets: list[tuple[Path, str | None]] = [
        (("log", "file"), config.log.file),
        (("log", "access", "file"), config.log.access.file if config.log.access else None),
        (("master", "pidfile"), config.master.pidfile),
        (("control", "socket"), config.control.socket if config.control else None),
    ]
    for name, listen in config.listen.items():
        address = parse(listen.address)
        if isinstance(address, UnixAddress) and not address.abstract:
            targets.append((("listen", name, "address"), address.path))
    for path, target in targets:
        if target is None or target in WORD_TARGETS:
            continue
        directory = os.path.dirname(target)
        if not files.is_directory(directory):
            yield (
                path,
                f"there is no directory {directory}",
                "create the directory, owned by the user that starts preforkd",
            )
        elif found := _in_the_way(path, target):
            yield path, f"{target} is {found}", "remove it, or choose another path"
        elif path[0] == "log" and os.path.lexists(target):
            if not os.access(target, os.W_OK, effective_ids=True):
                yield path, f"{target} is not writable", "let the user that starts preforkd write to it"
        elif not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
            yield path, f"the directory {directory} is not writable", "let the user that starts preforkd write to it"


def _in_the_way(path: Path, target: str) -> str:
    """What stands where the file of a key should be, if a start cannot use it; empty if there is nothing to say."""
    try:
        mode = os.stat(target).st_mode if path[0] == "log" else os.lstat(target).st_mode
    except (OSError, ValueError):
        return ""  # nothing is there, or nothing that can be looked at
    if path[0] == "log":  # a device or a pipe will do
        usable = not (stat.S_ISDIR(mode) or stat.S_ISSOCK(mode))
    elif path == ("master", "pidfile"):
        usable = stat.S_ISREG(mode)
    else:
        usable = stat.S_ISSOCK(mode)
    return "" if usable else files.kind_of(mode)


def _users(config: Config) -> Iterator[tuple[Path, str]]:
    users: list[tuple[Path, str | None]] = [(("master", "user"), config.master.user)]
    users += ((("pool", name, "user"), pool.user) for name, pool in config.pool.items())
    users += ((("listen", name, "user"), listen.user) for name, listen in config.listen.items())
    return ((path, user) for path, user in users if user is not None)


def _groups(config: Config) -> Iterator[tuple[Path, str]]:
    groups: list[tuple[Path, str | None]] = [(("master", "group"), config.master.group)]
    groups += ((("pool", name, "group"), pool.group) for name, pool in config.pool.items())
    groups += ((("listen", name, "group"), listen.group) for name, listen in config.listen.items())
    groups.append((("control", "group"), config.control.group if config.control else None))
    return ((path, group) for path, group in groups if group is not None)


def _has_entry(look_up: Callable[[str], object], name: str) -> bool:
    """Whether a user or group is known; a number does not need an entry, but must fit into 32 bits (setresuid(2))."""
    if name.isascii() and name.isdigit():
        return int(name) < 2**32 - 1
    try:
        look_up(name)
    except (KeyError, ValueError):
        return False
    return True


def _uid(user: str) -> int:
    return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid


def _gid(group: str) -> int:
    return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid


def _name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
