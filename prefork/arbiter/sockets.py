"""The master's listeners: which are open, and which generation has which under what name.

A listener is kept as long as any generation has its address: renaming it, or adding another beside it, never closes
it. New ones are opened before any is closed, so that a reload that fails has changed nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from prefork.config.addresses import parse
from prefork.config.models import Config, Listen
from prefork.errors import BindError, PrivilegeError
from prefork.system.listeners import Listener, open_listener


class Sockets:
    """In the master. Listeners are known by their configured address."""

    def __init__(self, inherited: Mapping[str, int], opened: Callable[[Listener], None]) -> None:
        self._inherited = dict(inherited)  # of a master before this one, until they are claimed
        self._open: dict[str, Listener] = {}
        self._names: dict[int, dict[str, str]] = {}  # generation -> name -> address
        self._opened = opened

    def open(self, generation: int, config: Config, patience: float = 0.0) -> None:
        """Open what this generation has and no other had. Raises BindError, and has then changed nothing.

        ``patience``: seconds that an address in use is waited for.
        """
        fresh: dict[str, Listener] = {}
        try:
            for name, listen in config.listen.items():
                if listen.address not in self._open:
                    fresh[listen.address] = self._obtain(name, listen, patience)
        except BindError:
            for listener in fresh.values():
                listener.close(unlink=True)
            raise
        self._open.update(fresh)
        self._names[generation] = {name: listen.address for name, listen in config.listen.items()}
        for listener in fresh.values():
            self._opened(listener)

    def _obtain(self, name: str, listen: Listen, patience: float) -> Listener:
        inherited = self._inherited.pop(listen.address, None)
        if inherited is not None:
            listener = Listener.inherit(name, inherited, listen.address)
            if listener.reachable:
                return listener
            listener.close(unlink=False)
        return open_listener(
            name,
            parse(listen.address),
            backlog=listen.backlog,
            mode=listen.mode,
            user=listen.user,
            group=listen.group,
            patience=patience,
        )

    def adopt(self, generation: int) -> None:
        """This generation alone is in force: what it has not is closed."""
        self._names = {generation: self._names[generation]}
        self._sweep()

    def renew(self, config: Config) -> Iterator[tuple[str, Exception]]:
        """Have what was open before follow the settings in force. Names the listeners that cannot, and why."""
        for name, listen in config.listen.items():
            listener = self._open[listen.address]
            try:
                listener.renew(backlog=listen.backlog, mode=listen.mode, user=listen.user, group=listen.group)
            except (OSError, PrivilegeError) as error:
                yield name, error

    def drop(self, generation: int) -> None:
        """This generation is not to be: close what only it has."""
        self._names.pop(generation, None)
        self._sweep()

    def _sweep(self) -> None:
        kept = {address for names in self._names.values() for address in names.values()}
        for address in [address for address in self._open if address not in kept]:
            self._open.pop(address).close(unlink=True)

    def close_unclaimed(self, config: Config) -> bool:
        """Close what a master before this one had and the configuration has not, when that master has gone.

        Until then it may be gone back to, and the paths of its unix sockets are its own. Whether there was anything.
        """
        unclaimed = self._inherited.keys() - {listen.address for listen in config.listen.values()}
        for address in unclaimed:
            Listener.inherit("", self._inherited.pop(address), address).close(unlink=True)
        return bool(unclaimed)

    def of(self, generation: int, names: Iterable[str]) -> dict[str, Listener]:
        """The named listeners of a generation."""
        addresses = self._names[generation]
        return {name: self._open[addresses[name]] for name in names}

    def addresses(self) -> dict[str, str]:
        """Name -> address as bound, of the generation in force."""
        names = self._names.get(min(self._names, default=0), {})
        return {name: self._open[address].address for name, address in names.items() if address in self._open}

    def handed_over(self) -> dict[str, int]:
        """What a successor is given: configured address -> descriptor."""
        return {address: listener.socket.fileno() for address, listener in self._open.items()}

    def ours(self) -> dict[str, int]:
        """Those that nobody but us keeps open: configured address -> descriptor."""
        return self._inherited | {
            address: listener.socket.fileno() for address, listener in self._open.items() if listener.ours
        }

    def refuse_newcomers(self) -> None:
        """Nobody is to connect any more: the service ends when those in the queue are served."""
        for listener in self._open.values():
            listener.refuse_newcomers()

    def leave(self, kept: Iterable[Listener]) -> None:
        """Let go of all but these. In a child of the master."""
        accepting = {id(listener) for listener in kept}
        for listener in self._open.values():
            if id(listener) in accepting:
                listener.leave_passed()
            else:
                listener.leave()
        while self._inherited:
            os.close(self._inherited.popitem()[1])

    def close(self, *, unlink: bool) -> None:
        """Close all; ``unlink`` unless another master serves them."""
        while self._open:
            self._open.popitem()[1].close(unlink=unlink)
