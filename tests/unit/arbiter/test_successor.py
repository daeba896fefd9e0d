"""What an old master hears of its successor, and of its end."""

from __future__ import annotations

import os

import pytest

from prefork.arbiter import facts
from prefork.arbiter.upgrade.successor import SILENT, Successor
from prefork.system import handoff
from prefork.system.memory import memory_file


@pytest.fixture
def pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return reader, writer


def test_a_report_is_told_once(pipe: tuple[int, int]):
    """Ready, with what both run on; its end follows as a fact of its own."""
    successor = Successor(4711, pipe[0], memory_file("test"))
    handoff.report_ready(pipe[1])
    assert list(successor.heard()) == [facts.SuccessorReady(handoff.runs_on(), handoff.runs_on())]
    assert list(successor.ended()) == [facts.SuccessorGone()]


def test_an_end_without_a_report_is_a_failure_with_its_last_words(pipe: tuple[int, int]):
    """Its standard error says why."""
    stderr = memory_file("test")
    os.write(stderr, b"ImportError: no module\n")
    os.close(pipe[1])
    assert list(Successor(4711, pipe[0], stderr).ended()) == [
        facts.SuccessorFailed("ImportError: no module"),
        facts.SuccessorGone(),
    ]


def test_an_end_while_a_child_of_it_holds_the_pipe_is_a_failure_too(pipe: tuple[int, int]):
    """Nobody is left to report: preforkctl must not wait for it."""
    assert list(Successor(4711, pipe[0], memory_file("test")).ended()) == [
        facts.SuccessorFailed(SILENT),
        facts.SuccessorGone(),
    ]
    os.close(pipe[1])
