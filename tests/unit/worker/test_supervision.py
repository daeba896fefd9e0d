"""A worker's ties to its master: its row, its channel, its signals."""

from __future__ import annotations

import os
import select
import signal
import time

import pytest

from prefork.observe.sink import Sink
from prefork.system import signals
from prefork.system.channel import LIMIT, Channel, Kind
from prefork.system.scoreboard import TEXT, Row, Scoreboard
from prefork.worker.protocol import Directive
from prefork.worker.recycle import NEVER, RecycleLimits
from prefork.worker.settings import RecycleSettings
from prefork.worker.supervision import MasterLink, report_failure

HANDLED = (signals.RETIRE, signal.SIGQUIT, signal.SIGINT)


class Ties:
    """The master's side: its end of the channel, and the scoreboard."""

    def __init__(self, sinks, recycle):
        self.board = Scoreboard()
        descriptor = self.board.open_row(0)
        row = Row.map(descriptor, self.board.words, 0)
        os.close(descriptor)
        self.master, self.worker = Channel.pair()
        self.line = MasterLink(row, self.worker, sinks, RecycleLimits(recycle))

    def is_readable(self):
        return bool(select.select(self.line.filenos(), [], [], 0)[0])

    def heard(self):
        kinds = []
        while (message := self.master.receive()) is not None:
            kinds.append(message.kind)
        return kinds

    def close(self):
        os.close(self.board.words)
        self.line._watched.close()
        os.close(self.line._inbox._reader)
        os.close(self.line._inbox._writer)
        self.master.close()
        self.worker.close()


@pytest.fixture
def ties():
    """Makes the ties of a worker in this process, and puts its signals back."""
    made = []
    before = {signum: signal.getsignal(signum) for signum in HANDLED}
    wakeup = signal.set_wakeup_fd(-1)

    def make(recycle=None, **sinks):
        made.append(Ties(sinks, recycle or RecycleSettings()))
        return made[-1]

    yield make
    signal.set_wakeup_fd(wakeup)
    for signum, handler in before.items():
        signal.signal(signum, handler)
    for each in made:
        each.close()


def test_the_master_sees_what_the_worker_does(ties):
    """Since when it is busy, and with what; then what was served and sent."""
    tied = ties()
    began = tied.line.begin(b"GET /slow HTTP/1.1").began
    seen = tied.board.read(0)
    assert seen.busy_since == pytest.approx(began / 1e9)
    assert began <= time.monotonic_ns()
    assert seen.request == "GET /slow HTTP/1.1"
    tied.line.end(120)
    tied.line.begin(b"GET / HTTP/1.1")
    tied.line.end(30)
    seen = tied.board.read(0)
    assert (seen.busy_since, seen.served, seen.sent) == (0.0, 2, 150)
    assert seen.request == "GET / HTTP/1.1"


def test_waiting_for_a_slow_client_is_not_being_busy(ties):
    """No time limit runs between ``pause`` and the next ``begin``."""
    tied = ties()
    tied.line.begin(b"GET / HTTP/1.1")
    tied.line.pause()
    assert tied.board.read(0).busy_since == 0
    tied.line.begin(b"GET / HTTP/1.1")
    assert tied.board.read(0).busy_since > 0
    assert tied.board.read(0).served == 0


def test_a_long_request_line_stays_in_its_row(ties):
    """What does not fit is cut."""
    tied = ties()
    tied.line.begin(b"GET /" + b"a" * 8000)
    assert tied.board.read(0).request == "GET /" + "a" * (TEXT - 5)


def test_it_rings_once_until_the_master_has_stopped_watching(ties):
    """A sleeping master is woken by the first request; one that has a deadline for the row is left alone."""
    tied = ties()
    for _ in range(3):
        tied.line.begin(b"GET / HTTP/1.1")
        tied.line.end(1)
    assert tied.heard() == [Kind.REQUEST_STARTED]
    tied.board.watch(0, watching=False)
    tied.line.begin(b"GET / HTTP/1.1")
    assert tied.heard() == [Kind.REQUEST_STARTED]
    tied.board.watch(0, watching=True)
    tied.line.begin(b"GET / HTTP/1.1")
    assert tied.heard() == []


def test_it_reports_ready_and_closed(ties):
    """Each with a word of its own."""
    tied = ties()
    tied.line.ready()
    tied.line.closed()
    assert tied.heard() == [Kind.READY, Kind.CLOSED]


@pytest.mark.parametrize(
    ("signum", "directive"),
    [(signals.RETIRE, Directive.RETIRE), (signal.SIGQUIT, Directive.QUIT), (signal.SIGINT, Directive.QUIT)],
)
def test_a_signal_wakes_the_loop_and_says_what_is_wanted(ties, signum, directive):
    """TERM retires, QUIT and INT end at once; it stays so."""
    tied = ties()
    assert tied.line.attend() is Directive.SERVE
    assert not tied.is_readable()
    signal.raise_signal(signum)
    assert tied.is_readable()
    assert tied.line.attend() is directive
    assert not tied.is_readable()
    assert tied.line.attend() is directive


def test_a_greater_wish_is_never_taken_back(ties):
    """QUIT outranks DRAIN, DRAIN outranks RETIRE, in whatever order they come."""
    tied = ties()
    tied.master.send(Kind.DRAIN)
    assert tied.is_readable()
    assert tied.line.attend() is Directive.DRAIN
    signal.raise_signal(signals.RETIRE)
    assert tied.line.attend() is Directive.DRAIN
    signal.raise_signal(signal.SIGQUIT)
    assert tied.line.attend() is Directive.QUIT
    tied.master.send(Kind.DRAIN)
    assert tied.line.attend() is Directive.QUIT


def test_two_wishes_at_once_are_the_greater(ties):
    """They may wait together."""
    tied = ties()
    signal.raise_signal(signals.RETIRE)
    tied.master.send(Kind.DRAIN)
    assert tied.line.attend() is Directive.DRAIN


def test_the_death_of_the_master_retires_and_wakes_no_more(ties):
    """End of file on the channel; it stays readable for ever, and must not keep the loop awake."""
    tied = ties()
    tied.master.close()
    assert tied.is_readable()
    assert tied.line.attend() is Directive.DRAIN
    assert not tied.is_readable()
    assert tied.line.attend() is Directive.DRAIN
    tied.line.begin(b"GET / HTTP/1.1")
    tied.line.end(1)
    tied.line.closed()
    signal.raise_signal(signal.SIGQUIT)
    assert tied.is_readable()
    assert tied.line.attend() is Directive.QUIT


def test_the_last_word_of_a_dead_master_counts(ties):
    """What it sent before it went is heard first."""
    tied = ties()
    tied.master.send(Kind.DRAIN)
    tied.master.close()
    assert tied.line.attend() is Directive.DRAIN


def test_a_log_that_was_opened_anew_is_gone_on_with(ties, tmp_path):
    """The worker need not be able to open it; what it writes goes to the new file, and no descriptor is left over."""
    sink = Sink.open(str(tmp_path / "old"), name="access")
    tied = ties(access=sink)
    open_before = len(os.listdir("/proc/self/fd"))
    with (tmp_path / "new").open("ab") as new:
        assert tied.master.send(Kind.REOPEN, "access", new.fileno())
    assert tied.line.attend() is Directive.SERVE
    sink.write(b"a line\n")
    assert (tmp_path / "new").read_bytes() == b"a line\n"
    assert (tmp_path / "old").read_bytes() == b""
    assert len(os.listdir("/proc/self/fd")) == open_before
    sink.close()


def test_words_that_it_does_not_know_change_nothing(ties):
    """A newer master may say more; a reopened log without a descriptor is nothing to go on with."""
    tied = ties()
    tied.master.send(b"?", "what")
    tied.master.send(Kind.REOPEN, "access")
    assert tied.line.attend() is Directive.SERVE


def test_the_end_of_a_long_traceback_is_reported():
    """There the error stands."""
    master, worker = Channel.pair()
    report_failure(worker, "é" * LIMIT + "ZeroDivisionError")
    message = master.receive()
    assert message is not None
    assert message.kind == Kind.FAILED
    assert message.text.endswith("ZeroDivisionError")
    master.close()
    worker.close()


def test_the_requests_of_a_worker_are_counted_and_their_end_is_told_once(ties):
    """It serves on; what to do about it is the master's business."""
    tied = ties(RecycleSettings(requests=2, jitter=0.0))
    for _ in range(4):
        tied.line.begin(b"GET / HTTP/1.1")
        tied.line.end(10)
    assert tied.heard().count(Kind.RECYCLE_DUE) == 1


def test_memory_is_measured_between_requests_once_the_time_has_come(ties):
    """Not before: the kernel has to add it up."""
    tied = ties(RecycleSettings(memory=1, jitter=0.0))
    tied.line.begin(b"GET / HTTP/1.1")
    assert Kind.RECYCLE_DUE not in tied.heard()
    tied.line._measure_at = tied.line._recycle.measure_at = time.monotonic_ns()
    tied.line.begin(b"GET / HTTP/1.1")
    assert tied.heard() == [Kind.RECYCLE_DUE]
    assert tied.line._measure_at == NEVER


def test_memory_that_is_enough_is_measured_again(ties):
    """A second later at the earliest."""
    tied = ties(RecycleSettings(memory=1 << 50, jitter=0.0))
    due = tied.line._measure_at = tied.line._recycle.measure_at = time.monotonic_ns()
    tied.line.begin(b"GET / HTTP/1.1")
    assert Kind.RECYCLE_DUE not in tied.heard()
    assert due + 10**9 <= tied.line._measure_at < NEVER


def test_of_many_requests_the_oldest_is_shown(ties):
    """Each has a ticket; when the oldest ends, or waits for its client, the next oldest is shown; each is counted."""
    tied = ties()
    first, second, third = (tied.line.begin(b"GET /%d HTTP/1.1" % n) for n in range(3))
    assert tied.board.read(0).request == "GET /0 HTTP/1.1"
    second.end(1)
    assert tied.board.read(0).request == "GET /0 HTTP/1.1"
    first.end(1)
    seen = tied.board.read(0)
    assert (seen.request, seen.served) == ("GET /2 HTTP/1.1", 2)
    assert seen.busy_since == pytest.approx(third.began / 1e9)
    fourth = tied.line.begin(b"GET /3 HTTP/1.1")
    assert tied.board.read(0).request == "GET /2 HTTP/1.1"
    third.pause()
    assert tied.board.read(0).request == "GET /3 HTTP/1.1"
    fourth.end(1)
    assert tied.board.read(0).busy_since == 0.0
    third.end(1)
    assert (tied.board.read(0).served, tied.board.read(0).busy_since) == (4, 0.0)
    tied.line.begin(b"GET /4 HTTP/1.1").end(1)
    assert tied.board.read(0).served == 5
