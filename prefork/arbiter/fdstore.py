"""What the service manager keeps of the listeners, for a master that is started when this one has ended.

So a restart refuses nobody, whether it was asked for or the master was killed: meanwhile the clients wait in the queues
of the sockets. What is kept is compared with what is open, so nothing is sent twice or forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prefork.system import notify
from prefork.system.notify import Notifier


class FdStore:
    """In the master. ``before``: the configured addresses of what a master before this one may have left there."""

    def __init__(self, notifier: Notifier, before: Iterable[str]) -> None:
        self._notifier = notifier
        self._before = set(before)
        self._kept: set[str] = set()

    def update(self, listeners: Mapping[str, int]) -> None:
        """Have the service manager keep these listeners, configured address -> descriptor, and no others."""
        if not self._notifier.keeps:
            return
        for address in listeners.keys() - self._kept:
            name = notify.name_of(address)
            if not name or self._notifier.store(name, listeners[address]):
                self._kept.add(address)
        for address in (self._kept | self._before) - listeners.keys():
            if self._notifier.remove(notify.name_of(address)):
                self._kept.discard(address)
                self._before.discard(address)
