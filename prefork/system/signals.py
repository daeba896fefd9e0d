"""Signals become entries of a queue and a readable descriptor: the self-pipe.

Rules. A handler only notes the signal: two ``TTIN`` are two entries, however late they are read. The pipe is
``signal.set_wakeup_fd``; it only wakes, and what counts is the queue, so a full pipe loses nothing. Signals are
blocked around a fork, from before it until the child has handlers of its own, so that none is lost between.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

EVERY = signal.valid_signals()

# What the master tells a worker by signal.
RETIRE = signal.SIGTERM
# Free of meaning for applications; where there are no real-time signals, one that they seldom use.
DUMP = getattr(signal, "SIGRTMIN", signal.SIGUSR2)
# Sent together with DUMP and delivered after it, for the lower number comes first (signal(7)); None: there is none.
EXPIRE = signal.SIGRTMIN + 1 if hasattr(signal, "SIGRTMIN") else None

# What the service manager tells the master for a stop that a start follows (RestartKillSignal= in systemd.kill(5)), and
# for one that none follows (KillSignal=). It means the whole service, while TERM to an old master completes an upgrade.
RESTART = signal.SIGRTMIN + 2 if hasattr(signal, "SIGRTMIN") else None
END = signal.SIGRTMIN + 3 if hasattr(signal, "SIGRTMIN") else None


class SignalInbox:
    """Collects the signals asked for. In the master, or in a worker after fork; the main thread only."""

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = tuple(signals)
        self._queue: deque[int] = deque()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for signum in self._signals:
            signal.signal(signum, self._note)
            # A slow system call goes on by itself; the loop is woken through the pipe.
            signal.siginterrupt(signum, False)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._queue.append(signum)

    def fileno(self) -> int:
        """Readable when a signal waits, or when ``wake`` was called."""
        return self._reader

    def wake(self) -> None:
        """Make the descriptor readable without a signal."""
        with suppress(BlockingIOError):  # the pipe is full: it is readable already
            os.write(self._writer, b".")

    def take(self) -> list[int]:
        """The signals since the last call, in the order of their arrival."""
        try:
            while len(os.read(self._reader, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass  # read empty
        taken = []
        while self._queue:
            taken.append(self._queue.popleft())
        return taken

    def close(self) -> None:
        """Give the descriptors back. In a child that has other handlers by now."""
        os.close(self._reader)
        os.close(self._writer)


@contextmanager
def blocked() -> Iterator[None]:
    """No signal is delivered inside. A child that was forked inside keeps them blocked until it calls ``unblock``."""
    owner = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, EVERY)
    try:
        yield
    finally:
        if os.getpid() == owner:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def forget() -> None:
    """Drop the parent's handlers and wake-up descriptor. In a child, first, with signals still blocked."""
    signal.set_wakeup_fd(-1)
    for signum in EVERY:
        if callable(signal.getsignal(signum)):
            # SIGINT's default handler of Python is callable too: in a child it would raise KeyboardInterrupt.
            signal.signal(signum, signal.SIG_DFL)


def unblock() -> None:
    """Deliver signals again. In a child, once its own handlers stand."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
