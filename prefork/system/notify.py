"""Telling the service manager how the service stands: sd_notify(3), over the socket in ``NOTIFY_SOCKET``.

Never raises and never waits: a service must not fail because nobody listens. Without the variable nothing is told.
The watchdog (sd_watchdog_enabled(3)) is told at half its interval; without one there is nothing to wake up for.
"""

from __future__ import annotations

import array
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from math import inf
from urllib.parse import quote, unquote

# The names under which the manager keeps our listening sockets: what it passes under another is a socket of a unit.
PREFIX = "prefork "
LONGEST = 255  # sd_pid_notify_with_fds(3)

SOCKET = "NOTIFY_SOCKET"
INTERVAL = "PREFORK_WATCHDOG_USEC"  # for a successor: systemd's own variables are addressed to its predecessor
STORE = "FDSTORE"  # how many descriptors the manager keeps; before systemd 254 the unit has to say it
VARIABLES = (SOCKET, INTERVAL, "WATCHDOG_PID", "WATCHDOG_USEC", STORE)


class Notifier:
    """Tells the service manager, in the master.

    ``interval``: seconds between two signs of life, inf where nobody asks for them. ``keeps``: whether descriptors
    that are sent to the manager outlive this process.
    """

    def __init__(self, environment: MutableMapping[str, str], pid: int) -> None:
        """Takes the variables out of the environment: they speak to this process, and to none that it starts."""
        name, of_predecessor, addressee, asked, store = (environment.pop(variable, "") for variable in VARIABLES)
        self._name = name
        if addressee not in ("", str(pid)):
            asked = ""
        self.interval = _half(of_predecessor or asked) if name else inf
        self._store = store if name and store.isdigit() else "0"
        self.keeps = int(self._store) > 0

    def tell(self, **fields: object) -> None:
        """Send assignments such as ``READY=1``, in one message. Never raises."""
        if self._name:
            self._send(fields, ())

    def store(self, name: str, descriptor: int) -> bool:
        """Have the manager keep a descriptor. Returns False if the manager cannot be told now."""
        return self._send({STORE: 1, "FDNAME": name}, (descriptor,))

    def remove(self, name: str) -> bool:
        """Have the manager close what it keeps under a name. Returns False if the manager cannot be told now."""
        return self._send({"FDSTOREREMOVE": 1, "FDNAME": name}, ())

    def _send(self, fields: Mapping[str, object], descriptors: Sequence[int]) -> bool:
        address = self._name.replace("@", "\0", 1) if self._name.startswith("@") else self._name
        message = "\n".join(f"{name}={value}" for name, value in fields.items()).encode(errors="replace")
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:  # it is full, or gone
            sock.setblocking(False)
            sock.sendmsg([message], rights, 0, address)
            return True
        return False

    def for_successor(self) -> dict[str, str]:
        """The environment variables that a successor must find."""
        if not self._name:
            return {}
        watchdog = {INTERVAL: str(round(self.interval * 2e6))} if self.interval < inf else {}
        return {SOCKET: self._name, STORE: self._store, **watchdog}


def _half(microseconds: str) -> float:
    """So that one sign of life may be late."""
    return int(microseconds) / 2e6 or inf if microseconds.isdigit() else inf


def name_of(address: str) -> str:
    """The name for the listener at a configured address; empty if there can be none."""
    name = PREFIX + quote(address)  # a colon separates names in LISTEN_FDNAMES
    return name if len(name) <= LONGEST else ""


def address_of(name: str) -> str:
    """The configured address of what was kept under ``name``; empty if it is not ours."""
    return unquote(name[len(PREFIX) :]) if name.startswith(PREFIX) else ""
