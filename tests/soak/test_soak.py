"""Random gestures and random kills under load.

Nothing may be lost but what a killed worker had in hand, and nothing may grow: descriptors, memory, children, rows.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd, children, gone, until

SECONDS = float(os.environ.get("PREFORK_SOAK_SECONDS", "10"))
SEED = int(os.environ.get("PREFORK_SOAK_SEED", "0")) or random.randrange(1, 10**6)
WORKERS = 3
STEADY = 0.1  # seconds in which the size of a master that is at rest does not change
FELT = 2.0  # seconds after a kill in which a client may notice it
ROWS = 2 * (WORKERS + 8 + 1) * 4096  # bytes: of the most workers at once, when hurried and in the middle of a reload
GROWTH = 4 << 20  # bytes of memory that a master may gain after its second reload
RECYCLING = '[pool.web.recycle]\nrequests = 2000\nage = "5s"\njitter = 0.5'


@dataclass(frozen=True)
class Size:
    """What may not grow, of a master at rest."""

    descriptors: int
    children: int
    rows: int  # bytes of the scoreboard: a page stays until its slot is used again, and the lowest one is used first
    memory: int  # bytes, anonymous and resident, whoever shares them


def size_of(pid: int) -> Size:
    status = Path(f"/proc/{pid}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
    descriptors, rows = list(Path(f"/proc/{pid}/fd").iterdir()), 0
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        begin, end = line.split()[0].split("-")
        rows += int(end, 16) - int(begin, 16) if "prefork-row" in line else 0
    return Size(len(descriptors), len(children(pid)), rows, memory * 1024)


class Operator:
    """Plays with one service. ``master`` changes by upgrades."""

    def __init__(self, daemon: Preforkd, rng: random.Random, children: int) -> None:
        self.daemon = daemon
        self.rng = rng
        self.master = daemon.pid
        self.kills: list[float] = []
        self.played: list[str] = []
        self._children = children
        self._sound = (daemon.home / "site_of_test.py").read_text()

    def play(self) -> None:
        """One gesture, to its end."""
        gesture = self.rng.choice(GESTURES)
        self.played.append(gesture.__name__)
        gesture(self)

    def tell(self, signum: signal.Signals, *awaited: str, to: int = 0) -> dict[str, Any]:
        """Signal the master, or another process, and wait for the first of these events after that."""
        events = self.daemon.events.all
        before = len(events)
        os.kill(to or self.master, signum)

        def found() -> dict[str, Any] | None:
            return next((event for event in events[before:] if event["event"] in awaited), None)

        return until(found, f"one of {awaited} after {self.played[-20:]}")

    def reload(self) -> None:
        self.tell(signal.SIGHUP, "reload_done")

    def hurry(self) -> None:
        """Gestures that come faster than they can be obeyed; then back to the number of the file."""
        for _ in range(self.rng.randint(2, 8)):
            os.kill(self.master, self.rng.choice([signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGHUP]))
        self.reload()  # what was pending has been obeyed
        workers = self.tell(signal.SIGTTIN, "pool_scaled")["workers"]
        while workers != WORKERS:
            towards = signal.SIGTTIN if workers < WORKERS else signal.SIGTTOU
            workers = self.tell(towards, "pool_scaled")["workers"]

    def break_a_reload(self) -> None:
        site = self.daemon.home / "site_of_test.py"
        replace(site, "raise RuntimeError('a bad deploy')\n")
        self.tell(signal.SIGHUP, "reload_refused")
        replace(site, self._sound)

    def scale(self) -> None:
        self.tell(signal.SIGTTIN, "pool_scaled")
        self.tell(signal.SIGTTOU, "pool_scaled")

    def reopen(self) -> None:
        self.tell(signal.SIGUSR1, "logs_reopened")

    def kill(self) -> None:
        """kill -9 of whichever child, a template too."""
        living = sorted(children(self.master))
        if len(living) < 2:
            return  # those that were killed so soon after their birth are replaced after a pause
        victim = self.rng.choice(living)
        with contextlib.suppress(ProcessLookupError):  # it has just been recycled
            os.kill(victim, signal.SIGKILL)
        self.kills.append(time.monotonic())
        assert gone(victim)

    def upgrade(self) -> None:
        self.rest()
        successor = int(self.tell(signal.SIGUSR2, "upgrade_ready")["successor"])
        self.daemon._pids.add(successor)
        self.tell(signal.SIGTERM, "upgrade_completed")
        self.begin(successor)

    def back_out(self) -> None:
        successor = int(self.tell(signal.SIGUSR2, "upgrade_ready")["successor"])
        self.tell(signal.SIGTERM, "upgrade_backed_out", to=successor)

    def break_an_upgrade(self) -> None:
        sound = self.daemon.file.read_text()
        replace(self.daemon.file, sound + "\n[broken\n")
        self.tell(signal.SIGUSR2, "upgrade_ended")
        replace(self.daemon.file, sound)

    def begin(self, master: int) -> None:
        """From here on this master may not grow: what it needs for reloads it has by now."""
        self.master = master
        for _ in range(2):
            self.reload()
        self._size = until(self._steady, "the workers")

    def rest(self) -> None:
        """Back to the number of workers of the file, and nothing has grown."""
        self.reload()
        before, now = self._size, until(self._shrunk, f"{size_of(self.master)} to be {self._size} again")
        assert now.memory <= before.memory + GROWTH, (before, now)

    def _steady(self) -> Size | None:
        """With all of its workers, and not in the middle of letting go of others that have ended."""
        first = size_of(self.master)
        time.sleep(STEADY)
        now = size_of(self.master)
        same = (now.descriptors, now.children, now.rows) == (first.descriptors, first.children, first.rows)
        return now if same and now.children == self._children else None

    def _shrunk(self) -> Size | None:
        now, before = self._steady(), self._size
        return now if now and now.descriptors <= before.descriptors and now.rows <= ROWS else None


GESTURES: list[Callable[[Operator], None]] = [
    Operator.reload,
    Operator.hurry,
    Operator.break_a_reload,
    Operator.scale,
    Operator.reopen,
    Operator.kill,
    Operator.kill,
    Operator.upgrade,
    Operator.back_out,
    Operator.break_an_upgrade,
]


def replace(file: Path, text: str) -> None:
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


@pytest.mark.long
@pytest.mark.parametrize("pool", ["", "preload = true"], ids=["plain", "preloaded"])
def test_nothing_is_lost_and_nothing_grows(daemon: Preforkd, pool: str):
    """Half of the time each way."""
    print(f"PREFORK_SOAK_SEED={SEED}")
    daemon.configure(
        workers=WORKERS,
        pool=pool,
        more=f'{RECYCLING}\n[log.access]\nfile = "{daemon.home}/access.log"',
    )
    daemon.start()
    operator = Operator(daemon, random.Random(SEED), WORKERS + bool(pool))
    end = time.monotonic() + SECONDS / 2
    with load(daemon.port) as clients:
        operator.begin(daemon.pid)
        while time.monotonic() < end:
            operator.play()
        operator.rest()
    felt = [when for when in clients.lost_at if not any(kill <= when <= kill + FELT for kill in operator.kills)]
    assert not felt, (clients.problems, operator.played)
    assert clients.lost.keys() <= {"raced", "reset", "cut"}
    assert clients.answered > 100
