"""What the master waits for: nothing that a source does keeps it busy or ends it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from prefork.arbiter import facts
from prefork.arbiter.survival import Survival
from prefork.arbiter.watch import Watch
from prefork.system import process
from tests.unit.arbiter.test_executor import Journal, refuse


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def watch(journal: Journal) -> Iterator[Watch]:
    one = Watch(Survival(journal))
    yield one
    one.close()


@pytest.fixture
def readable() -> Iterator[int]:
    reader, writer = os.pipe()
    os.write(writer, b".")
    yield reader
    os.close(reader)
    os.close(writer)


def test_a_stranger_without_a_pidfd_is_looked_at(watch: Watch, monkeypatch: pytest.MonkeyPatch):
    """On an old kernel, or out of descriptors, an upgrade works all the same: its end is noticed in a second."""
    alive = {4242}
    monkeypatch.setattr(process, "open_pidfd", lambda _pid: None)
    monkeypatch.setattr(process, "lives", lambda pid: pid in alive)
    waited: list[float] = []
    monkeypatch.setattr(watch._selector, "select", lambda timeout: waited.append(timeout) or [])
    watch.stranger(4242, lambda: [facts.SuccessorGone()])
    assert list(watch.heard(watch.wait(3600.0))) == []
    assert waited[-1] <= 1.0
    alive.clear()
    assert list(watch.heard(watch.wait(3600.0))) == [facts.SuccessorGone()]
    assert list(watch.heard(watch.wait(3600.0))) == []
    assert waited[-1] > 1.0


def test_what_was_given_up_in_the_same_turn_has_nothing_to_say(watch: Watch):
    """The report of a successor and its end may be read in one turn of the loop, in either order."""
    pipes = [os.pipe() for _ in range(2)]
    asked: list[int] = []

    def source(mine: int, other: int) -> Iterator[facts.Fact]:
        asked.append(mine)
        watch.remove(other)
        os.close(other)
        yield facts.TimePassed()

    for (mine, _), (other, _) in (pipes, pipes[::-1]):
        watch.add(mine, partial(source, mine, other))
    for _, writer in pipes:
        os.write(writer, b".")
    assert list(watch.heard(watch.wait(0.0))) == [facts.TimePassed()]
    watch.remove(asked[0])
    for descriptor in (asked[0], *(writer for _, writer in pipes)):
        os.close(descriptor)
    assert len(asked) == 1


def test_whoever_gets_the_number_of_a_closed_descriptor_is_not_taken_for_it(watch: Watch):
    """A worker is reaped, and its pidfd closed, between the wait and the hearing; the successor's gets its number."""
    reader, writer = os.pipe()
    os.write(writer, b".")
    watch.add(reader, lambda: [facts.TimePassed()])
    ready = watch.wait(0.0)
    watch.remove(reader)
    silent, other = os.pipe()
    os.dup2(silent, reader)
    watch.add(reader, lambda: [facts.SuccessorGone()])
    assert list(watch.heard(ready)) == []
    assert list(watch.heard(watch.wait(0.0))) == []
    watch.remove(reader)
    for descriptor in (reader, writer, silent, other):
        os.close(descriptor)


@pytest.mark.parametrize("raised", [OSError(12, "no"), ValueError("no"), RecursionError(), MemoryError()])
def test_a_source_that_raises_rests(watch: Watch, journal: Journal, readable: int, raised: Exception):
    """M1. What it said before that is heard; it is logged with its traceback, once a second and not in every turn."""
    said: list[Any] = []

    def source() -> Iterator[facts.Fact]:
        said.append(0)
        yield facts.ReloadRequested()
        raise raised

    watch.add(readable, source)
    assert list(watch.heard(watch.wait(0.0))) == [facts.ReloadRequested()]
    assert readable in watch
    started = time.monotonic()
    ready = watch.wait(10.0)
    assert ready == []  # woken by the end of the rest alone
    assert 0.5 < time.monotonic() - started < 5.0
    assert len(said) == 1
    assert list(watch.heard(watch.wait(10.0))) == [facts.ReloadRequested()]
    assert journal.events() == ["source_failed", "source_failed"]
    assert "Traceback" in journal.said[0][2]["traceback"]


def test_a_wait_that_fails_is_no_end_and_no_spin(watch: Watch, journal: Journal, monkeypatch: pytest.MonkeyPatch):
    """M1. epoll_wait(2) without memory."""
    monkeypatch.setattr(watch._selector, "select", refuse(12))
    started = time.monotonic()
    assert watch.wait(3600.0) == []
    assert time.monotonic() - started > 0.05
    assert journal.events() == ["wait_failed"]


def test_a_log_that_fails_is_survived():
    """M1. What cannot be logged is survived as well."""

    class Broken:
        def error(self, event: str, **fields: object) -> None:
            raise OSError(28, "no room")

    assert Survival(Broken()).note("order_failed", ValueError("x")) == "ValueError: x"
