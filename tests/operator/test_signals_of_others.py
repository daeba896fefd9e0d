"""Signals that an application, a parent or an operator has given another meaning: nobody is deaf, nobody dies of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from prefork.system import signals
from tests.operator.daemon import Preforkd, until
from tests.operator.test_stop import in_flight

DEAF = """
import asyncio, os, signal, socket
import site_of_test

def asyncio_s():
    async def live():
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(signum, print)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.remove_signal_handler(signum)
    asyncio.run(live())

def handlers():
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(signum, lambda *_: None)

def ignored():
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)

def default():
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_DFL)

def wakeup():
    pair = socket.socketpair()
    for end in pair:
        end.setblocking(False)
    signal.set_wakeup_fd(pair[0].fileno())
    globals()["kept"] = pair

def blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT))

def application(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name in globals():
        globals()[name]()
        start_response("200 OK", [])
        return [b"deaf"]
    return site_of_test.application(environ, start_response)
"""
WAYS = ("asyncio_s", "handlers", "ignored", "default", "wakeup", "blocked")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("preload", ["true", "false"])
def test_a_worker_whose_application_took_the_signals_retires_at_once(daemon: Preforkd, way: str, preload: str):
    """P4. The order to retire goes over the channel: a reload does not wait for ``graceful``, nor cut a request."""
    (daemon.home / "deaf.py").write_text(DEAF)
    daemon.configure(app="deaf:application", pool=f"preload = {preload}", timeout='graceful = "60s"')
    daemon.start()
    assert daemon.get(f"/{way}") == (200, b"deaf")
    thread, answers = in_flight(daemon)
    daemon.signal(signal.SIGHUP)
    daemon.expect("worker_ready", generation=2)
    (daemon.home / "go").touch()
    began = time.monotonic()
    assert daemon.expect("worker_retired", generation=1)["served"] == 2
    assert time.monotonic() - began < 20.0
    thread.join()
    assert answers == [(200, b"waited")]
    daemon.get(f"/{way}")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 20.0


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_whose_application_took_the_signals_quits_at_once(daemon: Preforkd, way: str):
    """P4. QUIT as well: no worker has to be killed for it."""
    (daemon.home / "deaf.py").write_text(DEAF)
    daemon.configure(app="deaf:application")
    daemon.start()
    daemon.get(f"/{way}")
    daemon.signal(signal.SIGQUIT)
    assert daemon.wait() == 0
    daemon.events.join()
    assert "SIGKILL" not in "".join(daemon.events.text)


@pytest.mark.parametrize("pool", ["", "preload = true", "python"])
def test_a_command_to_the_master_that_reaches_all_processes_costs_nothing(daemon: Preforkd, pool: str):
    """P6. As ``systemctl kill -s USR1`` sends it: workers and templates live, and finish what they have."""
    daemon.configure(workers=2, pool=f'python = "{sys.executable}"\npreload = true' if pool == "python" else pool)
    daemon.start()
    for number in (1, 2):
        daemon.expect("worker_ready", worker=number)
    everybody = daemon.workers()
    thread, answers = in_flight(daemon)
    for signum in signals.COMMANDS:
        for pid in everybody:
            daemon.signal(signum, pid)
    assert daemon.get() == (200, b"hello")
    (daemon.home / "go").touch()
    thread.join()
    assert answers == [(200, b"waited")]
    assert daemon.workers() == everybody
    assert daemon.stop() == 0
    daemon.events.join()
    assert "worker_died" not in "".join(daemon.events.text)


def test_programs_of_the_application_do_not_ignore_signals(daemon: Preforkd):
    """P6. An empty handler, not SIG_IGN: what the application executes has the defaults."""
    (daemon.home / "starts.py").write_text(
        "import subprocess\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [subprocess.run(['cat', '/proc/self/status'], capture_output=True).stdout]\n"
    )
    daemon.configure(app="starts:application")
    daemon.start()
    _status, body = daemon.get()
    masks = dict(line.split(None, 1) for line in body.decode().splitlines() if line.startswith("Sig"))
    assert int(masks["SigBlk:"], 16) == 0
    assert int(masks["SigIgn:"], 16) == 0


def blocked() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def ignored() -> None:
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD, signal.SIGTERM, signal.SIGABRT):
        signal.signal(signum, signal.SIG_IGN)


@pytest.mark.parametrize("parent", [blocked, ignored])
def test_what_a_parent_has_blocked_or_ignored_is_heard_all_the_same(daemon: Preforkd, parent: Callable[[], None]):
    """P9. HUP reloads, a child's end is known, and TERM stops."""
    daemon.configure()
    popen: dict[str, Any] = {"preexec_fn": parent}
    daemon.start(**popen)
    daemon.signal(signal.SIGHUP)
    daemon.expect("worker_retired", generation=1)
    daemon.signal(signal.SIGKILL, daemon.served_by())
    assert daemon.expect("worker_died")["ending"] == "signal SIGKILL"
    until(lambda: daemon.get()[0] == 200, "the replacement")
    assert daemon.stop() == 0


def test_a_check_under_an_ignored_chld(daemon: Preforkd):
    """P9. ``preforkd -t`` waits for the child that imports: it must learn how that ended."""
    daemon.configure()
    done = subprocess.run(
        daemon.command("-t"), preexec_fn=ignored, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
