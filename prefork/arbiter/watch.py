"""What the master waits for: descriptors and strangers, each with a source of facts that is asked when it has news.

Rules. There is one selector. A source that raises is logged, and its descriptor rests for a second: nothing that one
client, child or file does keeps the master busy or ends it. Only an upgrade watches a stranger (a process that is not
a child); where the kernel has no pidfd it is looked at every second.

Diagnostics. ``source_failed``: a source raised; it is asked again in a second. ``wait_failed``: epoll_wait(2) failed.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from math import inf
from selectors import SelectorKey

from prefork.arbiter.facts import Fact
from prefork.arbiter.survival import Survival
from prefork.system import process

Source = Callable[[], Iterable[Fact]]

REST = 1.0  # seconds in which a source that failed is not asked
LONGEST_SLEEP = 86400.0  # epoll takes no more than 24 days
STRANGER_LOOK = 1.0  # seconds between looks at a stranger that has no pidfd
AFTER_A_FAILED_WAIT = 0.1  # seconds, so that a wait that keeps failing does not keep a processor busy


class Watch:
    """The selector of the master, and the sources of facts behind its descriptors.

    Times in seconds of the monotonic clock.
    """

    def __init__(self, survival: Survival) -> None:
        self._survival = survival
        self._selector = selectors.DefaultSelector()
        self._resting: dict[int, tuple[float, Source]] = {}  # descriptor -> until when, and its source
        self._strangers: dict[int, Source] = {}  # without a pidfd: pid -> what its end means

    def add(self, descriptor: int, source: Source) -> None:
        """Have a source of facts asked when its descriptor is readable. Raises OSError, and has then done nothing."""
        self._selector.register(descriptor, selectors.EVENT_READ, source)

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor, if it is watched at all. To be called before it is closed."""
        self._resting.pop(descriptor, None)
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._resting or descriptor in self._selector.get_map()

    def rest(self, descriptor: int) -> None:
        """Do not ask a source for a while, though its descriptor be readable."""
        watched = self._selector.get_map().get(descriptor)
        if watched is not None:
            self._selector.unregister(descriptor)
            self._resting[descriptor] = time.monotonic() + REST, watched.data

    def stranger(self, pid: int, gone: Source) -> None:
        """Have ``gone`` asked once, when a process that is no child of ours has ended."""
        descriptor = process.open_pidfd(pid)
        if descriptor is None:
            self._strangers[pid] = gone  # it has ended already, or has to be looked at
            return

        def ended() -> Iterator[Fact]:
            self.remove(descriptor)
            os.close(descriptor)
            yield from gone()

        try:
            self.add(descriptor, ended)
        except OSError:  # no room for one more in the epoll: it is looked at instead
            os.close(descriptor)
            self._strangers[pid] = gone

    def wait(self, timeout: float) -> list[SelectorKey]:
        """Sleep until a descriptor is readable, or at most so many seconds; for ``heard``. Never raises.

        Not the numbers of the descriptors: one may be closed, and its number given to another, before it is heard.
        """
        self._end_rests()
        now = time.monotonic()
        due = min((until for until, _ in self._resting.values()), default=inf) - now
        longest = min(timeout, due, STRANGER_LOOK if self._strangers else LONGEST_SLEEP)
        try:
            return [key for key, _events in self._selector.select(max(0.0, longest))]
        except Exception as error:
            self._survival.note("wait_failed", error)
            time.sleep(AFTER_A_FAILED_WAIT)
            return []

    def heard(self, ready: Iterable[SelectorKey]) -> Iterator[Fact]:
        """The facts of the sources that have news, and of strangers that have ended. Never raises."""
        watched = self._selector.get_map()
        for key in ready:
            if watched.get(key.fd) is key:  # else it was given up a moment ago, in the same turn
                yield from self.guard(key.data, key.fd)
        for pid in [pid for pid in self._strangers if not process.lives(pid)]:
            yield from self.guard(self._strangers.pop(pid))

    def guard(self, source: Source, descriptor: int | None = None) -> Iterator[Fact]:
        """The facts of a source, up to where it raises. Never raises."""
        try:
            yield from source()
        except Exception as error:
            self._survival.note("source_failed", error, source=getattr(source, "__qualname__", repr(source)))
            if descriptor is not None:
                self.rest(descriptor)

    def leave(self, closed: Collection[int]) -> None:
        """Let go of the selector in a child, and of what nobody but it knows: pidfds, a successor's report.

        ``closed``: the descriptors whose owners have closed them. What is watched is shared with the master: nothing is
        unregistered.
        """
        watched = {key.fd for key in self._selector.get_map().values()} | self._resting.keys()
        self._selector.close()
        for descriptor in watched.difference(closed):
            with suppress(OSError):  # a fault of the book-keeping, which must not cost the child
                os.close(descriptor)

    def close(self) -> None:
        """Stop watching everything."""
        self._selector.close()

    def _end_rests(self) -> None:
        now = time.monotonic()
        for descriptor, (until, source) in tuple(self._resting.items()):
            if until > now:
                continue
            try:
                self._selector.register(descriptor, selectors.EVENT_READ, source)
            except Exception as error:
                self._survival.note("source_failed", error, source=getattr(source, "__qualname__", repr(source)))
                self._resting[descriptor] = now + REST, source
            else:
                del self._resting[descriptor]
