"""The shared memory that workers write and the master reads."""

from __future__ import annotations

from prefork.system import scoreboard
from prefork.system.scoreboard import Scoreboard

IDLE = (0.0, 0, 0, 0, "", 0.0)


def test_a_fresh_row_is_idle():
    """A slot that no worker has used reads as idle, with nothing served."""
    assert Scoreboard(2).read(1) == IDLE


def test_what_a_worker_writes_is_read():
    """Each number and the request line come out as they went in; clocks become seconds."""
    board = Scoreboard(3)
    row = board.row(1)
    row.cells[scoreboard.BUSY_SINCE] = 2_500_000_000
    row.cells[scoreboard.SERVED] = 7
    row.cells[scoreboard.SENT] = 2**40
    row.cells[scoreboard.CONNECTIONS] = 3
    row.cells[scoreboard.QUEUED] = 250_000_000
    row.text[:8] = b"GET /\xe9 H"
    row.cells[scoreboard.TEXT_LENGTH] = 8
    assert board.read(1) == (2.5, 7, 2**40, 3, "GET /\xe9 H", 0.25)


def test_rows_do_not_touch_each_other():
    """A row filled to its last byte leaves its neighbours as they were."""
    board = Scoreboard(3)
    row = board.row(1)
    for word in range(scoreboard.CELLS):
        row.cells[word] = 2**64 - 1
    row.text[:] = b"x" * len(row.text)
    assert (board.read(0), board.read(2)) == (IDLE, IDLE)


def test_a_wild_length_is_bounded():
    """Whatever a broken worker writes, reading its row neither raises nor leaves the row."""
    board = Scoreboard(1)
    board.row(0).cells[scoreboard.TEXT_LENGTH] = 2**64 - 1
    assert len(board.read(0).request) == scoreboard.TEXT


def test_clear_makes_the_row_a_new_workers():
    """Nothing of the former worker of a slot is left to its successor."""
    board = Scoreboard(1)
    board.watch(0, True)
    board.row(0).cells[scoreboard.SERVED] = 9
    board.clear(0)
    assert board.read(0).served == 0
    assert board.row(0).cells[scoreboard.WATCHED] == 0


def test_watching_is_told_to_the_worker():
    """The worker sees in its row whether the master looks at it."""
    board = Scoreboard(1)
    row = board.row(0)
    board.watch(0, True)
    assert row.cells[scoreboard.WATCHED] == 1
    board.watch(0, False)
    assert row.cells[scoreboard.WATCHED] == 0


def test_a_view_made_before_sees_what_is_written_later():
    """The worker's view and the master's are the same memory, not copies."""
    board = Scoreboard(1)
    row = board.row(0)
    board.row(0).cells[scoreboard.SENT] = 5
    assert row.cells[scoreboard.SENT] == 5
