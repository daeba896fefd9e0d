"""Whether the kernel has killed for want of memory: it counts, and tells whoever asks.

What is counted are kills in the control group that this process is in, where there is one with memory accounting
(cgroups(7)), else in the whole system (proc_vmstat(5)). Never raises: who cannot be told is told 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def kills(root: Path = Path("/")) -> int:
    """How many processes the kernel has killed for want of memory so far. In the master."""
    for file in (*_of_our_group(root), root / "proc/vmstat"):
        try:
            counts = dict(line.split(maxsplit=1) for line in file.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):  # not mounted here, or a kernel that does not count
            continue
    return 0


def _of_our_group(root: Path) -> Iterator[Path]:
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
