"""Pure. The successor handshake: one new master at a time, and always a way back.

The old master changes nothing of its own but the name of its pidfile, until somebody stops it. So backing out is
the successor's end, at whatever point, and putting that name back.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from math import inf
from signal import Signals

from prefork.arbiter import orders
from prefork.arbiter.attempt import none_yet
from prefork.arbiter.facts import SuccessorReady
from prefork.arbiter.orders import Order, report
from prefork.config.models import Config

SILENT = "the successor did not report in time"
ENDED = "the new master ended before it was ready; its log may say why"
STOPPED = "the service is stopping"

MARGIN = 30.0  # seconds that a successor may take beside the booting of its pools


class UpgradeState(Enum):
    """How far the successor has come."""

    NONE = "none"
    STARTED = "started"  # it was executed, and has not reported
    READY = "ready"  # it serves beside the old master
    DISMISSED = "dismissed"  # it was told to end: silent past its deadline, or because the whole service stops


class Upgrade:
    """The old master's view of its successor. Times in seconds of the monotonic clock.

    ``last``: the attempt that was asked for last; it ends when its successor is ready, or has ended before that.
    """

    def __init__(self) -> None:
        self.last = none_yet()
        self._under_way = self.last  # another one than the last, if that was refused meanwhile
        self._end()

    def _end(self) -> None:
        self.state = UpgradeState.NONE
        self.auto = False
        self.pid = 0
        self.deadline = inf

    @property
    def ready(self) -> bool:
        """Two masters serve."""
        return self.state is UpgradeState.READY

    @property
    def dismissed(self) -> bool:
        """It is on its way out, and this master does not end before it has gone."""
        return self.state is UpgradeState.DISMISSED

    def asked(self, obstacle: str, *, auto: bool) -> Iterable[Order]:
        """Start a successor, unless there is an ``obstacle`` (a sentence). ``auto``: retire when it is ready."""
        if self.state is not UpgradeState.NONE:
            obstacle = obstacle or f"the successor {self.pid} of an earlier upgrade is running"
        self.last = self.last.after()
        if obstacle:
            self.last.refused(obstacle)
            yield report("warning", "upgrade_refused", reason=obstacle)
            return
        self._under_way = self.last
        self.auto = auto
        yield report("info", "upgrade_started")
        yield orders.Reexec()

    def started(self, pid: int, config: Config, now: float) -> None:
        """It has been executed; it may take as long as the slowest of its pools may boot."""
        self.state = UpgradeState.STARTED
        self.pid = pid
        self.deadline = now + MARGIN + max(pool.timeout.boot for pool in config.pool.values())

    def overdue(self) -> Iterable[Order]:
        """It has not reported in time: its end will be its failure."""
        self._under_way.reason = self._under_way.reason or SILENT
        yield report("error", "upgrade_failed", successor=self.pid, reason=SILENT)
        yield from self.dismiss(Signals.SIGKILL)

    def dismiss(self, signal: Signals) -> Iterable[Order]:
        """It is to end, if there is one."""
        if self.state is not UpgradeState.NONE:
            self.state = UpgradeState.DISMISSED
            self._under_way.reason = self._under_way.reason or STOPPED
            self.deadline = inf
            yield orders.KillSuccessor(signal)

    def serves(self, fact: SuccessorReady) -> Iterable[Order]:
        """It is ready; both masters serve until one is stopped."""
        self.state = UpgradeState.READY
        self._under_way.done()
        self.deadline = inf
        choice = f"TERM to this master completes the upgrade, TERM to {self.pid} backs out"
        hint = "this master retires" if self.auto else choice
        runs = {"runs": fact.runs_on, "successor_runs": fact.successor_runs_on} if fact.successor_runs_on else {}
        yield report("info", "upgrade_ready", successor=self.pid, **runs, hint=hint)

    def failed(self, reason: str) -> Iterable[Order]:
        """It could not be started, or says why it cannot serve; in that case its end follows as a fact."""
        yield report("error", "upgrade_failed", successor=self.pid, reason=reason)
        self._under_way.reason = self._under_way.reason or reason
        if self.state is UpgradeState.NONE:
            self._under_way.failed(reason)
            yield orders.RestorePidfile()

    def gone(self, *, stopping: bool) -> Iterable[Order]:
        """It has ended: everything is as before it was started."""
        self._under_way.failed(ENDED)  # unless it was done: then this is the way back
        event = "upgrade_backed_out" if self.ready else "upgrade_ended"
        hint = {} if stopping else {"hint": "this master keeps serving"}
        yield report("warning", event, successor=self.pid, **hint)
        self._end()
        yield orders.RestorePidfile()
