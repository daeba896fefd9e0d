"""The queue of signals, in processes of its own."""

from __future__ import annotations

import os
import select
import signal

from prefork.system import signals
from prefork.system.signals import SignalInbox


def readable(inbox: SignalInbox, seconds: float = 0) -> bool:
    return bool(select.select([inbox.fileno()], [], [], seconds)[0])


def test_signals_come_in_order_and_wake(child):
    """Each arrives once, in the order of its arrival, and the descriptor is readable until they are taken."""

    def live():
        inbox = SignalInbox([signal.SIGHUP, signal.SIGTTIN])
        before = readable(inbox)
        for signum in (signal.SIGTTIN, signal.SIGHUP, signal.SIGTTIN):
            os.kill(os.getpid(), signum)
        return before, readable(inbox, 5), inbox.take(), readable(inbox), inbox.take()

    taken = [signal.SIGTTIN, signal.SIGHUP, signal.SIGTTIN]
    assert child(live).result() == (False, True, taken, False, [])


def test_more_signals_than_the_pipe_holds(child):
    """A full pipe loses nothing: what counts is the queue."""

    def live():
        inbox = SignalInbox([signal.SIGTTIN])
        while True:
            try:
                os.write(inbox._writer, bytes(65536))
            except BlockingIOError:
                break
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGTTIN)
        return len(inbox.take()), readable(inbox)

    assert child(live).result() == (100, False)


def test_a_signal_wakes_a_sleeping_loop(child):
    """A select without a timeout returns when a signal comes."""

    def live():
        inbox = SignalInbox([signal.SIGALRM])
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        woke = select.select([inbox.fileno()], [], [], 10)[0]
        return bool(woke), inbox.take()

    assert child(live).result() == (True, [signal.SIGALRM])


def test_wake_without_a_signal(child):
    """The loop returns, and finds nothing; waking twice is waking once, also when the pipe is full."""

    def live():
        inbox = SignalInbox([])
        for _ in range(100_000):
            inbox.wake()
        return readable(inbox), inbox.take(), readable(inbox)

    assert child(live).result() == (True, [], False)


def test_nothing_is_delivered_while_blocked(child):
    """It comes right after."""

    def live():
        inbox = SignalInbox([signal.SIGHUP])
        with signals.blocked():
            os.kill(os.getpid(), signal.SIGHUP)
            inside = inbox.take()
        return inside, inbox.take()

    assert child(live).result() == ([], [signal.SIGHUP])


def test_a_slow_system_call_goes_on(child):
    """A signal does not interrupt what C code of a library waits for (SA_RESTART, sigaction(2))."""

    def live():
        inbox = SignalInbox([signal.SIGHUP])
        with open("/proc/self/status") as status:
            caught = next(line for line in status if line.startswith("SigCgt"))
        return bool(int(caught.split()[1], 16) & 1 << (signal.SIGHUP - 1)), inbox.take()

    assert child(live).result() == (True, [])


def test_forget_leaves_no_handler(child):
    """Neither ours nor Python's own for INT, which would raise KeyboardInterrupt in a worker."""

    def live():
        SignalInbox([signal.SIGHUP, signal.SIGCHLD])
        signals.forget()
        handlers = {signal.getsignal(signum) for signum in (signal.SIGHUP, signal.SIGCHLD, signal.SIGINT)}
        return handlers == {signal.SIG_DFL}, signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN

    assert child(live).result() == (True, True)
