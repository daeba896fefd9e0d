"""Pure. The successor handshake: one new master at a time, and always a way back.

The old master changes nothing of its own but the name of its pidfile, until somebody stops it. So backing out is
the successor's end, at whatever point, and putting that name back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf

from prefork.config.models import Config

MARGIN = 30.0  # seconds that a successor may take beside the booting of its pools


class Stage(Enum):
    NONE = "none"
    STARTED = "started"  # it was executed, and has not reported
    READY = "ready"  # it serves beside the old master
    DISMISSED = "dismissed"  # it was silent past its deadline and has been killed


@dataclass
class Upgrade:
    """The old master's view of its successor. Times in seconds of the monotonic clock."""

    stage: Stage = Stage.NONE
    pid: int = 0
    deadline: float = inf

    @property
    def running(self) -> bool:
        return self.stage is not Stage.NONE

    def started(self, pid: int, config: Config, now: float) -> None:
        self.stage = Stage.STARTED
        self.pid = pid
        self.deadline = now + MARGIN + max(pool.timeout.boot for pool in config.pool.values())

    def ready(self) -> None:
        self.stage = Stage.READY
        self.deadline = inf

    def dismissed(self) -> None:
        self.stage = Stage.DISMISSED
        self.deadline = inf

    def over(self) -> None:
        self.stage = Stage.NONE
        self.pid = 0
        self.deadline = inf
