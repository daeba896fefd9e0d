"""What holds for every test: in CI a test that skips has failed, because a skip there hides a missing tool."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.operator.daemon import Preforkd

# How long an example takes is the machine's business.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

# A shell's background jobs ignore INT, and so would every program that the tests start; what is handled, an exec resets.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and os.environ.get("PREFORK_TESTS_MAY_SKIP") == "no":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Preforkd]:
    """A daemon in a directory of its own, configured and started by the test; nothing of it is left running."""
    one = Preforkd(tmp_path)
    try:
        yield one
    finally:
        one.end()
        if hasattr(one, "events"):
            print(one.events)  # pytest shows it beside a failure
