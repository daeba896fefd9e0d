"""The scoreboard across a fork."""

from __future__ import annotations

import os
from pathlib import Path

from prefork.system.scoreboard import Scoreboard


def test_a_fork_hands_on_neither_a_mapping_nor_a_descriptor():
    """M2. A child of the master finds no row in its memory, and only what it is given among its descriptors."""
    board = Scoreboard()
    descriptor = board.open_row(0)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        mapped = {line.split()[4] for line in Path("/proc/self/maps").read_text().splitlines()}
        ours = {str(os.fstat(number).st_ino) for number in (descriptor, board.words)}
        os.write(writer, b"mapped" if ours & mapped else b"clean")
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 100) == b"clean"
    os.close(reader)
    os.close(descriptor)
    os.close(board.words)
    assert not [each for each in os.scandir("/proc/self/fd") if "prefork-row" in _target(each.path)]


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # the descriptor of the listing itself
        return ""
