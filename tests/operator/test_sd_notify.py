"""What the service manager is told, by a socket that stands for it; a real systemd is asked in tests/packaging."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, gone
from tests.operator.manager import Manager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path / "notify")
    yield one
    one.close()


def test_a_start_and_a_stop(daemon: Preforkd, manager: Manager):
    """READY when the workers are, STOPPING when it is told to, and a line for people."""
    daemon.configure(workers=2)
    daemon.start(env=manager.environment(daemon))
    ready = manager.next("READY")
    assert ready["MAINPID"] == str(daemon.pid)
    assert ready["STATUS"] == "2 of 2 workers ready, generation 1"
    assert daemon.stop() == 0
    assert manager.next("STOPPING")["STOPPING"] == "1"


def test_an_application_is_told_nothing_of_it(daemon: Preforkd, manager: Manager):
    """It could not but mislead: it is not the process that was started."""
    daemon.configure()
    daemon.start(env=manager.environment(daemon, WATCHDOG_USEC="60000000"))
    assert daemon.get("/environ?NOTIFY_SOCKET")[1] == b""
    assert daemon.get("/environ?WATCHDOG_USEC")[1] == b""


def test_a_reload_is_told_from_its_beginning_to_its_end(daemon: Preforkd, manager: Manager):
    """RELOADING with the time by the monotonic clock, then READY."""
    daemon.configure()
    daemon.start(env=manager.environment(daemon))
    manager.next("READY")
    before = time.monotonic_ns() // 1000
    daemon.signal(signal.SIGHUP)
    told = manager.next("RELOADING")
    assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert manager.next("READY")["STATUS"] == "1 of 1 workers ready, generation 2, last reload done"


def test_a_reload_that_is_refused_at_once_is_told_as_well(daemon: Preforkd, manager: Manager):
    """Whoever asked for it waits for both messages; the line for people has the reason."""
    daemon.configure()
    daemon.start(env=manager.environment(daemon))
    manager.next("READY")
    daemon.file.write_text("[pool")
    daemon.signal(signal.SIGHUP)
    manager.next("RELOADING")
    assert "last reload refused: " in manager.next("READY")["STATUS"]


def test_in_an_upgrade_the_old_master_names_the_new_one_when_it_goes(daemon: Preforkd, manager: Manager):
    """It never says STOPPING; the new one then speaks for itself, and backing out before costs nothing."""
    daemon.configure()
    daemon.start(env=manager.environment(daemon))
    manager.next("READY")
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    assert not [told for told in manager.all()[1:] if "MAINPID" in told]
    daemon.signal(signal.SIGTERM)
    assert manager.next("MAINPID")["MAINPID"] == str(successor)
    assert daemon.wait() == 0
    ready = manager.next("MAINPID")
    assert (ready["MAINPID"], ready["READY"]) == (str(successor), "1")
    # The line of the old master, that there is a new one, is not true any more.
    assert ready["STATUS"] == "1 of 1 workers ready, generation 1"
    assert not [told for told in manager.all() if "STOPPING" in told]
    os.kill(successor, signal.SIGTERM)
    assert gone(successor)
    assert manager.next("STOPPING")


def test_the_watchdog_hears_of_a_living_master_and_of_no_stopped_one(daemon: Preforkd, manager: Manager):
    """At half of its interval; a successor goes on with it."""
    daemon.configure()
    watchdog = {"WATCHDOG_USEC": "200000"}
    daemon.start(env=manager.environment(daemon, **watchdog))
    for _ in range(3):
        manager.next("WATCHDOG")
    daemon.signal(signal.SIGSTOP)
    manager.all()
    manager.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.next("WATCHDOG")
    manager.sock.settimeout(PATIENCE)
    daemon.signal(signal.SIGCONT)
    manager.next("WATCHDOG")
    daemon.signal(signal.SIGUSR2)
    daemon.successor()
    assert daemon.stop() == 0
    manager.all()
    manager.next("WATCHDOG")


def test_a_watchdog_of_another_process_is_not_ours(daemon: Preforkd, manager: Manager):
    """WATCHDOG_PID says whose it is."""
    daemon.configure()
    daemon.start(env=manager.environment(daemon, WATCHDOG_USEC="100000", WATCHDOG_PID="1"))
    manager.next("READY")
    manager.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        manager.next("WATCHDOG")


def test_nobody_listens(daemon: Preforkd, tmp_path: Path):
    """A manager that has gone is no reason to fail."""
    daemon.configure()
    daemon.start(env={**daemon.environment(), "NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert daemon.get()[0] == 200
    assert daemon.stop() == 0
