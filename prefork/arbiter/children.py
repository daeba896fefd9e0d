"""The master's end of each worker: its process, its channel, the pipe of its stacks; and the table of them all.

What comes out of here are facts. What comes in was written by a worker, and is bounded before it is looked at: an
odd message is dropped, a flood of them is read a few at a time like everybody else's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from prefork.arbiter import facts
from prefork.arbiter.facts import Fact
from prefork.arbiter.watch import Watch
from prefork.system import channel, process, room, signals
from prefork.system.channel import Channel, Kind, Message
from prefork.system.scoreboard import Scoreboard

AT_ONCE = 16  # messages of one worker that are read before the others' turn
PIECE = 64 * 1024  # of a stack dump: what the pipe holds


@dataclass
class Child:
    """One worker process, or template. In the master.

    ``pid`` is 0 until a worker that a template forks has said hello: its word, or the template's, is nothing to signal
    a process on, so the kernel has to say who sent it.
    """

    worker: int
    slot: int
    pid: int
    pidfd: int | None
    channel: Channel
    stacks: int
    served: Callable[[], int] = int  # requests, as its row says
    taken: Callable[[int], bool] = lambda _pid: False  # whether another child in the table has this pid
    signals: list[int] = field(default_factory=list)  # that wait until it is known
    ready: bool = False  # it has said so: it reads its channel
    expired: bool = False  # it may tell its clients that it is to be ended for being stuck

    def hear(self) -> Iterator[Fact]:
        """What the child said over its channel since the last call. Raises EOFError once it has closed the channel."""
        for _ in range(AT_ONCE):
            message = self.channel.receive()
            if message is None:
                return
            yield from self._understand(message)

    def _understand(self, message: Message) -> Iterable[Fact]:
        message.discard()  # nothing that a worker may send travels with a descriptor
        if not self.pid:
            yield self._greeted(message)
        elif message.kind == Kind.READY:
            self.ready = True
            yield facts.WorkerReady(self.worker)
        elif message.kind == Kind.FAILED:
            yield facts.BootFailed(self.worker, message.text)
        elif message.kind == Kind.CLOSED:
            yield facts.AcceptingEnded(self.worker)
        elif message.kind == Kind.REQUEST_STARTED:
            yield facts.RequestStarted(self.worker)
        elif message.kind == Kind.WARM:
            yield facts.WorkerWarm(self.worker, self.served())
        elif message.kind == Kind.RECYCLE_DUE and message.text in channel.RECYCLE_REASONS:
            yield facts.RecycleDue(self.worker, message.text)

    def _greeted(self, message: Message) -> Fact:
        """The hello of a child that a template forked.

        Raises EOFError if the word, or its sender, is not the expected one.
        """
        if message.kind != Kind.HELLO or self.taken(message.sender) or not process.is_child(message.sender):
            raise EOFError
        self.pid = message.sender
        self.pidfd = process.open_pidfd(self.pid)
        return facts.WorkerSpawned(self.worker, self.pid)

    def dumped(self) -> Iterable[Fact]:
        """What the child has written of its stacks. Raises EOFError once nobody can write any more of them."""
        try:
            piece = os.read(self.stacks, PIECE)
        except BlockingIOError:
            return
        if not piece:
            raise EOFError
        self.expire()
        yield facts.StacksDumped(self.worker, piece.decode(errors="replace"))

    def expire(self) -> None:
        """Have it tell its clients, if it may. Said with the dump, and again as each piece of the stacks arrives.

        A signal that comes while the stacks are being written interrupts no system call: the dump starts that again.
        """
        if self.expired and self.pid and signals.EXPIRE is not None:
            process.send_signal(self.pid, signals.EXPIRE)

    def last_words(self) -> Iterator[Fact]:
        """Everything that the child said before it ended."""
        self.expired = False  # its pid may be another's by now
        for source in (self.hear, self.dumped):
            try:
                yield from source()
            except (EOFError, OSError):
                continue  # it said no more, or it cannot be heard now; later there is nobody

    def close(self) -> None:
        """Close the master's ends of channel and pipe. To be called once the child has been reaped."""
        self.channel.close()
        os.close(self.stacks)
        if self.pidfd is not None:
            os.close(self.pidfd)


class Children:
    """The workers and templates that there are, by serial number, and how they are heard and reaped. In the master."""

    def __init__(self, watch: Watch, board: Scoreboard) -> None:
        self._watch = watch
        self._board = board
        self._children: dict[int, Child] = {}
        self._oom_kills = room.oom_kills()

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    def get(self, worker: int) -> Child | None:
        """A child that has not been reaped; so its pid, once it has one, is its own."""
        return self._children.get(worker)

    def adopt(self, child: Child) -> None:
        """Watch a worker that was just forked, or is to be. Raises OSError, and has then forgotten and closed it."""
        self._children[child.worker] = child
        try:
            for source, descriptor in ((child.hear, child.channel.fileno()), (child.dumped, child.stacks)):
                self._watch.add(descriptor, partial(self._listen, child, source, descriptor))
            self._watch_process(child)
        except BaseException:
            del self._children[child.worker]
            self._forget(child)
            raise

    def disown(self, child: Child) -> Fact:
        """Give up on a worker that a template was to fork and that has not said hello.

        Should it say so later, it is let go.
        """
        del self._children[child.worker]
        self._forget(child)
        return facts.ChildExited(child.worker, "the template never forked this worker", clean=False)

    def signal(self, worker: int, signum: int) -> None:
        """Send a signal; one that is still to be forked gets it when there is a process. Raises OSError."""
        child = self._children.get(worker)
        if child and child.pid:
            process.send_signal(child.pid, signum)
        elif child:
            child.signals.append(signum)

    def seen(self, child: Child) -> facts.RequestSeen:
        """What the row of a worker says now."""
        row = self._board.read(child.slot)
        return facts.RequestSeen(row.busy_since, row.request, row.served, row.queued)

    def reap_all(self, *, orphans: bool) -> Iterator[Fact]:
        """Collect the children that have ended; with ``orphans`` also those that were left to this process."""
        for child in self:
            if not child.pid:  # it may have said hello, and ended: then it is one of ours, and no orphan
                yield from self._watch.guard(partial(self._listen, child, child.hear, child.channel.fileno()))
            yield from self._watch.guard(partial(self._reap, child))
        # A worker that its template forked a moment ago, and that was killed before it was heard, is no orphan.
        if (orphans or os.getpid() == 1) and all(child.pid for child in self):
            process.reap_orphans(child.pid for child in self)

    def _watch_process(self, child: Child) -> None:
        if child.pidfd is not None:
            try:
                self._watch.add(child.pidfd, partial(self._reap, child))
            except OSError:  # no room for one more: SIGCHLD tells of its end as well
                os.close(child.pidfd)
                child.pidfd = None
        while child.pid and child.signals:
            process.send_signal(child.pid, child.signals.pop(0))

    def _listen(self, child: Child, source: Callable[[], Iterable[Fact]], descriptor: int) -> Iterator[Fact]:
        if child.worker not in self._children:
            return  # it was reaped a moment ago, in the same turn of the loop, and all it said has been heard
        try:
            for fact in source():
                if isinstance(fact, facts.WorkerSpawned):
                    self._watch_process(child)
                yield fact
        except EOFError:
            if child.pid:
                self._watch.remove(descriptor)
            elif descriptor != child.stacks:
                yield self.disown(child)

    def _reap(self, child: Child) -> Iterator[Fact]:
        if child.worker not in self._children or not child.pid:
            return
        ending = process.reap(child.pid)
        if ending is None:
            return
        # It is reaped once and for all: that it has ended is a fact, whatever becomes of the rest.
        del self._children[child.worker]
        try:
            yield from self._watch.guard(child.last_words)
            yield self._exited(child, ending)
        finally:
            self._forget(child)

    def _exited(self, child: Child, ending: process.Exit) -> facts.ChildExited:
        clean, killed = ending.code == 0, ending.signal == signal.SIGKILL
        try:
            told, seen = self._told(ending), self.seen(child)
            return facts.ChildExited(child.worker, told, clean, ending.peak_memory, seen, killed)
        except Exception:
            return facts.ChildExited(child.worker, str(ending), clean, ending.peak_memory, killed=killed)

    def _told(self, ending: process.Exit) -> str:
        if ending.signal != signal.SIGKILL:
            return str(ending)
        before, self._oom_kills = self._oom_kills, room.oom_kills()
        return f"{ending} (out of memory)" if self._oom_kills > before else str(ending)

    def _forget(self, child: Child) -> None:
        for descriptor in (child.channel.fileno(), child.stacks, child.pidfd):
            if descriptor is not None:
                self._watch.remove(descriptor)
        child.close()
