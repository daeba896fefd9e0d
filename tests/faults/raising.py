"""preforkd whose master raises: run by tests/faults/test_raising.py in place of ``python -m prefork``.

Once the file ``armed`` is there, every callable of ``targets`` raises at its first call, and works from then on. The
exception is named by RAISES. Nothing of the package knows of this.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from prefork.arbiter import executor, orders
from prefork.arbiter.children import Child, Children
from prefork.arbiter.control import Controller
from prefork.arbiter.fdstore import FdStore
from prefork.arbiter.master import Master
from prefork.arbiter.sockets import Sockets
from prefork.arbiter.systemd import ServiceNotifier
from prefork.arbiter.upgrade.successor import Successor
from prefork.cli import main
from prefork.control.server import Server
from prefork.observe.sink import Sink
from prefork.system import process
from prefork.system.channel import Channel
from prefork.system.pidfile import Pidfile
from prefork.system.scoreboard import Scoreboard
from prefork.system.signals import SignalInbox

RAISED: dict[str, Callable[[], Exception]] = {
    "OSError": lambda: OSError(12, "Cannot allocate memory"),
    "ValueError": lambda: ValueError("odd"),
    "RecursionError": lambda: RecursionError("deep"),
    "MemoryError": MemoryError,
}
ARMED = os.path.abspath("armed")
MASTER = os.getpid()
METHODS: dict[type, tuple[str, ...]] = {
    Master: ("handle", "deadline", "murder_workers", "manage_workers"),
    Child: ("hear", "dumped", "last_words"),
    Children: ("adopt", "signal", "seen", "reap_all"),
    Sockets: ("open", "adopt", "drop", "renew", "of", "ours", "handed_over"),
    Controller: ("settle", "reported", "asked", "adopt", "open"),
    Server: ("turn", "renew"),
    FdStore: ("update",),
    ServiceNotifier: ("update",),
    Successor: ("heard", "ended"),
    Sink: ("reopen", "send"),
    Channel: ("send",),
    Pidfile: ("name_oldbin", "restore"),
    Scoreboard: ("open_row", "close_row", "watch", "read"),
    SignalInbox: ("take",),
}
FUNCTIONS = ("fork", "reap", "open_pidfd", "send_signal", "spawn_detached")


def raising(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The callable, which raises once."""
    left = [name]

    @functools.wraps(call)
    def wrapped(*args: Any, **fields: Any) -> Any:
        if left and os.getpid() == MASTER and os.path.exists(ARMED):
            left.pop()
            with open(ARMED, "a") as told:
                told.write(f"{name}\n")
            error = RAISED[os.environ["RAISES"]]()
            raise error
        return call(*args, **fields)

    return wrapped


def targets() -> Iterator[str]:
    """Make all of them raise; their names."""
    for kind, method in tuple(executor.METHODS.items()):
        if kind is not orders.Exit:
            executor.METHODS[kind] = raising(kind.__name__, method)
            yield kind.__name__
    for cls, names in METHODS.items():
        for name in names:
            setattr(cls, name, raising(f"{cls.__name__}.{name}", getattr(cls, name)))
            yield f"{cls.__name__}.{name}"
    for name in FUNCTIONS:
        setattr(process, name, raising(name, getattr(process, name)))
        yield name


if __name__ == "__main__":
    assert list(targets())
    sys.exit(main())
