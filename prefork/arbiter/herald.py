"""Telling the service manager what has changed of how the service stands, and that the master is alive.

In the master. What systemd makes of it is in systemd.service(5): with ``Type=notify-reload`` a reload is over when
READY=1 follows RELOADING=1, refused or not; MAINPID= makes a successor the process whose end is the service's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import inf
from typing import Any

from prefork.arbiter.master import Master
from prefork.arbiter.standing import Standing, standing

Tell = Callable[..., None]


class Herald:
    """``tell`` sends assignments; ``interval``: how often to say that the master is alive, in seconds."""

    def __init__(self, tell: Tell, interval: float) -> None:
        self._tell = tell
        self._interval = interval
        self._told = Standing("", speaks=False, reloads=0, successor=0, status="")
        self.due = time.monotonic() + interval if interval < inf else inf

    def update(self, master: Master, now: float) -> None:
        """Tell what is new, and the sign of life if it is due. After each turn of the loop."""
        stands, told = standing(master), self._told
        self._told = stands
        if stands.speaks and stands.reloads != told.reloads:
            # Also of one that was refused within the turn: whoever asked for it waits for both messages.
            self._tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        fields = self._news(stands, told)
        if now >= self.due:
            self.due = now + self._interval
            fields["WATCHDOG"] = 1
        if fields:
            self._tell(**fields)

    def _news(self, stands: Standing, told: Standing) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if not stands.speaks:
            return fields
        changed = (stands.state, stands.reloads) != (told.state, told.reloads)
        if stands.state == "ready" and (changed or not told.speaks):
            fields.update(READY=1, MAINPID=os.getpid())
        elif stands.state == "stopping" and changed:
            fields["STOPPING"] = 1
        elif stands.state == "succeeded" and changed:
            fields["MAINPID"] = stands.successor
        if (stands.status != told.status or not told.speaks) and stands.state != "succeeded":
            fields["STATUS"] = stands.status
        return fields
