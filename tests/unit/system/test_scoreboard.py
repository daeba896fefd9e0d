"""The shared memory that workers write and the master reads."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator

import pytest

from prefork.system import memory, scoreboard
from prefork.system.scoreboard import IDLE, ROW, SLOTS, WORD, Row, Scoreboard

Grow = Callable[[int], Row]


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    made = Scoreboard()
    yield made
    os.close(made.words)


@pytest.fixture
def row_of(board: Scoreboard) -> Grow:
    """A row, as its worker has it."""

    def make(slot: int) -> Row:
        descriptor = board.open_row(slot)
        try:
            return Row.map(descriptor, board.words, slot)
        finally:
            os.close(descriptor)

    return make


def test_a_fresh_row_is_idle(board: Scoreboard, row_of: Grow):
    """A slot that has no worker, or whose worker has done nothing yet, reads as idle."""
    assert board.read(1) == IDLE
    row_of(1)
    assert board.read(1) == IDLE


def test_what_a_worker_writes_is_read(board: Scoreboard, row_of: Grow):
    """Each number and the request line come out as they went in; clocks become seconds."""
    row = row_of(1)
    row.cells[scoreboard.BUSY_SINCE] = 2_500_000_000
    row.cells[scoreboard.SERVED] = 7
    row.cells[scoreboard.SENT] = 2**40
    row.cells[scoreboard.QUEUED] = 250_000_000
    row.text[:8] = b"GET /\xe9 H"
    row.cells[scoreboard.TEXT_LENGTH] = 8
    assert board.read(1) == (2.5, 7, 2**40, "GET /\xe9 H", 0.25)


def test_rows_do_not_touch_each_other(board: Scoreboard, row_of: Grow):
    """A row filled to its last byte leaves its neighbours as they were."""
    rows = [row_of(slot) for slot in range(3)]
    for word in range(scoreboard.CELLS):
        rows[1].cells[word] = 2**64 - 1
    rows[1].text[:] = b"x" * len(rows[1].text)
    assert (board.read(0), board.read(2)) == (IDLE, IDLE)


def test_a_wild_length_is_bounded(board: Scoreboard, row_of: Grow):
    """Whatever a broken worker writes, reading its row neither raises nor leaves the row."""
    row_of(0).cells[scoreboard.TEXT_LENGTH] = 2**64 - 1
    assert len(board.read(0).request) == scoreboard.TEXT


def test_the_next_worker_of_a_slot_has_a_row_of_its_own(board: Scoreboard, row_of: Grow):
    """Nothing of the former worker is left to its successor, and what it writes later reaches nobody."""
    former = row_of(0)
    board.watch(0, watching=True)
    former.cells[scoreboard.SERVED] = 9
    row = row_of(0)
    assert board.read(0) == IDLE
    assert not row.word[0] & 1
    former.cells[scoreboard.SERVED] = 10
    assert board.read(0) == IDLE


def test_watching_is_told_to_the_worker(board: Scoreboard, row_of: Grow):
    """Odd: the row is watched. Each time that the master stops watching is told from the time before."""
    row = row_of(0)
    seen = [row.word[0]]
    for watching in (True, True, False, False, True, False):
        board.watch(0, watching=watching)
        seen.append(row.word[0])
    assert [word % 2 for word in seen] == [0, 1, 1, 0, 0, 1, 0]
    assert len({word for word in seen if not word % 2}) == 4


def test_a_worker_cannot_write_the_masters_word(board: Scoreboard, row_of: Grow):
    """M2. It is mapped for reading, and the descriptor allows nothing else, whoever holds it."""
    row = row_of(0)
    with pytest.raises(TypeError):
        row.word[0] = 1
    with pytest.raises(PermissionError):
        mmap.mmap(board.words, SLOTS * WORD)
    with pytest.raises(PermissionError):
        os.pwrite(board.words, b"\1", 0)
    board.watch(0, watching=True)
    assert row.word[0] & 1


def test_nobody_can_take_the_memory_away(board: Scoreboard):
    """M2. One ftruncate in a worker ended the master with SIGBUS: neither file changes its size again."""
    row = board.open_row(0)
    try:
        for descriptor, size in ((row, ROW), (board.words, SLOTS * WORD)):
            for other in (0, size * 2):
                with pytest.raises(PermissionError):
                    os.ftruncate(descriptor, other)
    finally:
        os.close(row)


def test_too_many_workers_are_an_error_that_is_told(board: Scoreboard):
    """The bound of the memory is no IndexError in the middle of something."""
    with pytest.raises(OSError, match="has room for"):
        board.open_row(SLOTS)


def test_a_row_that_cannot_be_made_costs_no_descriptor(board: Scoreboard, monkeypatch: pytest.MonkeyPatch):
    """Want of memory or address space is an OSError, and nothing stays open."""

    def refuse(*_args: object, **_how: object) -> int:
        raise OSError(12, "no memory")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(memory, "map_file", refuse)
    with pytest.raises(OSError, match="no memory"):
        board.open_row(0)
    assert os.listdir("/proc/self/fd") == before
