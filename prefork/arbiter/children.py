"""The master's end of each worker: its process, its channel, the pipe of its stacks.

What comes out of here are facts. What comes in was written by a worker, and is bounded before it is looked at: an
odd message is dropped, a flood of them is read a few at a time like everybody else's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prefork.arbiter import facts
from prefork.arbiter.facts import Fact
from prefork.system import channel, process
from prefork.system.channel import Channel, Kind, Message

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
    signals: list[int] = field(default_factory=list)  # that wait until it is known
    ready: bool = False  # it has said so: it reads its channel

    def hear(self) -> Iterator[Fact]:
        """What it said over its channel. Raises EOFError once it has closed it."""
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
            yield facts.WorkerWarm(self.worker)
        elif message.kind == Kind.RECYCLE_DUE and message.text in channel.RECYCLE_REASONS:
            yield facts.RecycleDue(self.worker, message.text)

    def _greeted(self, message: Message) -> Fact:
        """Its first word. Raises EOFError if that, or whoever sent it, is not what was expected."""
        if message.kind != Kind.HELLO or not process.is_child(message.sender):
            raise EOFError
        self.pid = message.sender
        self.pidfd = process.open_pidfd(self.pid)
        return facts.WorkerSpawned(self.worker, self.pid)

    def dumped(self) -> Iterable[Fact]:
        """What it has written of its stacks. Raises EOFError once nobody can write any."""
        try:
            piece = os.read(self.stacks, PIECE)
        except BlockingIOError:
            return
        if not piece:
            raise EOFError
        yield facts.StacksDumped(self.worker, piece.decode(errors="replace"))

    def last_words(self) -> Iterator[Fact]:
        """Everything that it said before it ended."""
        for source in (self.hear, self.dumped):
            try:
                yield from source()
            except EOFError:
                continue  # it said no more

    def close(self) -> None:
        """Let go of everything of it. Once it has been reaped."""
        self.channel.close()
        os.close(self.stacks)
        if self.pidfd is not None:
            os.close(self.pidfd)
