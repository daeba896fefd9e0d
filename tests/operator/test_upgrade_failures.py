"""USR2 and a successor that dies, wherever it may: the old master is as it was, and the next USR2 succeeds."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, gone, until
from tests.operator.upgrades import Installation, unchanged, upgrade_succeeds

SLOW = "import time\nwhile open(__file__.replace('site_of_test.py', 'gate')).read() == 'shut': time.sleep(0.01)\n"
# A margin that a test can wait for.
IMPATIENT = (
    "import prefork.arbiter.upgrade.policy as u; u.MARGIN = 0.5; from prefork.cli import main; raise SystemExit(main())"
)


@pytest.fixture
def gated(daemon: Preforkd) -> Preforkd:
    """Its application can be imported only while its gate is open."""
    gate(daemon)
    daemon.configure(workers=2)
    daemon.start()
    return daemon


def gate(daemon: Preforkd) -> None:
    """Give its application a gate, which is open."""
    site = daemon.home / "site_of_test.py"
    site.write_text(SLOW + site.read_text())
    shut(daemon, False)


def shut(daemon: Preforkd, closed: bool = True) -> None:  # noqa: FBT001, FBT002 - a gate is shut or is not
    replacement = daemon.home / "gate.new"
    replacement.write_text("shut" if closed else "open")
    replacement.rename(daemon.home / "gate")


def booting_successor(daemon: Preforkd) -> int:
    """USR2; the pid of a successor whose first worker has been forked."""
    daemon.signal(signal.SIGUSR2)
    daemon.expect("upgrade_started")
    pid = int(daemon.expect("master_started")["pid"])
    daemon._pids.add(pid)
    daemon.expect("worker_spawned")
    return pid


def start(daemon: Preforkd, **config: str) -> None:
    """Two workers; what its start has said is not to be mistaken for what a successor says."""
    daemon.configure(workers=2, **config)  # type: ignore[arg-type]
    daemon.start(cwd=daemon.home)
    daemon.expect("master_started")


def test_the_exec_fails(daemon: Preforkd, tmp_path: Path):
    """The interpreter has gone, as when an environment is made anew in the wrong order."""
    python = Installation(tmp_path).python
    daemon.interpreter = str(python)
    start(daemon)
    with unchanged(daemon):
        hidden = python.rename(python.with_name("hidden"))
        daemon.signal(signal.SIGUSR2)
        reason = daemon.expect("upgrade_failed")["reason"]
        assert str(python) in reason
        assert "No such file" in reason
    hidden.rename(python)
    upgrade_succeeds(daemon)


def test_the_directory_of_the_start_has_been_removed(daemon: Preforkd):
    """P7: a deploy that removes an old release; the reason names the directory, not the interpreter that is there."""
    release = daemon.home / "release"
    release.mkdir()
    daemon.configure(workers=2)
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    daemon.start(cwd=release, env={**daemon.environment(), "PWD": str(release), "PYTHONPATH": paths})
    with unchanged(daemon):
        release.rmdir()
        daemon.signal(signal.SIGUSR2)
        reason = daemon.expect("upgrade_failed")["reason"]
        assert "No such file" in reason
        assert reason.endswith(f"'{release}'")
    release.mkdir()
    upgrade_succeeds(daemon)


def test_the_configuration_is_bad(daemon: Preforkd):
    """Every fault, with its place, is in the old master's log."""
    start(daemon)
    sound = daemon.file.read_text()
    with unchanged(daemon):
        daemon.file.write_text(sound + '[pool.web.recycle]\nrequests = "many"\nmemry = "1G"\n')
        daemon.signal(signal.SIGUSR2)
        reason = daemon.expect("upgrade_failed")["reason"]
        assert "pool.web.recycle.requests" in reason
        assert "memory" in reason  # it is suggested
        daemon.expect("upgrade_ended")
    daemon.file.write_text(sound)
    upgrade_succeeds(daemon)


def test_the_application_is_broken(daemon: Preforkd):
    """Its traceback is in the old master's log."""
    start(daemon)
    site = daemon.home / "site_of_test.py"
    sound = site.read_text()
    with unchanged(daemon):
        site.write_text("def application(environ):\n    pass\nraise LookupError('no such shop')\n")
        daemon.signal(signal.SIGUSR2)
        reason = daemon.expect("upgrade_failed")["reason"]
        assert "LookupError: no such shop" in reason
        assert "site_of_test.py" in reason
        daemon.expect("upgrade_ended")
    site.write_text(sound)
    upgrade_succeeds(daemon)


def test_a_listener_that_was_added_cannot_be_bound(daemon: Preforkd):
    """Somebody else has the address."""
    start(daemon)
    sound = daemon.file.read_text()
    with unchanged(daemon), socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        daemon.file.write_text(f'{sound}\n[listen.more]\naddress = "{address}"\n')
        daemon.signal(signal.SIGUSR2)
        reason = daemon.expect("upgrade_failed")["reason"]
        assert address in reason
        assert "Address already in use" in reason
        daemon.expect("upgrade_ended")
    upgrade_succeeds(daemon)  # the other has gone


def test_it_is_killed_while_it_boots(gated: Preforkd):
    """Its worker goes with it."""
    gated.expect("master_started")
    for _ in range(2):
        gated.expect("worker_spawned")
    with unchanged(gated):
        shut(gated)
        successor = booting_successor(gated)
        worker = next(iter(gated.workers(successor)))
        gated.signal(signal.SIGKILL, successor)
        assert "it was killed" in gated.expect("upgrade_failed", successor=successor)["reason"]
        gated.expect("upgrade_ended", successor=successor)
        shut(gated, False)
        assert gone(worker)
    upgrade_succeeds(gated)


def test_it_is_silent_past_its_deadline(daemon: Preforkd):
    """A successor that hangs is killed."""
    daemon.command = lambda *given: [sys.executable, "-c", IMPATIENT, "-c", str(daemon.file), *given]  # type: ignore[method-assign]
    gate(daemon)
    start(daemon, timeout='boot = "10s"')  # more than the start of an interpreter takes on loaded cores
    for _ in range(2):
        daemon.expect("worker_spawned")
    with unchanged(daemon):
        shut(daemon)
        successor = booting_successor(daemon)
        daemon.signal(signal.SIGSTOP, successor)
        assert "did not report in time" in daemon.expect("upgrade_failed", successor=successor)["reason"]
        daemon.expect("upgrade_ended", successor=successor)
        assert gone(successor)
        shut(daemon, False)
    # The next one is to have all the time that it needs.
    daemon.configure(workers=2)
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    upgrade_succeeds(daemon)


def test_it_is_killed_as_soon_as_it_is_ready(daemon: Preforkd):
    """The old master has not retired by then, so nothing is lost."""
    start(daemon)
    with unchanged(daemon):
        daemon.signal(signal.SIGUSR2)
        successor = daemon.successor()
        workers = daemon.workers(successor)
        daemon.signal(signal.SIGKILL, successor)
        daemon.expect("upgrade_backed_out", successor=successor)
        assert all(gone(pid) for pid in workers)
    upgrade_succeeds(daemon)


def test_it_is_told_to_quit(daemon: Preforkd):
    """QUIT backs out as TERM does."""
    start(daemon)
    with unchanged(daemon):
        daemon.signal(signal.SIGUSR2)
        successor = daemon.successor()
        daemon.signal(signal.SIGQUIT, successor)
        daemon.expect("upgrade_backed_out", successor=successor)
        assert gone(successor)
    upgrade_succeeds(daemon)


def test_usr2_again_while_it_boots(gated: Preforkd):
    """One at a time; the first is not disturbed."""
    gated.expect("master_started")
    for _ in range(2):
        gated.expect("worker_spawned")
    shut(gated)
    successor = booting_successor(gated)
    gated.signal(signal.SIGUSR2)
    assert str(successor) in gated.expect("upgrade_refused")["reason"]
    shut(gated, False)
    assert gated.successor() == successor
    assert gated.stop() == 0


def test_the_old_master_is_stopped_before_the_report(gated: Preforkd):
    """TERM is obeyed; the successor comes up alone, and who connects meanwhile waits for it."""
    gated.expect("master_started")
    for _ in range(2):
        gated.expect("worker_spawned")
    shut(gated)
    successor = booting_successor(gated)
    assert gated.stop() == 0
    with gated.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        shut(gated, False)
        assert b"hello" in client.makefile("rb").read()
    until(lambda: gated.pidfile.read_text() == f"{successor}\n", "the pidfile")
    assert not gated.pidfile.with_name("preforkd.pid.oldbin").exists()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_old_master_is_killed(gated: Preforkd, moment: str):
    """kill -9 of the old master while its successor boots, or serves: the successor is the master."""
    gated.expect("master_started")
    for _ in range(2):
        gated.expect("worker_spawned")
    shut(gated)
    old = gated.workers()
    successor = booting_successor(gated)
    if moment == "before":
        gated.signal(signal.SIGKILL)
    shut(gated, False)
    if moment == "after":
        gated.successor()
        gated.signal(signal.SIGKILL)
    gated.process.wait(PATIENCE)
    gated.expect("service_ready")  # the successor's: that of the old master was awaited at its start
    gated.expect("upgrade_completed")
    assert all(gone(pid) for pid in old)
    assert gated.pidfile.read_text() == f"{successor}\n"
    assert gated.get() == (200, b"hello")
    gated.signal(signal.SIGUSR2, successor)  # and it can be upgraded in its turn
    assert gated.successor() != successor


def test_a_resting_master_is_brought_back(daemon: Preforkd, tmp_path: Path):
    """The classic dance: USR2, WINCH to the old one, the new one is no good, HUP to the old one, TERM to the new."""
    log = tmp_path / "log"
    daemon.log = str(log)
    daemon.configure(workers=2, master="daemonize = true")
    assert daemon.run().returncode == 0
    old = int(daemon.pidfile.read_text())
    daemon._pids.add(old)
    until(lambda: len(daemon.workers(old)) == 2, "the workers")
    os.kill(old, signal.SIGUSR2)
    successor = until(
        lambda: int(daemon.pidfile.read_text()) != old and int(daemon.pidfile.read_text()), "the successor"
    )
    daemon._pids.add(successor)
    until(lambda: "upgrade_ready" in log.read_text(), "the report")
    os.kill(old, signal.SIGWINCH)
    until(lambda: not daemon.workers(old), "the rest")
    os.kill(old, signal.SIGHUP)
    until(lambda: len(daemon.workers(old)) == 2, "the workers to be back")
    os.kill(successor, signal.SIGTERM)
    assert gone(successor)
    until(lambda: daemon.pidfile.read_text() == f"{old}\n", "the pidfile")
    os.kill(old, signal.SIGTERM)
    assert gone(old)
    assert not daemon.pidfile.exists()
