"""Expect: 100-continue (RFC 9110 section 10.1.1): the application is called before its body has come.

Only the application knows whether it wants the body, and it says so by reading it; then the client is told to send it.
Meanwhile the loop must not wait, for a slow client keeps nobody else waiting: so the call runs in a thread of its own.
Thread and loop take turns and never run at the same time; to the application nothing is concurrent. In the worker.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import IO

from prefork.http.wsgi import EnvironBuilder
from prefork.worker.exchange import Exchange

Outcome = tuple[bytes, bytes, bool]  # of Exchange.begin


class ExpectedBody:
    """``wsgi.input`` whose first use asks for the body."""

    def __init__(self, call: EarlyCall) -> None:
        self._call = call
        self._body: IO[bytes] | None = None

    def _file(self) -> IO[bytes]:
        if self._body is None:
            self._body = self._call.ask()
        return self._body

    def read(self, size: int | None = -1) -> bytes:
        return self._file().read(-1 if size is None else size)

    def readline(self, size: int | None = -1) -> bytes:
        return self._file().readline(-1 if size is None else size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        return self._file().readlines(hint)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file())


class EarlyCall:
    """A call of the application that may stop in the middle, until its body is there."""

    def __init__(self, exchange: Exchange, environ_builder: EnvironBuilder, *, keep_alive: bool) -> None:
        self.exchange = exchange
        self.asked = False
        self._arguments = environ_builder, keep_alive
        self._loop_turn = threading.Semaphore(0)
        self._call_turn = threading.Semaphore(0)
        self._body: IO[bytes] | None = None
        self._outcome: Outcome | None = None
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="prefork-early-call", daemon=True)

    # What the loop calls.

    def start(self) -> Outcome | None:
        """Call the application. None: it wants its body."""
        self._thread.start()
        return self._wait()

    def go_on(self, body: IO[bytes]) -> Outcome:
        """Give it its body, and wait for its answer."""
        self._body = body
        self._call_turn.release()
        outcome = self._wait()
        assert outcome is not None  # it asks once
        return outcome

    def abandon(self) -> None:
        """The body will not come: its reading fails, and whatever is answered goes nowhere."""
        self._call_turn.release()
        self._loop_turn.acquire()
        self.exchange.abandon()

    def _wait(self) -> Outcome | None:
        self._loop_turn.acquire()
        if self._fault is not None:
            raise self._fault
        return self._outcome

    # What the thread calls.

    def _run(self) -> None:
        environ_builder, keep_alive = self._arguments
        try:
            self._outcome = self.exchange.begin(
                environ_builder, ExpectedBody(self), keep_alive=keep_alive, asked=self._was_asked
            )
        except BaseException as fault:  # a fault of ours: the loop's thread is where it is dealt with
            self._fault = fault
        finally:
            self._loop_turn.release()

    def _was_asked(self) -> bool:
        """A body that nobody asked for may come all the same: the connection cannot be used after the answer."""
        return self.asked

    def ask(self) -> IO[bytes]:
        """Wait for the body. Raises ConnectionError if it does not come, or is asked for after the answer has begun."""
        if self._outcome is not None or self.asked:
            raise ConnectionError("the body cannot be read any more")
        self.asked = True
        self._loop_turn.release()
        self._call_turn.acquire()
        if self._body is None:
            raise ConnectionError("the client did not send the body")
        return self._body
