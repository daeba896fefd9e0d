"""Pure. How many workers a pool wants: the file's number and what operators added to it by signal."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from prefork.config.models import Pool


@dataclass
class Scale:
    """The number wanted of a pool. An adjustment outlives a reload that leaves the file's number as it was."""

    file: int
    adjustment: int = 0

    @property
    def wanted(self) -> int:
        """How many workers the pool should have."""
        return self.file + self.adjustment

    def change(self, by: int) -> bool:
        """One more or fewer; False if it would leave the pool without a worker."""
        if self.wanted + by < 1:
            return False
        self.adjustment += by
        return True

    def reloaded(self, file: int) -> Scale:
        """What is wanted under a new file."""
        return Scale(file, self.adjustment if file == self.file else 0)


def surge_of(pool: Pool, wanted: int) -> int:
    """How many workers above the wanted number a roll may use: at least one."""
    surge = pool.surge
    if isinstance(surge, int):
        return max(1, surge)
    return max(1, ceil(wanted * float(surge.rstrip("%")) / 100))
