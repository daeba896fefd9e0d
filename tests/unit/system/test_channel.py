"""The line between the master and a worker."""

from __future__ import annotations

import os
import socket

import pytest

from prefork.system import channel
from prefork.system.channel import Channel, Message


@pytest.fixture
def pair():
    master, worker = Channel.pair()
    yield master, worker
    master.close()
    worker.close()


def test_a_message_arrives_whole(pair):
    """Kind and text come out as they went in, one message a call."""
    master, worker = pair
    assert worker.send(channel.Kind.READY)
    assert worker.send(channel.Kind.FAILED, "Traceback: é")
    assert master.receive() == Message(b"R", "")
    assert master.receive() == Message(b"F", "Traceback: é")
    assert master.receive() is None


def test_a_long_text_is_cut_to_what_the_other_side_reads(pair):
    """A traceback of any length arrives, cut to the limit."""
    master, worker = pair
    assert worker.send(channel.Kind.FAILED, "x" * 10 * channel.LIMIT)
    message = master.receive()
    assert message is not None
    assert message.text == "x" * (channel.LIMIT - 1)


def test_text_that_is_no_unicode_is_sent_all_the_same(pair):
    """A lone surrogate, from a file name perhaps, costs a question mark."""
    master, worker = pair
    assert worker.send(channel.Kind.FAILED, "\udc80")
    assert master.receive() == Message(b"F", "?")


def test_bytes_that_are_no_text_are_read_all_the_same():
    """The master trusts nothing of what a worker writes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    master = Channel(ours, takes_descriptors=False)
    theirs.send(b"F\xff")
    assert master.receive() == Message(b"F", "\ufffd")
    theirs.close()
    master.close()


def test_the_other_ends_death_is_end_of_file(pair):
    """What was sent before the death is still read, then EOFError."""
    master, worker = pair
    worker.send(channel.Kind.READY)
    worker.close()
    assert master.receive() == Message(b"R", "")
    with pytest.raises(EOFError):
        master.receive()


def test_last_words_survive_messages_that_were_never_read(pair):
    """A worker that dies with messages unread resets the line; what it said before is read all the same."""
    master, worker = pair
    master.send(channel.Kind.DRAIN)
    worker.send(channel.Kind.FAILED, "why")
    worker.close()
    assert master.receive() == Message(b"F", "why")
    with pytest.raises(EOFError):
        master.receive()


def test_a_worker_that_does_not_read_never_blocks_the_master(pair):
    """Sending says that it did not go, once the queue is full."""
    master, _worker = pair
    sent = 0
    while master.send(channel.Kind.DRAIN, "x" * 30_000):
        sent += 1
        assert sent < 10_000
    assert sent > 0


def test_sending_to_the_dead_says_so(pair):
    """No exception: the death arrives by another way."""
    master, worker = pair
    worker.close()
    assert not master.send(channel.Kind.DRAIN)


def test_a_descriptor_travels_to_the_worker(pair, tmp_path):
    """REOPEN brings a descriptor for the same open file, closed on exec in the receiver."""
    master, worker = pair
    with (tmp_path / "log").open("w") as log:
        assert master.send(channel.Kind.REOPEN, "access", log.fileno())
        message = worker.receive()
        assert message is not None
        assert message[:2] == (channel.Kind.REOPEN, "access")
        try:
            assert os.path.sameopenfile(message.descriptors[0], log.fileno())
            assert not os.get_inheritable(message.descriptors[0])
        finally:
            os.close(message.descriptors[0])


def test_a_worker_cannot_give_the_master_descriptors(pair):
    """They are closed by the kernel on arrival, so they cannot fill the master's table."""
    master, worker = pair
    reader, writer = os.pipe()
    assert worker.send(channel.Kind.READY, "", writer)
    os.close(writer)
    assert master.receive() == Message(b"R", "")
    assert os.read(reader, 1) == b""  # nobody holds the writing end any more
    os.close(reader)


def test_descriptors_that_are_not_wanted_are_discarded():
    """All of them; there is room for a few."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker = Channel(theirs, takes_descriptors=True)
    reader, writer = os.pipe()
    socket.send_fds(ours, [b"Llog"], [reader, writer, writer])
    os.close(writer)
    message = worker.receive()
    assert message is not None
    assert len(message.descriptors) == 3
    message.discard()
    assert os.read(reader, 1) == b""
    os.close(reader)
    ours.close()
    worker.close()


def test_the_kernel_says_who_sent():
    """Not the sender; and there is still no room for descriptors beside it."""
    master, worker = Channel.pair(asks_sender=True)
    reader, writer = os.pipe()
    assert worker.send(channel.Kind.HELLO, "", writer)
    os.close(writer)
    assert master.receive() == Message(b"H", "", (), os.getpid())
    assert os.read(reader, 1) == b""
    os.close(reader)
    master.close()
    worker.close()


def test_both_ends_close_on_exec(pair):
    """A program that an application starts does not keep the line open."""
    assert not any(os.get_inheritable(end.fileno()) for end in pair)
