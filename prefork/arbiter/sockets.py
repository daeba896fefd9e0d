"""The master's listeners: which are open, and which generation has which under what name.

A listener is kept as long as any generation has its address: renaming it, or adding another beside it, never closes
it. New ones are opened before any is closed, so that a reload that fails has changed nothing. One that clients cannot
reach any more, because its file was removed or a worker shut it down, is opened anew by the next generation.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from prefork.config.addresses import parse
from prefork.config.models import Config, Listen
from prefork.errors import BindError, PrivilegeError
from prefork.system.listeners import Listener, open_listener

Told = Callable[[Listener, str], None]


class Sockets:
    """The open listeners of all generations, in the master; known by their configured addresses."""

    def __init__(self, inherited: Mapping[str, int], opened: Told, spoiled: Told) -> None:
        """``opened`` is told each new listener, and why where it replaces another; ``spoiled``, what was found."""
        self._inherited = dict(inherited)  # of a master before this one, until they are claimed
        self._open: dict[Listener, str] = {}  # with their addresses; of two at one address the later one replaces
        self._names: dict[int, dict[str, Listener]] = {}  # generation -> name
        self._opened, self._spoiled = opened, spoiled
        # A listening socket that was shut down hangs up, which is told without being asked for (epoll_ctl(2)).
        self._hang_ups = select.epoll()
        self._anew = False  # a listener has to be opened anew, which nobody has been told yet

    def fileno(self) -> int:
        """A descriptor that is readable when ``mend`` is to be called: a listener has hung up."""
        return self._hang_ups.fileno()

    def open(self, generation: int, config: Config, patience: float = 0.0) -> None:
        """Open what this generation has and no other had. Raises BindError, and has then changed nothing.

        ``patience``: seconds that an address in use is waited for.
        """
        names: dict[str, Listener] = {}
        fresh: dict[Listener, str] = {}
        try:
            for name, listen in config.listen.items():
                before = self._at(listen.address)
                if before is None or before.fault:
                    names[name] = self._obtain(name, listen, patience)
                    fresh[names[name]] = before.fault if before else ""
                    self._open[names[name]] = listen.address
                else:
                    names[name] = before
        except BindError:
            for listener in fresh:
                self._close(listener, unlink=True)
            raise
        self._names[generation] = names
        for listener, reason in fresh.items():
            self._hang_ups.register(listener.socket.fileno(), select.EPOLLRDHUP)
            self._opened(listener, reason)

    def _at(self, address: str) -> Listener | None:
        return next((listener for listener, its in reversed(self._open.items()) if its == address), None)

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
        """Keep the listeners of this generation alone: those that it does not have are closed."""
        self._names = {generation: self._names[generation]}
        self._sweep()

    def renew(self, config: Config) -> Iterator[tuple[str, Exception]]:
        """Have what was open before follow the settings in force. Names the listeners that cannot, and why."""
        self._anew = self.mend()
        for name, listen in config.listen.items():
            listener = self._at(listen.address)
            assert listener is not None  # it was opened with this configuration
            try:
                listener.renew(backlog=listen.backlog, mode=listen.mode, user=listen.user, group=listen.group)
            except (OSError, PrivilegeError) as error:
                yield name, error

    def mend(self) -> bool:
        """Undo what workers did to the sockets that they share. Whether one of them has to be opened anew for that.

        To be called when a listener has hung up, and whenever a worker has ended.
        """
        anew, self._anew = self._anew, False
        for listener in self._open:
            already = listener.shut_down
            found = listener.mend()
            if found and not already:
                self._spoiled(listener, found)
                anew = anew or (listener.shut_down and listener.reopens)
            if listener.shut_down:
                with suppress(OSError):  # it was done before
                    self._hang_ups.unregister(listener.socket.fileno())  # else it would be told of for ever
        return anew

    def drop(self, generation: int) -> None:
        """Close the listeners that only this generation has: its trial has failed."""
        self._names.pop(generation, None)
        self._sweep()

    def _sweep(self) -> None:
        kept = {listener for names in self._names.values() for listener in names.values()}
        for listener in [listener for listener in self._open if listener not in kept]:
            self._close(listener, unlink=True)

    def _close(self, listener: Listener, *, unlink: bool) -> None:
        del self._open[listener]
        with suppress(OSError):  # it was not watched yet
            self._hang_ups.unregister(listener.socket.fileno())  # workers have it open: it would be reported for ever
        listener.close(unlink=unlink)

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
        listeners = self._names[generation]
        return {name: listeners[name] for name in names}

    def addresses(self) -> dict[str, str]:
        """Name -> address as bound, of the generation in force."""
        names = self._names.get(min(self._names, default=0), {})
        return {name: listener.address for name, listener in names.items() if listener in self._open}

    def handed_over(self) -> dict[str, int]:
        """What a successor is given: configured address -> descriptor."""
        return {address: listener.socket.fileno() for listener, address in self._open.items()}

    def ours(self) -> dict[str, int]:
        """The listeners that only this master keeps open: configured address -> descriptor."""
        return self._inherited | {
            address: listener.socket.fileno() for listener, address in self._open.items() if listener.ours
        }

    def refuse_newcomers(self) -> None:
        """Have no client connect any more: the service ends when those in the queue are served."""
        for listener in self._open:
            listener.refuse_newcomers()

    def leave(self, kept: Iterable[Listener]) -> None:
        """Let go of all but these. In a child of the master."""
        accepting = {id(listener) for listener in kept}
        for listener in self._open:
            if id(listener) in accepting:
                listener.leave_passed()
            else:
                listener.leave()
        while self._inherited:
            os.close(self._inherited.popitem()[1])
        self._hang_ups.close()

    def close(self, *, unlink: bool) -> None:
        """Close all listeners; ``unlink`` removes the files of unix sockets: no other master serves them."""
        for listener in tuple(self._open):
            self._close(listener, unlink=unlink)
