"""Pure. How the service stands, in the words of sd_notify(3): a function of the master's state, never of an event.

So nothing can be told twice or forgotten: what differs from what was told last is told. While two masters serve, the
old one speaks, and when it goes it names the other: backing out at any time before is no death of a main process.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.master import Master
from prefork.arbiter.reload import ENDED, ReloadState


@dataclass(frozen=True)
class Standing:
    """``state`` is starting, ready, reloading, stopping or succeeded."""

    state: str
    speaks: bool  # it is this master that the service manager knows
    reloads: int  # how many have begun
    successor: int  # its pid
    status: str  # one line for people


def standing(master: Master) -> Standing:
    """Of this master now."""
    last = master.reload.last
    return Standing(
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
