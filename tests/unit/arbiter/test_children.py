"""A worker gone wrong, or taken over: whatever it says and writes, the master stays the master."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Iterator
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.arbiter import facts, policy
from prefork.arbiter.children import AT_ONCE, PIECE, Child, Children
from prefork.arbiter.survival import Survival
from prefork.arbiter.watch import Watch
from prefork.system import channel, process, scoreboard
from prefork.system.channel import Channel, Kind
from prefork.system.scoreboard import Row, Scoreboard
from tests.unit.arbiter.service import Service

WORKER = 7


class Hostile:
    """Both ends: what the master has of a worker, and what that worker may do."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, self.stacks = os.pipe2(os.O_NONBLOCK)
        self.line = theirs
        self.child = Child(WORKER, 0, os.getpid(), None, Channel(ours, takes_descriptors=False), reader)

    def close(self) -> None:
        self.child.close()
        self.line.close()
        os.close(self.stacks)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    one = Hostile()
    yield one
    one.close()


def test_each_word_is_a_fact(hostile: Hostile):
    """What an honest worker says."""
    for message in (Kind.READY, Kind.REQUEST_STARTED, Kind.CLOSED, Kind.FAILED + b"why"):
        hostile.line.send(message)
    assert list(hostile.child.hear()) == [
        facts.WorkerReady(WORKER),
        facts.RequestStarted(WORKER),
        facts.AcceptingEnded(WORKER),
        facts.BootFailed(WORKER, "why"),
    ]


@pytest.mark.parametrize("message", [b"\0", b"Z", b"\xff" * 100, b"L", b"D", b"r"])
def test_garbage_is_dropped(hostile: Hostile, message: bytes):
    """Words that are no worker's to say mean nothing, and what follows is heard."""
    hostile.line.send(message)
    hostile.line.send(Kind.READY)
    assert list(hostile.child.hear()) == [facts.WorkerReady(WORKER)]


@given(st.binary(max_size=300))
def test_no_message_raises(message: bytes):
    """Any bytes: none or one fact, and its text can be logged."""
    one = Hostile()
    try:
        one.line.send(message)
        try:
            heard = list(one.child.hear())
        except EOFError:
            assert message == b""  # an empty message cannot be told from the end: it has cut its own line
            return
        assert len(heard) <= 1
        assert all(json.dumps(fact.traceback) for fact in heard if isinstance(fact, facts.BootFailed))
    finally:
        one.close()


def test_a_message_that_is_too_long_is_cut(hostile: Hostile):
    """A traceback of a megabyte costs the master what fits a message."""
    hostile.line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    hostile.line.send(Kind.FAILED + b"x" * 150_000)
    [heard] = hostile.child.hear()
    assert isinstance(heard, facts.BootFailed)
    assert len(heard.traceback) < channel.LIMIT


def test_a_flood_is_read_a_few_messages_at_a_time(hostile: Hostile):
    """The others have their turn between: one look takes no more than so many."""
    hostile.line.setblocking(False)
    sent = 0
    while True:
        try:
            hostile.line.send(Kind.REQUEST_STARTED)
        except BlockingIOError:
            break
        sent += 1
    assert sent > AT_ONCE
    assert len(list(hostile.child.hear())) == AT_ONCE


def test_descriptors_that_it_sends_do_not_arrive(hostile: Hostile):
    """It cannot fill the master's table of open files."""
    before = set(os.listdir("/proc/self/fd"))
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 50))
    for _ in range(AT_ONCE):
        hostile.line.sendmsg([Kind.READY], [rights])
    assert len(list(hostile.child.hear())) == AT_ONCE
    assert set(os.listdir("/proc/self/fd")) == before


def test_the_end_of_its_line_is_no_end_of_it(hostile: Hostile):
    """EOFError tells the loop to listen no more; that it has ended, only wait(2) says."""
    hostile.line.close()
    with pytest.raises(EOFError):
        list(hostile.child.hear())
    assert list(hostile.child.last_words()) == []


def test_its_last_words_are_heard(hostile: Hostile):
    """What it said and wrote before it ended comes before its end."""
    hostile.line.send(Kind.FAILED + b"why")
    os.write(hostile.stacks, b"Thread 0x1")
    hostile.line.close()
    assert list(hostile.child.last_words()) == [
        facts.BootFailed(WORKER, "why"),
        facts.StacksDumped(WORKER, "Thread 0x1"),
    ]


def test_stacks_without_end_are_read_a_piece_at_a_time(hostile: Hostile):
    """And they need be no text."""
    try:
        while True:
            os.write(hostile.stacks, b"\xff" * 4096)
    except BlockingIOError:
        pass
    [piece] = hostile.child.dumped()
    assert isinstance(piece, facts.StacksDumped)
    assert len(piece.stacks) <= PIECE
    assert piece.stacks.encode()


def test_no_stacks_are_no_fact(hostile: Hostile):
    """Nothing waits in the pipe."""
    assert list(hostile.child.dumped()) == []


def test_stacks_without_end_are_kept_to_a_bound_and_do_not_put_the_abort_off():
    """A worker that writes for ever is aborted no later, and costs no more memory than so much."""
    service = Service(request=10.0).up()
    service.tell(facts.RequestStarted(1))
    service.pass_time(10.0)
    service.board(1, busy_since=service.now - 10.0)
    assert service.state(1) == "stuck"
    begun = service.now
    while service.state(1) == "stuck":
        service.tell(facts.StacksDumped(1, "x" * PIECE), after=0.01)
    assert service.now - begun <= policy.STACKS_WITHIN
    [stuck] = service.reports("worker_stuck")
    assert len(stuck["stacks"]) == policy.STACKS_MOST


@pytest.mark.parametrize("number", [0, 1, 2**32, 2**63, 2**64 - 1])
def test_a_row_with_absurd_numbers_is_read(number: int):
    """Any number in any word: what comes out can be logged and compared."""
    board = Scoreboard()
    descriptor = board.open_row(0)
    row = Row.map(descriptor, board.words, 0)
    for word in range(scoreboard.CELLS):
        row.cells[word] = number
    row.text[:] = os.urandom(len(row.text))
    seen = board.read(0)
    assert isfinite(seen.busy_since)
    assert len(seen.request) <= scoreboard.TEXT
    json.dumps(seen)
    assert board.read(1) == scoreboard.IDLE
    os.close(descriptor)
    os.close(board.words)


@pytest.mark.parametrize("busy_since", [1e-9, 1.8e10])
def test_a_clock_that_lies_ends_its_own_worker_or_nobody(busy_since: float):
    """A request of before the boot is overdue; one of the future is looked at again no later than any other."""
    service = Service(request=10.0).up()
    service.tell(facts.RequestStarted(1))
    service.pass_time(10.0)
    service.board(1, busy_since=busy_since)
    assert service.master.deadline() <= service.now + 10.0
    service.tell(
        facts.ChildExited(1, "signal SIGSEGV", clean=False, last=facts.RequestSeen(busy_since, "x", 2**64 - 1))
    )
    assert service.reports("worker_died")


@pytest.mark.parametrize(
    "fact",
    [
        facts.WorkerReady(1),
        facts.WorkerReady(99),
        facts.BootFailed(1, "never mind"),
        facts.RequestStarted(1),
        facts.StacksDumped(1, "x"),
        facts.StacksDumped(99, "x"),
        facts.AcceptingEnded(99),
        facts.ScoreboardRead({1: facts.RequestSeen(), 99: facts.RequestSeen(1.0)}),
        facts.ChildExited(99, "exit code 0", clean=True),
        facts.WorkerSpawned(99, 1),
        facts.SpawnFailed(99, "x"),
    ],
)
def test_a_word_at_the_wrong_time_changes_nothing(fact: facts.Fact):
    """Said twice, too late, or of a worker that is no more: nobody is forked, ended or signalled for it."""
    service = Service().up()
    given = service.tell(fact)
    assert [type(order).__name__ for order in given if type(order).__name__ not in ("WatchWorker", "Report")] == []
    assert service.state(1) == "ready"
    assert service.lives() == {"web": ["ready"]}


def test_what_was_said_while_the_master_slept_is_heard_before_anybody_is_late():
    """A master that was stopped for an hour: the workers that became ready meanwhile are not late with it."""
    service = Service({"web": 3})
    service.tell(facts.TimePassed())
    service.now += 3600.0
    for worker in (1, 2, 3):
        assert service.master.handle(facts.WorkerReady(worker), service.now)
    assert service.tell(facts.TimePassed()) == []
    assert service.lives() == {"web": ["ready", "ready", "ready"]}


def test_a_process_greets_once(hostile: Hostile, monkeypatch: pytest.MonkeyPatch):
    """M7. A pid that is in the table already is not taken for another worker: the channel is given up."""
    monkeypatch.setattr(process, "is_child", lambda _pid: True)
    ours, theirs = Channel.pair(asks_sender=True)
    child = Child(2, 1, 0, None, ours, hostile.child.stacks, taken=lambda pid: pid == os.getpid())
    theirs.send(Kind.HELLO)
    with pytest.raises(EOFError):
        list(child.hear())
    assert not child.pid
    theirs.close()
    ours.close()


def test_no_orphan_is_reaped_while_a_worker_is_still_to_be_heard(monkeypatch: pytest.MonkeyPatch):
    """A worker that a template forked a moment ago, and that was killed at once, has said hello: it is no orphan."""
    reaped: list[list[int]] = []
    monkeypatch.setattr(process, "reap_orphans", lambda ours: reaped.append(list(ours)))
    monkeypatch.setattr(process, "reap", lambda _pid: None)
    watch = Watch(Survival(None))
    children = Children(watch, Scoreboard())
    ours, theirs = Channel.pair(asks_sender=True)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    child = Child(WORKER, 0, 0, None, ours, reader)
    children.adopt(child)
    list(children.reap_all(orphans=True))
    assert reaped == []
    child.pid = 4711
    list(children.reap_all(orphans=True))
    assert reaped == [[4711]]
    child.close()
    theirs.close()
    os.close(writer)
    watch.close()
