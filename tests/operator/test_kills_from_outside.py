"""kill -9 of workers, by whomever: they are replaced at once, and nobody waits for a connection that one had got."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd, until


class Visitor:
    """One request after another, each on a connection of its own; ``waits``: how long each took, in seconds."""

    def __init__(self, daemon: Preforkd) -> None:
        self.waits: list[float] = []
        self.lost = 0  # those that a killed worker took with it
        self._daemon = daemon
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._visit)
        self._thread.start()

    def _visit(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                assert self._daemon.get()[0] == 200
            except (OSError, http.client.HTTPException):  # it was in the hands of a worker that was killed
                self.lost += 1
            else:
                self.waits.append(time.monotonic() - began)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def test_nobody_waits_longer_than_a_boot(daemon: Preforkd):
    """M13. Eight kills on two workers, each after the replacement of the last is ready or boots: no pause between them."""
    daemon.configure(workers=2)
    daemon.start()
    boots = [float(event["boot_seconds"]) for event in daemon.events.named("worker_ready")]
    visitor = Visitor(daemon)
    try:
        for _ in range(8):
            victim = min(daemon.workers())
            daemon.signal(signal.SIGKILL, victim)
            daemon.expect("worker_died", pid=victim)
            daemon.expect("worker_spawned")
            time.sleep(0.5)  # it is the pace of somebody who kills
    finally:
        visitor.stop()
    assert not [died for died in daemon.events.named("worker_died") if "next_try_in" in died]
    boots += [float(event["boot_seconds"]) for event in daemon.events.named("worker_ready")]
    assert visitor.waits
    assert max(visitor.waits) <= max(boots) + 0.2
    assert daemon.stop() == 0


def test_both_at_once_are_replaced_at_once(daemon: Preforkd):
    """M13. A pool that has nobody left is not the one to wait; nor when its replacements are killed in their turn."""
    daemon.configure(workers=2)
    daemon.start()
    for _ in range(4):
        for worker in daemon.workers():
            daemon.signal(signal.SIGKILL, worker)
        until(lambda: len(daemon.workers()) == 2, "the replacements")
    assert daemon.get() == (200, b"hello")
    assert not [died for died in daemon.events.named("worker_died") if "next_try_in" in died]
    assert daemon.stop() == 0


def starve(pid: int, core: int) -> None:
    """It is to run only when nobody else wants that core, which somebody does."""
    os.sched_setaffinity(pid, {core})
    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


def feed(pid: int, cores: set[int]) -> None:
    os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
    os.sched_setaffinity(pid, cores)


def runnable(pid: int) -> bool:
    """It has been woken, and may not have run yet."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    return False


@contextlib.contextmanager
def busy(core: int):
    """A core that is taken: two processes that want all of it."""
    spin = f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint('on', flush=True)\nwhile True: pass"
    hogs = [subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for hog in hogs:
            assert hog.stdout
            hog.stdout.readline()
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
            assert hog.stdout
            hog.stdout.close()


def woken_but_not_running(daemon: Preforkd) -> tuple[int, socket.socket] | None:
    """A worker that the kernel has woken for this client's connection, and that was not given the processor yet."""
    client = daemon.connect()
    client.sendall(b"GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for worker in daemon.workers():
        if runnable(worker):
            daemon.signal(signal.SIGSTOP, worker)
            if not select.select([client], [], [], 0.02)[0]:
                return worker, client
            daemon.signal(signal.SIGCONT, worker)
    client.close()
    return None


def test_a_connection_is_not_lost_with_the_worker_that_was_woken_for_it(daemon: Preforkd):
    """M16. It has the wake-up and dies before it accepts: another accepts at once, though nobody else connects.

    That takes a few milliseconds on a quiet machine; the replacement, which would look as well, takes two seconds here.
    """
    cores = os.sched_getaffinity(0)
    core = max(cores)
    (daemon.home / "slow_to_boot.py").write_text("import time\nfrom site_of_test import application\ntime.sleep(2)\n")
    daemon.configure(workers=4, app="slow_to_boot:application")
    daemon.start()
    try:
        os.sched_setscheduler(daemon.pid, os.SCHED_OTHER, os.sched_param(0))
    except PermissionError:
        pytest.skip("the scheduling of other processes may not be changed")
    everybody = daemon.workers()
    with busy(core):
        for worker in everybody:
            starve(worker, core)
        victim, client = until(lambda: woken_but_not_running(daemon), "a worker that is woken and does not run")
    with client:
        for worker in everybody:  # also the victim: it is stopped, and its end is not to starve
            feed(worker, cores)
        assert not select.select([client], [], [], 0.3)[0], "another was woken as well: this shows nothing"
        began = time.monotonic()
        daemon.signal(signal.SIGKILL, victim)
        answer = client.recv(65536)
        waited = time.monotonic() - began
    assert int(answer.split()[-1]) in everybody - {victim}
    assert waited < 1.0
