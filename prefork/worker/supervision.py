"""A worker's ties to its master: its row of the scoreboard, its channel, its signals, its stacks.

Used in the worker, after fork, by whatever loop runs there. End of file on the channel is the master's death: the
worker then finishes what it has and goes. The fatal signals and ``signals.DUMP`` are answered by ``faulthandler``, in
C, so that they are answered while application code holds the interpreter.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, DefaultSelector  # bound now: monkey patches replace it
from time import monotonic_ns
from types import FrameType

from prefork.observe.sink import Sink
from prefork.system import signals
from prefork.system.channel import LIMIT, Channel, Kind, Message
from prefork.system.scoreboard import BUSY_SINCE, QUEUED, SENT, SERVED, TEXT, TEXT_LENGTH, Row
from prefork.system.signals import SignalInbox
from prefork.worker.orphan_limit import OrphanLimit
from prefork.worker.protocol import Directive, Ticket
from prefork.worker.recycle import NEVER, RecycleLimits
from prefork.worker.refork import Refork

# What the master says over the channel, which nobody but the two has: signals reach the worker as well, as long as the
# application leaves their handlers alone.
DIRECTIVES: Mapping[bytes, Directive] = {
    Kind.RETIRE.value: Directive.RETIRE,
    Kind.DRAIN.value: Directive.DRAIN,
    Kind.QUIT.value: Directive.QUIT,
}


def run_on_abort(hook: Callable[[], object], descriptor: int) -> None:
    """Run a hook between the stack dump and death by ABRT. It cannot run while C code holds the interpreter."""

    def abort(signum: int, _frame: FrameType | None) -> None:
        faulthandler.dump_traceback(file=descriptor, all_threads=True)
        try:
            hook()
        finally:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)

    signal.signal(signal.SIGABRT, abort)


def run_on_expiry(tell: Callable[[], object] | None) -> None:
    """Run ``tell`` once when a request has run past its timeout. It cannot run while C code holds the interpreter."""
    untold = [tell] if tell else []

    def expire(_signum: int, _frame: FrameType | None) -> None:
        if untold:  # the master says it more than once
            untold.pop()()

    if signals.EXPIRE is not None:
        signal.signal(signals.EXPIRE, expire)


def report_failure(channel: Channel, traceback: str) -> None:
    """Report that the worker cannot boot; should the text be too long, its end is what matters."""
    channel.send(Kind.FAILED, traceback[-LIMIT // 4 :])


def follow(sinks: Mapping[str, Sink], message: Message) -> None:
    """Go on with a log that the master opened anew, if that is what it says."""
    if message.kind == Kind.REOPEN and message.text in sinks and len(message.descriptors) == 1:
        sinks[message.text].adopt(message.descriptors[0])
    else:
        message.discard()  # a newer master may say more


class BesideTicket:
    """Of a request that began while another was running. Implements ``prefork.worker.protocol.Ticket``."""

    __slots__ = ("_link", "began", "paused", "queued", "request")

    def __init__(self, link: MasterLink, request: bytes, queued: int, began: int) -> None:
        self._link = link
        self.request = request
        self.queued = queued
        self.began = began
        self.paused = False

    def pause(self) -> None:
        self._link.pause_beside(self)

    def end(self, sent: int) -> None:
        self._link.end_beside(self, sent)


class MasterLink:
    """What a loop asks, and what it tells. Implements ``prefork.worker.protocol.Supervisor``."""

    def __init__(
        self,
        row: Row,
        channel: Channel,
        sinks: Mapping[str, Sink],
        recycle: RecycleLimits,
        refork: Refork | None = None,
        limit: OrphanLimit | None = None,
    ) -> None:
        self._cells = row.cells
        self._text = row.text
        self._word = row.word
        self._rung = -1  # the master's word for which it has been rung already
        self._channel = channel
        self._sinks = sinks
        self._directive = Directive.SERVE
        self._inbox = SignalInbox((signals.RETIRE, signal.SIGQUIT, signal.SIGINT))
        # One descriptor for the loop to watch, behind which the dead channel of a dead master can be left out.
        self._watched = DefaultSelector()
        self._watched.register(self._inbox.fileno(), EVENT_READ)
        self._watched.register(self._channel.fileno(), EVENT_READ)
        self._limit = limit
        if limit and limit.reminder >= 0:
            self._watched.register(limit.reminder, EVENT_READ)
        self.began = 0  # of the request whose ticket is the link itself
        self.busy = False
        self._beside: dict[BesideTicket, None] = {}  # those of further requests, the oldest first
        self._orphaned = False
        self._served = self._sent = self._queued = 0
        self._recycle = recycle
        self._refork = refork
        self._warm_at = refork.warm_at if refork else NEVER
        self._mark_at, self._measure_at = min(recycle.requests_at, self._warm_at), recycle.measure_at
        if limit:
            self._measure_at = min(self._measure_at, limit.move_at)

    def filenos(self) -> tuple[int, ...]:
        return (self._watched.fileno(),)

    @property
    def directive(self) -> Directive:
        """What was wanted when it was asked for last."""
        return self._directive

    def attend(self) -> Directive:
        taken = self._inbox.take()
        directives = [
            self._directive,
            *(Directive.RETIRE if signum == signals.RETIRE else Directive.QUIT for signum in taken),
        ]
        if self._limit and self._limit.reminded(self._cells[BUSY_SINCE]):
            self._measure_at = 0  # with the next request it is looked at again
        while not self._orphaned:
            try:
                message = self._channel.receive()
            except EOFError:
                self._orphaned = True
                self._watched.unregister(self._channel.fileno())
                directives.append(Directive.DRAIN)  # nobody but its like will accept what waits in the queue
                if self._limit:
                    self._limit.orphaned()
                break
            if message is None:
                break
            directives.append(self._understand(message))
        self._directive = max(directives, key=lambda directive: directive.value)
        return self._directive

    def _understand(self, message: Message) -> Directive:
        directive = DIRECTIVES.get(message.kind)
        if directive:
            return directive
        if message.kind == Kind.FORK and self._refork:
            self._refork.fork(message, self.leave)
            return self._directive
        follow(self._sinks, message)
        return self._directive

    def leave(self) -> None:
        """Let go of what only the parent listens to. In a child that the worker has forked."""
        self._watched.close()
        self._inbox.close()

    def ready(self) -> None:
        if self._limit:
            self._limit.stop()
        self._channel.send(Kind.READY)

    def closed(self) -> None:
        self._channel.send(Kind.CLOSED)

    # The ticket of a request that is alone, or the oldest, is the link itself: the hot path makes no object.

    def begin(self, request: bytes, queued: int = 0) -> Ticket:
        if self.busy or self._beside:
            return self._begin_beside(request, queued)
        self.busy = True
        length = len(request)
        if length > TEXT:
            request, length = request[:TEXT], TEXT
        self._text[:length] = request
        numbers = self._cells
        numbers[TEXT_LENGTH] = length
        if queued != self._queued:
            numbers[QUEUED] = self._queued = queued
        self.began = now = numbers[BUSY_SINCE] = monotonic_ns()
        word = self._word[0]
        # Odd: the master watches. Even: it does not, and one ring is enough until it says another word.
        if not word & 1 and word != self._rung and self._channel.send(Kind.REQUEST_STARTED):
            self._rung = word
        if now >= self._measure_at:
            self._measure(now)
        return self

    def _show(self, ticket: BesideTicket) -> None:
        """Have the row tell of this request: the older ones have ended, or are paused."""
        text = ticket.request[:TEXT]
        self._text[: len(text)] = text
        numbers = self._cells
        numbers[TEXT_LENGTH] = len(text)
        numbers[QUEUED] = self._queued = ticket.queued
        numbers[BUSY_SINCE] = ticket.began
        self._ring()

    def _ring(self) -> None:
        word = self._word[0]
        if not word & 1 and word != self._rung and self._channel.send(Kind.REQUEST_STARTED):
            self._rung = word

    def _begin_beside(self, request: bytes, queued: int) -> Ticket:
        ticket = BesideTicket(self, request, queued, monotonic_ns())
        self._beside[ticket] = None
        if not self._cells[BUSY_SINCE]:  # the others are paused
            self._show(ticket)
        if ticket.began >= self._measure_at:
            self._measure(ticket.began)
        return ticket

    def pause(self) -> None:
        self._cells[BUSY_SINCE] = 0
        if self._beside:
            self._show_oldest()

    def end(self, sent: int) -> None:
        self._served += 1
        self._sent += sent
        numbers = self._cells
        numbers[BUSY_SINCE] = 0
        numbers[SERVED] = self._served
        numbers[SENT] = self._sent
        self.busy = False
        if self._beside:
            self._show_oldest()
        if self._served == self._mark_at:
            self._reach_mark()

    def drop(self) -> None:
        """Whatever was running is not any more, and counts as nothing. After a fault of the loop."""
        self.busy = False
        self._beside.clear()
        self._cells[BUSY_SINCE] = 0

    def end_beside(self, ticket: BesideTicket, sent: int) -> None:
        """The same of a ticket that is not the first."""
        if ticket not in self._beside:
            return
        del self._beside[ticket]
        self._served += 1
        self._sent += sent
        numbers = self._cells
        numbers[SERVED] = self._served
        numbers[SENT] = self._sent
        if numbers[BUSY_SINCE] == ticket.began:
            self.pause()
        if self._served == self._mark_at:
            self._reach_mark()

    def pause_beside(self, ticket: BesideTicket) -> None:
        """The same of a ticket that is not the first."""
        ticket.paused = True
        if self._cells[BUSY_SINCE] == ticket.began:
            self.pause()

    def _show_oldest(self) -> None:
        """Of those that are beside the first, which has ended or is paused."""
        for ticket in self._beside:
            if not ticket.paused:
                self._show(ticket)
                return

    def _measure(self, now: int) -> None:
        if now >= self._recycle.measure_at and self._recycle.measure(now):
            self._report_recycle_due("memory")
        self._measure_at = self._recycle.measure_at
        if self._limit:
            self._measure_at = min(self._measure_at, self._limit.move(now))

    def _reach_mark(self) -> None:
        if self._served == self._warm_at:
            self._warm_at = NEVER
            if self._refork and self._refork.fit():
                self._channel.send(Kind.WARM)
        if self._served == self._recycle.requests_at:
            self._report_recycle_due("requests")
        self._mark_at = min(self._recycle.requests_at, self._warm_at)

    def _report_recycle_due(self, reason: str) -> None:
        self._channel.send(Kind.RECYCLE_DUE, reason)
        self._recycle.stop()
        self._mark_at = min(self._recycle.requests_at, self._warm_at)
        self._measure_at = 0  # worked out anew with the next request
