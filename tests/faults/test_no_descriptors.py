"""EMFILE, in the worker and in the master."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import time
from pathlib import Path

from tests.faults.limits import limited, next_descriptor
from tests.operator.daemon import PATIENCE, Preforkd, until


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def test_on_accept(daemon: Preforkd):
    """Who connects waits in the queue, the log says why once, and they are served when there is room."""
    daemon.configure()
    daemon.start()
    [worker] = daemon.workers()
    with contextlib.ExitStack() as open_ones:
        with limited(worker, resource.RLIMIT_NOFILE, next_descriptor(worker)):
            waiting = [open_ones.enter_context(daemon.connect()) for _ in range(2)]
            for client in waiting:
                client.sendall(REQUEST)
            failed = daemon.expect("accept_failed")
            assert failed["reason"] == "Too many open files"
            assert "ulimit" in failed["hint"]
        for client in waiting:
            assert b"hello" in client.makefile("rb").read()
    assert daemon.served_by() == worker
    assert len(daemon.events.named("accept_failed")) == 1


def test_in_the_master(daemon: Preforkd):
    """A worker that dies cannot be replaced yet; a reload and an upgrade are refused; later all of it works."""
    daemon.configure(workers=2)
    daemon.start()
    with limited(daemon.pid, resource.RLIMIT_NOFILE, next_descriptor(daemon.pid)):
        daemon.signal(signal.SIGUSR2)
        assert "Too many open files" in daemon.expect("upgrade_failed")["reason"]
        daemon.signal(signal.SIGHUP)
        assert "Too many open files" in daemon.expect("reload_refused")["reason"]
        daemon.signal(signal.SIGKILL, daemon.served_by())
        daemon.expect("worker_died")
        assert daemon.get() == (200, b"hello")
    until(lambda: len(daemon.workers()) == 2, "the replacement")
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    daemon.signal(signal.SIGUSR2)
    daemon.successor()


def test_on_the_control_socket(daemon: Preforkd):
    """M15. Who asks waits until there is room; the master says why once, and sleeps meanwhile."""
    control = daemon.home / "control.sock"
    daemon.configure(more=f'[control]\nsocket = "{control}"')
    daemon.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        with limited(daemon.pid, resource.RLIMIT_NOFILE, next_descriptor(daemon.pid)):
            client.connect(str(control))
            client.sendall(b'{"prefork": 1, "do": "status"}\n')
            failed = daemon.expect("control_accept_failed")
            assert failed["reason"] == "Too many open files"
            assert "ulimit" in failed["hint"]
            before = cpu_seconds(daemon.pid)
            assert daemon.process.poll() is None
            time.sleep(2.5)  # the time in which it must not work
            assert cpu_seconds(daemon.pid) - before < 0.5
            assert daemon.get() == (200, b"hello")
        assert json.loads(client.makefile().readline())["ok"]
    assert len(daemon.events.named("control_accept_failed")) == 1
    assert daemon.stop() == 0


def test_in_a_template_and_in_a_warm_worker(daemon: Preforkd):
    """Neither ends for it: who was to be forked is forked later, and who serves serves on."""
    daemon.configure(workers=1, pool="preload = true\nrefork = [5]")
    daemon.start()
    template = int(daemon.expect("template_ready")["pid"])
    [worker] = daemon.workers() - {template}
    with limited(worker, resource.RLIMIT_NOFILE, next_descriptor(worker) + 3):  # its client, and what it is passed
        for _ in range(6):
            assert daemon.served_by() == worker
        daemon.expect("fork_failed")
        daemon.expect("refork_refused")
    with limited(template, resource.RLIMIT_NOFILE, next_descriptor(template)):
        daemon.signal(signal.SIGTTIN)
        daemon.expect("worker_died", cause="the template never forked this worker")
    until(lambda: len(daemon.workers()) == 3, "the worker that was owed")
    assert {worker, template} < daemon.workers()
