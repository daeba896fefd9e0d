"""SIGSTOP of a worker and of the master, kill -9 of the master, and the clock set back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from contrib.bench.clients import load
from tests.operator.daemon import PATIENCE, Preforkd, gone, until


def stop(pid: int) -> None:
    """SIGSTOP, and wait until it has."""
    os.kill(pid, signal.SIGSTOP)
    state = Path(f"/proc/{pid}/stat")
    until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the process to be stopped")


def test_a_worker_that_is_stopped_keeps_nobody_waiting(daemon: Preforkd):
    """Who connects is served by the others; what it had in hand is ended at the deadline, and it is replaced."""
    daemon.configure(workers=2, timeout='request = "1s"\nslow = "0s"')
    daemon.start()
    client = daemon.connect()
    client.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    until((daemon.home / "waiting").exists, "the request")
    other = daemon.served_by()
    stopped = (daemon.workers() - {other}).pop()
    stop(stopped)
    for _ in range(20):
        assert daemon.served_by() == other
    stuck = daemon.expect("worker_stuck", pid=stopped)
    assert stuck["request"] == "GET /wait HTTP/1.1"
    died = daemon.expect("worker_died", pid=stopped)
    assert died["cause"] == "request timeout"
    until(lambda: len(daemon.workers()) == 2, "the replacement")
    assert client.recv(1) == b""  # whoever is stopped can tell its client nothing
    client.close()
    assert daemon.stop() == 0


def test_an_idle_worker_that_is_stopped_does_not_take_connections(daemon: Preforkd):
    """The kernel wakes only those who wait (EPOLLEXCLUSIVE)."""
    daemon.configure(workers=3)
    daemon.start()
    stopped = daemon.workers()
    served = {stopped.pop()}
    for pid in stopped:
        stop(pid)
    assert {daemon.served_by() for _ in range(30)} == served
    for pid in stopped:
        daemon.signal(signal.SIGCONT, pid)
    assert {daemon.served_by() for _ in range(30)} == served | stopped


def test_a_master_that_was_stopped_kills_nobody_when_it_wakes(daemon: Preforkd):
    """Longer than every timeout: requests that ended, and boots that succeeded meanwhile, are not late."""
    site = daemon.home / "site_of_test.py"
    site.write_text("import time\ntime.sleep(0.3)\n" + site.read_text())
    daemon.configure(workers=3, timeout='request = "1s"\nboot = "1s"\ngraceful = "1s"')
    daemon.start()
    before = daemon.workers()
    for _ in range(2):
        daemon.signal(signal.SIGTTIN)
        daemon.expect("pool_scaled")
    until(lambda: len(daemon.workers()) == 5, "the new ones to be forked")
    stop(daemon.pid)
    workers = daemon.workers()
    with load(daemon.port) as clients:
        woken = time.monotonic() + 2.5
        until(lambda: time.monotonic() > woken, "every timeout to pass")
        daemon.signal(signal.SIGCONT)
        for _ in workers:
            daemon.expect("worker_ready")
    assert clients.problems == []
    assert daemon.workers() == workers
    assert before < workers
    assert [e for e in daemon.events.all if e["event"] in ("worker_stuck", "worker_died", "worker_retired")] == []
    assert daemon.stop() == 0


@pytest.mark.parametrize("preload", ["", "preload = true"], ids=["plain", "preloaded"])
def test_after_a_kill_of_the_master_a_new_start_works_at_once(daemon: Preforkd, preload: str):
    """Its workers finish what they have, and go; the new master waits for the address, and nobody else."""
    daemon.configure(workers=2, pool=preload)
    daemon.start()
    daemon.address = f"127.0.0.1:{daemon.port}"
    daemon.configure(workers=2, pool=preload, listen="")
    answers: list[tuple[int, bytes]] = []
    waiting = threading.Thread(target=lambda: answers.append(daemon.get("/wait")))
    waiting.start()
    until((daemon.home / "waiting").exists, "the request")
    before = _family(daemon.pid)
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    old = daemon.events
    threading.Timer(1.0, (daemon.home / "go").touch).start()
    daemon.start()
    waiting.join(PATIENCE)
    assert answers == [(200, b"waited")]
    assert daemon.get() == (200, b"hello")
    assert all(gone(pid) for pid in before)
    old.join()
    assert daemon.stop() == 0


def _family(pid: int) -> set[int]:
    """The processes below one."""
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found |= {int(child), *_family(int(child))}
    return found


@pytest.mark.needs("faketime")
def test_the_clock_is_set_back_by_a_day(daemon: Preforkd):
    """Deadlines, pauses and ages go by a clock that nobody sets; only the dates that are shown follow."""
    day = daemon.home / "day"
    day.write_text("+0d\n")
    daemon.configure(workers=2, timeout='request = "1s"\nslow = "300ms"')
    command = ["faketime", "-f", "+0d", sys.executable, "-c", "import os; print(os.environ['LD_PRELOAD'])"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    clock = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(day),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    daemon.start(env={**daemon.environment(), **clock})
    with load(daemon.port) as clients:
        until(lambda: clients.answered > 100, "requests")
        day.write_text("-1d\n")
        before = clients.answered
        until(lambda: clients.answered > before + 100, "more requests")
        daemon.signal(signal.SIGHUP)
        done = daemon.expect("reload_done", generation=2)
    assert clients.problems == []
    assert done["time"] < daemon.events.named("service_ready")[0]["time"]  # it was set back
    assert daemon.get("/spin")[0] == 504
    assert daemon.expect("request_slow")["busy_seconds"] < 1.0
    assert daemon.expect("worker_stuck")["busy_seconds"] < 5.0
    daemon.expect("worker_died")
    until(lambda: len(daemon.workers()) == 2, "the replacement")
    assert daemon.stop() == 0
