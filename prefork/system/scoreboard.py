"""Shared memory with one row a worker: the worker writes its row, the master only reads.

Rules. Numbers are stored through a ``memoryview`` cast to 64-bit cells, because a single aligned store does
not tear while ``struct.pack_into`` does. One number goes the other way: ``WATCHED``, by which the master says
that it is looking at the row already and need not be woken. What is read here was written by a worker, and is
trusted for nothing but reports and deadlines.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

from prefork.system.memory import memory_file

CELLS = 16
ROW = 512
TEXT = ROW - CELLS * 8

# The cells of a row. Clock values are time.monotonic_ns().
WATCHED = 0  # set by the master: it has a deadline for this row; the worker clears nothing
BUSY_SINCE = 1  # when the application took up the request that it still has; 0: it has none
SERVED = 2  # requests answered
SENT = 3  # bytes of answers, heads included
CONNECTIONS = 4  # open client connections
TEXT_LENGTH = 5  # bytes of the request line that are valid
QUEUED = 6  # nanoseconds that the connection of that request waited to be accepted


class Seen(NamedTuple):
    """What the master saw in a row; ``request`` is untrusted text."""

    busy_since: float  # seconds of time.monotonic(), 0.0 when idle
    served: int
    sent: int
    connections: int
    request: str
    queued: float  # seconds


class Row:
    """A worker's own row. Used in the worker after fork; ``cells`` and ``text`` are the hot path's."""

    __slots__ = ("cells", "text")

    def __init__(self, cells: memoryview, text: memoryview) -> None:
        self.cells = cells
        self.text = text


class Scoreboard:
    """Rows for ``capacity`` workers. Made by the master before it forks; untouched pages cost nothing."""

    def __init__(self, capacity: int = 1024, descriptor: int | None = None) -> None:
        """``descriptor``: of a scoreboard that was made before this program was executed."""
        self.capacity = capacity
        self.descriptor = memory_file("prefork-scoreboard", capacity * ROW) if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, capacity * ROW)  # shared: forks and executions see the same pages
        self._bytes = memoryview(self._memory)

    def row(self, slot: int) -> Row:
        """The row of a slot, for its worker to write."""
        start = slot * ROW
        middle = start + CELLS * 8
        return Row(self._bytes[start:middle].cast("Q"), self._bytes[middle : start + ROW])

    def clear(self, slot: int) -> None:
        """Make the row a new worker's. In the master, before the fork."""
        self._bytes[slot * ROW : (slot + 1) * ROW] = bytes(ROW)

    def watch(self, slot: int, watching: bool) -> None:  # noqa: FBT001 - it is the value that is stored
        """Tell the worker whether it has to ring when it takes up a request. In the master."""
        self.row(slot).cells[WATCHED] = int(watching)

    def read(self, slot: int) -> Seen:
        """A row as it is now. In the master; never raises, whatever the worker wrote."""
        cells, text = self.row(slot).cells, self.row(slot).text
        length = min(cells[TEXT_LENGTH], TEXT)
        return Seen(
            busy_since=cells[BUSY_SINCE] / 1e9,
            served=cells[SERVED],
            sent=cells[SENT],
            connections=cells[CONNECTIONS],
            request=bytes(text[:length]).decode("latin-1"),
            queued=cells[QUEUED] / 1e9,
        )
