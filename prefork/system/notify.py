"""Telling the service manager how the service stands: sd_notify(3), over the socket in ``NOTIFY_SOCKET``.

Never raises and never waits: a service must not fail because nobody listens. Without the variable nothing is told.
The watchdog (sd_watchdog_enabled(3)) is told at half its interval; without one there is nothing to wake up for.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from contextlib import suppress
from math import inf

SOCKET = "NOTIFY_SOCKET"
INTERVAL = "PREFORK_WATCHDOG_USEC"  # for a successor: systemd's own variables are addressed to its predecessor
VARIABLES = (SOCKET, INTERVAL, "WATCHDOG_PID", "WATCHDOG_USEC")


class Notifier:
    """In the master. ``interval``: seconds between two signs of life, inf where nobody asks for them."""

    def __init__(self, environment: MutableMapping[str, str], pid: int) -> None:
        """Takes the variables out of the environment: they speak to this process, and to none that it starts."""
        name, of_predecessor, addressee, asked = (environment.pop(variable, "") for variable in VARIABLES)
        self._name = name
        if addressee not in ("", str(pid)):
            asked = ""
        self.interval = _half(of_predecessor or asked) if name else inf

    def tell(self, **fields: object) -> None:
        """Send assignments, in one message."""
        address = self._name.replace("@", "\0", 1) if self._name.startswith("@") else self._name
        if not address:
            return
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:  # it is full, or gone
            sock.setblocking(False)
            sock.sendto(message.encode(errors="replace"), address)

    def for_successor(self) -> dict[str, str]:
        """What a successor must find in its environment."""
        if not self._name:
            return {}
        return {SOCKET: self._name, **({INTERVAL: str(round(self.interval * 2e6))} if self.interval < inf else {})}


def _half(microseconds: str) -> float:
    """So that one sign of life may be late."""
    return int(microseconds) / 2e6 or inf if microseconds.isdigit() else inf
