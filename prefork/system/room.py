"""How much memory there is for more processes, how much one has for itself, and whom the kernel killed for want of it.

Rules. Nothing here raises: what the platform does not tell is 0, which means unknown. In the master.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
NO_LIMIT = "max"  # in the files of a control group


def available(root: str = "/") -> int:
    """Bytes that new processes can have without swapping: of the machine, or less in a container (cgroups(7), v2)."""
    machine = _kibibytes(Path(root, "proc/meminfo"), ("MemAvailable:",))
    groups = [left for left in _left_in_groups(Path(root)) if left is not None]
    return min([machine, *groups]) if machine else min(groups, default=0)


def memory_of(pid: int, root: str = "/") -> int:
    """Bytes that a process shares with nobody (USS); where that may not be read, all that it has in memory (RSS)."""
    own = _kibibytes(Path(root, f"proc/{pid}/smaps_rollup"), ("Private_Clean:", "Private_Dirty:"))
    if own:
        return own
    try:
        return int(Path(root, f"proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, ValueError, IndexError):  # it has just ended, or there is no such file system
        return 0


def _kibibytes(path: Path, names: tuple[str, ...]) -> int:
    """The sum of some lines of a file of proc(5), in bytes."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(names))
    except (OSError, ValueError, IndexError):
        return 0


def _left_in_groups(root: Path) -> Iterator[int | None]:
    """The memory that is left to this process's control group and to each that it is in.

    Caches of files count as free.
    """
    try:
        named = (root / "proc/self/cgroup").read_text(encoding="ascii")
    except OSError:
        return
    group = root / "sys/fs/cgroup" / named.rpartition("0::")[2].split("\n")[0].strip("/")
    while group != root / "sys/fs" and group != root:
        yield _left_in(group)
        group = group.parent


def _left_in(group: Path) -> int | None:
    try:
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        if most == NO_LIMIT:
            return None
        used = int((group / "memory.current").read_text(encoding="ascii"))
        cache = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        reclaimable = sum(int(line.split()[1]) for line in cache if line.startswith("inactive_file "))
        return max(0, int(most) - used + reclaimable)
    except (OSError, ValueError, IndexError):  # it is the root of all, or this is no Linux with cgroups v2
        return None


def oom_kills(root: Path = Path("/")) -> int:
    """How many processes the kernel has killed for want of memory so far; 0 where it does not tell.

    Counted are those of the control group that this process is in, where there is one with memory accounting
    (cgroups(7)), else those of the whole system (proc_vmstat(5)).
    """
    for file in (*_memory_events(root), root / "proc/vmstat"):
        try:
            counts = dict(line.split(maxsplit=1) for line in file.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):  # not mounted here, or a kernel that does not count
            continue
    return 0


def _memory_events(root: Path) -> Iterator[Path]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield root / "sys/fs/cgroup/memory" / path.lstrip("/") / "memory.oom_control"
        elif not controllers:
            yield root / "sys/fs/cgroup" / path.lstrip("/") / "memory.events"
