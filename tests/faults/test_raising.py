"""M1. Every callable of a real master raises once, one after the other, while the operator works with it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.faults import raising
from tests.operator.daemon import PATIENCE, Preforkd, until


class Raising(Preforkd):
    """A daemon that is started by tests/faults/raising.py."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.faults.raising", "-c", str(self.file), *arguments]


def reloaded(daemon: Preforkd) -> bool:
    """Whether a reload is done, and not refused for what was raised in it."""
    before = len(daemon.events.all)
    daemon.signal(signal.SIGHUP)
    end = time.monotonic() + 3.0
    while time.monotonic() < end:  # what raises may be the log
        events = {entry["event"] for entry in daemon.events.all[before:]}
        if "reload_done" in events:
            return True
        if "reload_refused" in events:
            return False
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("raised", raising.RAISED)
def test_whatever_raises_the_service_lives(tmp_path: Path, raised: str):
    """Reloads, scaling, a death, log reopening, an upgrade: all of it works as soon as nothing raises any more."""
    daemon = Raising(tmp_path)
    daemon.configure(workers=2, more=f'[control]\nsocket = "{tmp_path}/control.sock"')
    root = Path(raising.__file__).parents[2]
    environment = {**daemon.environment(), "RAISES": raised, "PYTHONPATH": str(root)}
    try:
        daemon.start(cwd=tmp_path, env=environment)
        (tmp_path / "armed").touch()
        for gesture in (signal.SIGTTIN, signal.SIGUSR1, signal.SIGTTOU, signal.SIGUSR2, signal.SIGHUP) * 2:
            daemon.signal(gesture)
            assert daemon.get() == (200, b"hello")
            assert daemon.process.poll() is None
        daemon.signal(signal.SIGKILL, daemon.served_by())
        until(lambda: reloaded(daemon), "a reload that is done", PATIENCE * 2)
        (tmp_path / "armed").rename(tmp_path / "raised")
        until(lambda: reloaded(daemon), "a reload with nothing that raises", PATIENCE * 2)
        assert daemon.get() == (200, b"hello")
        assert len((tmp_path / "raised").read_text().split()) > 20
        assert "Traceback" not in "".join(daemon.events.text), daemon.events
        successor = int(daemon.pidfile.read_text())
        if successor != daemon.pid:  # it backs out: the old master is the one that is looked at
            os.kill(successor, signal.SIGTERM)
            until(lambda: daemon.pidfile.read_text() == f"{daemon.pid}\n", "the way back")
        assert daemon.stop() == 0
    finally:
        daemon.end()
