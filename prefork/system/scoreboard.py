"""Shared memory: a page for each worker to write and the master to read, and a page of the master's for all to read.

Rules. A worker maps its own row, which is a file of its own: it has neither a mapping nor a descriptor of another's.
The master's word is in memory that workers can only read. All of it is sealed, so that nobody can take it away, and the
master's mappings do not outlive a fork. Numbers are stored through a ``memoryview`` cast to 64-bit cells, because a
single aligned store does not tear while ``struct.pack_into`` does. What a row holds was written by a worker, and is
trusted for nothing but reports and deadlines.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from prefork.system import memory

# The layout of a row: 64-bit cells by their number, then text. Clock values are time.monotonic_ns().
BUSY_SINCE = 0  # ns: when the application took up the request that it still has; 0: it has none
SERVED = 1  # count: requests answered
SENT = 2  # bytes: of answers, heads included
QUEUED = 3  # ns: how long the connection of that request waited to be accepted
TEXT_LENGTH = 4  # bytes: how much of the request line is valid
CELLS = 8
TEXT_AT = CELLS * 8  # bytes: where the request line begins
TEXT = 448  # bytes: of the request line at most
ROW = memory.PAGE  # bytes: of the file

# The master's word: one cell for each slot.
WORD = 8  # bytes; odd: the master watches the row; it is another number each time that the master stops watching it
SLOTS = 16 * 1024  # workers at once


class Seen(NamedTuple):
    """What the master saw in a row; ``request`` is untrusted text."""

    busy_since: float  # seconds of time.monotonic(), 0.0 when idle
    served: int
    sent: int
    request: str
    queued: float  # seconds


IDLE = Seen(0.0, 0, 0, "", 0.0)


class Row:
    """A worker's own row: ``cells`` and ``text`` are its to write, ``word[0]`` is the master's."""

    __slots__ = ("cells", "text", "word")

    def __init__(self, page: memoryview, word: memoryview) -> None:
        self.cells = page[:TEXT_AT].cast("Q")
        self.text = page[TEXT_AT : TEXT_AT + TEXT]
        self.word = word

    @classmethod
    def map(cls, row: int, words: int, slot: int) -> Row:
        """By the descriptors of the row and of the master's words, which may be closed then. In the worker.

        Raises OSError.
        """
        page = memory.map_file(row, ROW)
        readable = memory.map_file(words, SLOTS * WORD, write=False) + slot * WORD
        return cls(memory.view(page, ROW), memory.view(readable, WORD).toreadonly().cast("Q"))


class Scoreboard:
    """The master's end: a row for each slot that has a worker. ``words`` is the descriptor of the master's words."""

    def __init__(self) -> None:
        """Raises OSError."""
        self.words = memory.memory_file("prefork-words", SLOTS * WORD)
        self._words = memory.view(memory.map_file(self.words, SLOTS * WORD, private=True), SLOTS * WORD).cast("Q")
        memory.seal_for_readers(self.words)
        self._place = memory.reserve(SLOTS * ROW)
        self._rows: dict[int, Row] = {}

    @property
    def capacity(self) -> int:
        """How many workers and templates there is room for."""
        return SLOTS

    def open_row(self, slot: int) -> int:
        """A fresh row for a new worker in a slot: its descriptor, to be closed once the worker has it.

        Raises OSError: for want of memory or descriptors, or where there are too many workers.
        """
        if slot >= SLOTS:
            raise OSError(f"the scoreboard has room for {SLOTS} workers")
        row = memory.memory_file("prefork-row", ROW)
        try:
            memory.seal(row)
            page = memory.map_file(row, ROW, at=self._place + slot * ROW, private=True)
        except OSError:
            os.close(row)
            raise
        self._rows[slot] = Row(memory.view(page, ROW), self._words[slot : slot + 1])
        self.watch(slot, watching=False)
        return row

    def close_row(self, slot: int) -> None:
        """Forget the row of a worker that has gone, or never was: the slot reads as idle."""
        self._rows.pop(slot, None)

    def watch(self, slot: int, *, watching: bool) -> None:
        """Tell the worker whether it has to ring when it takes up a request."""
        word = self._words[slot]
        self._words[slot] = word | 1 if watching else (word | 1) + 1

    def read(self, slot: int) -> Seen:
        """A row as it is now. Never raises, whatever the worker wrote."""
        row = self._rows.get(slot)
        if row is None:
            return IDLE
        cells = row.cells
        return Seen(
            busy_since=cells[BUSY_SINCE] / 1e9,
            served=cells[SERVED],
            sent=cells[SENT],
            request=bytes(row.text[: min(cells[TEXT_LENGTH], TEXT)]).decode("latin-1"),
            queued=cells[QUEUED] / 1e9,
        )
