"""The kernel's count of kills for want of memory, from the files that it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefork.system import room

VMSTAT = "nr_free_pages 123\noom_kill 7\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "count"),
    [
        (
            {
                "proc/self/cgroup": "0::/system.slice/preforkd.service\n",
                "sys/fs/cgroup/system.slice/preforkd.service/memory.events": "low 0\nmax 5\noom 2\noom_kill 2\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/web\n0::/\n",
                "sys/fs/cgroup/memory/web/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/\n"}, 7),
        ({}, 7),
    ],
    ids=["version 2", "version 1", "no accounting", "no groups"],
)
def test_the_nearest_count_is_taken(tmp_path: Path, files: dict[str, str], count: int):
    """Of our own control group where it counts, else of the whole system."""
    assert room.oom_kills(tree(tmp_path, {"proc/vmstat": VMSTAT, **files})) == count


@pytest.mark.parametrize("vmstat", [None, "", "oom_kill\n", "oom_kill many\n", "nr_free_pages 1\n"])
def test_who_is_not_told_is_told_none(tmp_path: Path, vmstat: str | None):
    """An old kernel, another system, a file of nonsense: never an error."""
    assert room.oom_kills(tree(tmp_path, {} if vmstat is None else {"proc/vmstat": vmstat})) == 0


def test_here_it_is_a_number():
    """Whatever this machine has."""
    assert room.oom_kills() >= 0
