"""Signals become entries of a queue and a readable descriptor: the self-pipe.

Rules. A handler only notes the signal: two ``TTIN`` are two entries, however late they are read. The pipe is
``signal.set_wakeup_fd``; it only wakes, and what counts is the queue, so a full pipe loses nothing. Signals are
blocked around a fork, from before it until the child has handlers of its own, so that none is lost between.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

EVERY = signal.valid_signals()
# Ignored by Python itself, for errors of system calls are what it wants to see.
PYTHON_IGNORES = {getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)}

# What the master tells a worker by signal.
RETIRE = signal.SIGTERM
# Free of meaning for applications. Sent after DUMP; None: there are no real-time signals. The lower number of the two:
# of signals that wait together the kernel takes that one first (signal(7)), and what it says of an interrupted system
# call counts. DUMP has faulthandler's SA_RESTART, with which a lock or a socket would be waited for as before.
EXPIRE = getattr(signal, "SIGRTMIN", None)
# Where there are no real-time signals, one that applications seldom use.
DUMP = signal.SIGRTMIN + 1 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2

# What the service manager tells the master for a stop that a start follows (RestartKillSignal= in systemd.kill(5)), and
# for one that none follows (KillSignal=). It means the whole service, while TERM to an old master completes an upgrade.
RESTART = signal.SIGRTMIN + 2 if hasattr(signal, "SIGRTMIN") else None
END = signal.SIGRTMIN + 3 if hasattr(signal, "SIGRTMIN") else None

# Commands to the master. One that was sent to every process of the service reaches workers as well, and means nothing
# there.
COMMANDS = tuple(
    signum
    for signum in (
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGTTIN,
        signal.SIGTTOU,
        RESTART,
        END,
    )
    if signum is not None and signum != DUMP
)
# With handlers of the master's from its start to its end; until they stand, what it inherited is what its parent meant:
# nohup(1) ignores HUP, and a shell INT and QUIT for what it starts in the background.
HANDLED_SOON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT}


ALTERNATE_STACK = (
    1 << 20
)  # bytes: frames of all 64 signals at once, of 12 KiB each where registers are widest (AVX-512)
_stacks: list[mmap.mmap] = []  # as long as the process may run on one


class _Stack(ctypes.Structure):
    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))  # stack_t of Linux


def widen_alternate_stack() -> None:
    """Give the handlers of this thread room for every signal at once (sigaltstack(2)). In a worker, after fork.

    Python runs all handlers on the alternate stack, where there is one, and the one that faulthandler makes is full
    when five signals or so come together: the process then dies of SIGSEGV. Untouched pages cost nothing.
    """
    if sys.platform != "linux":
        return
    memory = mmap.mmap(-1, ALTERNATE_STACK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    stack = _Stack(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 0, ALTERNATE_STACK)
    if ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0:
        _stacks.append(memory)


_wakeups: set[int] = set()  # of the inboxes of this process


def is_wakeup(descriptor: int) -> bool:
    """The descriptor is one that ``set_wakeup_fd`` was given here, and not by the application."""
    return descriptor in _wakeups


class SignalInbox:
    """Collects the signals asked for. In the master, or in a worker after fork; the main thread only."""

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = tuple(signals)
        self._queue: deque[int] = deque()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        _wakeups.add(self._writer)
        for signum in self._signals:
            signal.signal(signum, self._note)
            # A slow system call goes on by itself; the loop is woken through the pipe.
            signal.siginterrupt(signum, False)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._queue.append(signum)
        self.wake()  # the wake-up descriptor of a worker is the application's to replace: event loops do

    def fileno(self) -> int:
        """Readable when a signal waits, or when ``wake`` was called."""
        return self._reader

    def wake(self) -> None:
        """Make the descriptor readable without a signal."""
        if self._writer >= 0:
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

    def leave(self) -> set[int]:
        """Let go of it in a child that has other handlers; the descriptor that was watched."""
        watched = {self._reader}
        self.close()
        return watched

    def close(self) -> None:
        """Give the descriptors back. In a child: its parent has others of the same pipe."""
        _wakeups.discard(self._writer)
        descriptors, self._reader, self._writer = (self._reader, self._writer), -1, -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)


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


def start_afresh() -> None:
    """Drop what a parent has left blocked or ignored (execve(2) keeps both). First of all in a program.

    A master that inherits TERM blocked would never stop; one that inherits CHLD ignored could not learn how its
    children end, nor could the programs that an application starts.
    """
    for signum in EVERY - PYTHON_IGNORES - HANDLED_SOON:
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)
    unblock()


def disregard_commands() -> None:
    """Survive the signals that are commands to the master. In a worker or a template.

    By empty handlers: an ignored signal would stay ignored in every program that the application starts (execve(2)).
    """
    for signum in COMMANDS:
        signal.signal(signum, disregard)
        signal.siginterrupt(signum, False)


def disregard(_signum: int, _frame: FrameType | None) -> None:
    """A handler that does nothing, so that the signal does nothing."""


def unblock() -> None:
    """Deliver signals again. In a child, once its own handlers stand."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
