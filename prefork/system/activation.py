"""The sockets that systemd passed at the start, by sd_listen_fds(3): those of its units, and those that it kept for us.

The variables are read once and taken out of the environment, so that no child takes them for its own. The descriptors
of units stay open for the master's life, for a later reload may name one that no listener had so far.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress

from prefork.system import fdstore

FIRST = 3  # SD_LISTEN_FDS_START
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
UNNAMED = "unknown"  # sd_listen_fds_with_names(3), for a socket without a name


def descriptor(name: str) -> int:
    """The descriptor that was passed under ``name``. Raises LookupError with a sentence. In the master."""
    passed = {number: its for number, its in _received().items() if not fdstore.address_of(its)}
    found = [number for number, its in passed.items() if its == name]
    if len(found) == 1:
        return found[0]
    if found:
        # One .socket unit with several ListenStream= passes them all under one name, and a listener is one socket.
        numbers = ", ".join(f"fd:{number}" for number in found)
        raise LookupError(f"{len(found)} sockets are named {name!r}; give each a unit of its own, or use {numbers}")
    if not passed:
        raise LookupError("systemd passed no socket to this process; start it by a .socket unit")
    raise LookupError(f"no socket named {name!r} was passed; passed were {', '.join(sorted(set(passed.values())))}")


def kept() -> dict[str, int]:
    """The listeners of a master before this one that were kept for it: configured address -> descriptor."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) and not _received.cache_info().currsize:
        return {}  # whose they are is said once a listener asks for one
    return {address: number for number, name in _received().items() if (address := fdstore.address_of(name))}


@functools.cache
def _received() -> Mapping[int, str]:
    return take(os.environ, os.getpid())


def take(environment: MutableMapping[str, str], pid: int) -> dict[int, str]:
    """The passed descriptors and their names, taken out of the environment. Raises LookupError if they are not ours."""
    addressee, count, names = (environment.pop(variable, "") for variable in VARIABLES)
    if not addressee and not count:
        return {}
    if addressee != str(pid):
        raise LookupError(
            f"LISTEN_PID is {addressee or 'not set'}, but this is process {pid}; run it in the foreground"
        )
    if not count.isdigit():
        raise LookupError(f"LISTEN_FDS is {count!r}, which is not a number")
    numbers = range(FIRST, FIRST + int(count))
    for number in numbers:
        with suppress(OSError):  # it is not open, in spite of LISTEN_FDS: said once a listener asks for it
            os.set_inheritable(number, False)
    given = names.split(":") if names else []
    return {number: given[i] if i < len(given) and given[i] else UNNAMED for i, number in enumerate(numbers)}
