"""Telling the service manager how the service state, and that the master is alive (sd_notify(3)).

What is told is a function of the master's state, never of an event: what differs from what was told last is told, so
nothing can be told twice or forgotten. While two masters serve, the old one speaks, and when it goes it names the
other: backing out at any time before is no death of a main process. With ``Type=notify-reload`` a reload is over when
READY=1 follows RELOADING=1, refused or not (systemd.service(5)). In the master.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.master import Master
from prefork.arbiter.reload import ENDED, ReloadState

Tell = Callable[..., None]


@dataclass(frozen=True)
class SystemdState:
    """``state`` is starting, ready, reloading, stopping or succeeded."""

    state: str
    speaks: bool  # it is this master that the service manager knows
    reloads: int  # how many have begun
    successor: int  # its pid
    status: str  # one line for people


def systemd_state(master: Master) -> SystemdState:
    """The state of this master for the service manager."""
    last = master.reload.last
    return SystemdState(
        _state(master), not master.predecessor, last.serial if last else 0, master.upgrade.pid, _status(master)
    )


def _state(master: Master) -> str:
    if master.state is ServiceState.STOPPING:
        return "succeeded" if master.upgrade.ready else "stopping"
    if master.state is ServiceState.STARTING:
        return "starting"
    last = master.reload.last
    return "reloading" if last and last.state not in ENDED else "ready"


def _status(master: Master) -> str:
    wanted = sum(master.pools.wanted(name) for name in master.pools)
    ready = sum(worker.ready and not worker.template for worker in master.fleet)
    parts = [f"{ready} of {wanted} workers ready", f"generation {master.generation}"]
    last = master.reload.last
    if last and last.state is ReloadState.REFUSED:
        reason = last.faults[0].partition("\n")[0] if last.faults else ""
        parts.append(f"last reload refused: {reason}")
    elif last:
        parts.append(f"last reload {last.state.value}")
    if master.upgrade.pid:
        parts.append(f"new master {master.upgrade.pid} {master.upgrade.state.value}")
    return ", ".join(parts)


class ServiceNotifier:
    """``tell`` sends assignments; ``interval``: how often to say that the master is alive, in seconds."""

    def __init__(self, tell: Tell, interval: float) -> None:
        self._tell = tell
        self._interval = interval
        self._told = SystemdState("", speaks=False, reloads=0, successor=0, status="")
        self.due = time.monotonic() + interval if interval < inf else inf

    def update(self, master: Master, now: float) -> None:
        """Tell the manager what is new, and that the master is alive if that is due. After each turn of the loop."""
        state, told = systemd_state(master), self._told
        self._told = state
        if state.speaks and state.reloads != told.reloads:
            # Also of one that was refused within the turn: whoever asked for it waits for both messages.
            self._tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        fields = self._news(state, told)
        if now >= self.due:
            self.due = now + self._interval
            fields["WATCHDOG"] = 1
        if fields:
            self._tell(**fields)

    def _news(self, state: SystemdState, told: SystemdState) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if not state.speaks:
            return fields
        changed = (state.state, state.reloads) != (told.state, told.reloads)
        if state.state == "ready" and (changed or not told.speaks):
            fields.update(READY=1, MAINPID=os.getpid())
        elif state.state == "stopping" and changed:
            fields["STOPPING"] = 1
        elif state.state == "succeeded" and changed:
            fields["MAINPID"] = state.successor
        if (state.status != told.status or not told.speaks) and state.state != "succeeded":
            fields["STATUS"] = state.status
        return fields
