"""The names under which the service manager keeps our listening sockets for the master that it starts next.

Its store (FDSTORE= in sd_notify(3), FileDescriptorStoreMax= in systemd.service(5)) outlives this process: while nobody
serves, clients wait in the queue of the socket instead of being refused. A name says which listener it is; what systemd
passes under any other name is a socket of a unit.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

PREFIX = "prefork "
LONGEST = 255  # sd_pid_notify_with_fds(3)


def name_of(address: str) -> str:
    """The name under which the listener at a configured address is kept; empty if it cannot be kept."""
    name = PREFIX + quote(address)  # a colon separates names in LISTEN_FDNAMES
    return name if len(name) <= LONGEST else ""


def address_of(name: str) -> str:
    """The configured address of the listener that was kept under ``name``; empty for a name that is not ours."""
    return unquote(name[len(PREFIX) :]) if name.startswith(PREFIX) else ""
