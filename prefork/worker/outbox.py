"""An answer on its way out: what waits until the client takes it, and the application's next pieces after that.

Nothing here waits: what the client does not take now is tried again when its socket is writable. In the worker.
"""

from __future__ import annotations

import socket
from enum import Enum

from prefork.worker.exchange import Exchange

TURN_BYTES = 1024 * 1024  # of one answer, before others have their turn


class OutboxState(Enum):
    """How far an answer has come."""

    ENDED = "ended"  # all of it has gone out, or it was cut: the exchange knows
    FULL = "full"  # the client takes no more for now
    TURN = "turn"  # it would take more, but so would others
    GONE = "gone"  # there is no client any more


class Outbox:
    """The rest of one answer: ``waiting`` bytes, and then what the exchange still gives."""

    __slots__ = ("_socket", "_waiting", "exchange")

    def __init__(self, sock: socket.socket, exchange: Exchange, *waiting: bytes) -> None:
        self.exchange = exchange
        self._socket = sock
        self._waiting = [memoryview(data) for data in waiting if data]

    @property
    def awaits_application(self) -> bool:
        """The application has still to give something."""
        return not self.exchange.done and not self.exchange.failed

    def pump(self) -> OutboxState:
        """Send what there is of the answer, and ask for more of it."""
        exchange, waiting = self.exchange, self._waiting
        turn = 0
        while True:
            try:
                if waiting:
                    turn += self._send()
                elif not self.awaits_application:
                    return OutboxState.ENDED
                elif turn > TURN_BYTES:
                    return OutboxState.TURN
                elif exchange.file:
                    turn += exchange.send_file(self._socket.fileno())
                elif data := exchange.more():
                    waiting.append(memoryview(data))
            except BlockingIOError:
                return OutboxState.FULL
            except OSError:  # reset by the client
                return OutboxState.GONE

    def _send(self) -> int:
        """Send what waits, without gluing it together first."""
        waiting = self._waiting
        total = sent = self._socket.sendmsg(waiting)
        while waiting and sent >= len(waiting[0]):
            sent -= len(waiting.pop(0))
        if sent:
            waiting[0] = waiting[0][sent:]
        return total
