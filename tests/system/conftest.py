"""Children for tests: what runs in one never gets back into pytest."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from prefork.system import process, signals


class Child:
    """A forked process that runs a function and reports its value."""

    def __init__(self, run: Callable[[], Any], *, blocked: bool) -> None:
        reader, writer = os.pipe()
        self.pid = process.fork()
        if self.pid == 0:
            self._live(run, writer, blocked=blocked)
        os.close(writer)
        self._report = os.fdopen(reader, "rb")

    @staticmethod
    def _live(run: Callable[[], Any], report: int, *, blocked: bool) -> None:
        code = 1
        try:
            if not blocked:
                signals.unblock()
            try:
                said = (True, run())
            except BaseException:
                said = (False, traceback.format_exc())
            os.write(report, pickle.dumps(said))
            code = 0
        finally:
            os._exit(code)

    def wait(self) -> process.Exit:
        """How it ended."""
        _pid, status, usage = os.wait4(self.pid, 0)
        return process.exit_of(status, usage)

    def result(self) -> Any:
        """What its function returned; a failure in it is a failure of the test."""
        with self._report:
            told = self._report.read()
        ending = self.wait()
        assert told, f"the child ended with {ending}"
        fine, value = pickle.loads(told)
        assert fine, value
        return value

    def forget(self) -> None:
        """Let it be: the test reaps it."""
        self._report.close()


@pytest.fixture
def child():
    """Run a function in a child: its signals are unblocked first, unless ``blocked``."""

    def run(function: Callable[[], Any], *, blocked: bool = False) -> Child:
        return Child(function, blocked=blocked)

    return run
