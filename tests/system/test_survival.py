"""The guards of the master, in a process that is not the master."""

from __future__ import annotations

import os

import pytest

from prefork.arbiter.survival import Survival
from prefork.system import process, signals
from tests.unit.arbiter.test_executor import Journal


def test_a_child_that_comes_here_ends():
    """M1. A forked child whose way unwinds into the guards of the master is not a second master."""
    pid = process.fork()
    if pid == 0:
        try:
            one = Survival(Journal())
            one._pid = os.getppid()
            one.note("order_failed", ValueError())
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 70


def test_a_child_that_fails_right_after_its_fork_ends(monkeypatch: pytest.MonkeyPatch):
    """M1. Nothing of it unwinds into its parent's stack, which would go on as the master there."""

    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr(signals, "forget", fail)
    pid = process.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == process.NOT_EXECUTED
