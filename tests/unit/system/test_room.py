"""How much memory there is, and how much a process has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prefork.system import room
from prefork.system.process import own_memory


def write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


MACHINE = {"proc/meminfo": "MemTotal:       9000 kB\nMemFree:         500 kB\nMemAvailable:   4000 kB\n"}


def test_it_is_what_the_machine_has_left(tmp_path: Path):
    """Not what is free: caches are given back."""
    assert room.available(write(tmp_path, MACHINE)) == 4000 * 1024


def test_it_is_less_in_a_container(tmp_path: Path):
    """Of the group and of every group around it the one with the least left; files that are cached are given back."""
    group = "sys/fs/cgroup/a/b"
    files = {
        **MACHINE,
        "proc/self/cgroup": "0::/a/b\n",
        f"{group}/memory.max": "max\n",
        "sys/fs/cgroup/a/memory.max": "3000000\n",
        "sys/fs/cgroup/a/memory.current": "2500000\n",
        "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 400000\nactive_file 5\n",
    }
    assert room.available(write(tmp_path, files)) == 900_000
    write(tmp_path, {"sys/fs/cgroup/a/memory.current": "9000000\n"})
    assert room.available(str(tmp_path)) == 0


@pytest.mark.parametrize("text", ["", "MemAvailable:\n", "MemAvailable: many kB\n"])
def test_what_is_not_told_is_unknown(tmp_path: Path, text: str):
    """0, and nothing is raised."""
    assert room.available(str(tmp_path)) == 0
    assert room.available(write(tmp_path, {"proc/meminfo": text})) == 0
    assert room.memory_of(1, str(tmp_path)) == 0


def test_a_process_has_what_it_shares_with_nobody(tmp_path: Path):
    """USS where it may be read, else RSS; huge pages do not count, nor does what others have as well."""
    smaps = "Rss: 900 kB\nShared_Clean: 700 kB\nPrivate_Clean: 40 kB\nPrivate_Dirty: 160 kB\nPrivate_Hugetlb: 8 kB\n"
    root = write(tmp_path, {"proc/7/smaps_rollup": smaps, "proc/8/statm": "500 30 20 1 0 9 0\n"})
    assert room.memory_of(7, root) == 200 * 1024
    assert room.memory_of(8, root) == 30 * os.sysconf("SC_PAGE_SIZE")


def test_on_this_machine_it_is_told():
    """Of this very process, which knows for itself."""
    assert room.available() > 0
    assert room.memory_of(os.getpid()) == pytest.approx(own_memory(), rel=0.1)
