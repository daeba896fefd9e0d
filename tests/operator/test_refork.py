"""``refork``: a worker that has served enough is forked off as the next template, with all that it has cached."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd, children, gone, until

SITE = """
import os, socket, threading
from pathlib import Path
from prefork.worker.importer import no_longer_fork_safe
IMPORTED_BY = os.getpid()
CACHE = {{}}
def application(environ, start_response):
    if "by" not in CACHE:
        CACHE["by"] = os.getpid()
        {once}
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{{IMPORTED_BY}} {{CACHE['by']}} {{os.getpid()}}".encode()]
"""
POOL = "preload = true\nrefork = {}"


def start(daemon: Preforkd, refork: str = "[60]", once: str = "pass", workers: int = 3) -> None:
    (daemon.home / "site_of_test.py").write_text(SITE.format(once=once))
    daemon.configure(workers=workers, pool=POOL.format(refork))
    daemon.start()
    daemon.expect("template_ready")


def who(daemon: Preforkd) -> tuple[int, int, int]:
    """Who imported the application, who filled the cache, and who answers."""
    imported, cached, answers = daemon.get()[1].split()
    return int(imported), int(cached), int(answers)


def test_what_a_worker_has_cached_is_shared(daemon: Preforkd):
    """The cache of one warm worker is everybody's, nothing is imported again, and no client notices."""
    start(daemon)
    imported = who(daemon)[0]
    with load(daemon.port) as clients:
        template = int(daemon.expect("template_ready")["pid"])
        for _ in range(3):
            daemon.expect("worker_retired", reason="recycled (refork)")
    assert clients.problems == []
    until(lambda: len(daemon.workers()) == 4, "three workers and a template")
    seen = {who(daemon) for _ in range(30)}
    assert {(one[0], one[1]) for one in seen} == {(imported, seen.pop()[1])}
    assert all(cached not in daemon.workers() for _, cached, _ in seen)
    assert template in daemon.workers()
    assert children(template) == set()
    assert len(daemon.events.named("template_ready")) == 2
    assert daemon.stop() == 0
    assert gone(template)


def test_each_number_is_a_level(daemon: Preforkd):
    """After so many requests of one worker the first time, after so many the second, and then no more."""
    start(daemon, "[40, 80]", workers=2)
    with load(daemon.port) as clients:
        for _ in range(2):
            daemon.expect("template_ready")
            for _ in range(2):
                daemon.expect("worker_retired", reason="recycled (refork)")
        end = clients.answered + 1000
        until(lambda: clients.answered > end, "more requests")
    assert clients.problems == []
    assert len(daemon.events.named("template_ready")) == 3


@pytest.mark.parametrize(
    ("once", "reason"),
    [
        ("no_longer_fork_safe()", "no_longer_fork_safe"),
        ("threading.Thread(target=threading.Event().wait, name='poller', daemon=True).start()", "the thread 'poller'"),
    ],
)
def test_what_must_not_be_forked_is_not(daemon: Preforkd, once: str, reason: str):
    """The worker says why, and everything stays as it is."""
    start(daemon, once=once)
    with load(daemon.port) as clients:
        refused = daemon.expect("refork_refused")
        end = clients.answered + 500
        until(lambda: clients.answered > end, "more requests")
    assert reason in refused["reason"]
    assert "refork = []" in refused["hint"]
    assert clients.problems == []
    assert daemon.events.named("worker_retired") == []


def test_a_connection_that_a_child_would_share_is_named(daemon: Preforkd):
    """It was opened at the first request, as those to databases are: what was to be the template says where to."""
    with socket.create_server(("127.0.0.1", 0)) as database:
        place = database.getsockname()
        start(daemon, once=f"CACHE['database'] = socket.create_connection({place!r})")
        before = daemon.workers()
        with load(daemon.port) as clients:
            refused = daemon.expect("refork_refused")
            end = clients.answered + 500
            until(lambda: clients.answered > end, "more requests")
    assert f"a socket is open: to {place}" in refused["reason"]
    assert clients.problems == []
    assert daemon.workers() == before
    assert len(daemon.events.named("refork_refused")) == 1  # not by every worker in turn


def test_a_warm_template_that_is_killed_is_replaced_by_an_import(daemon: Preforkd):
    """And a reload begins anew."""
    start(daemon, workers=2)
    with load(daemon.port) as clients:
        template = int(daemon.expect("template_ready")["pid"])
        for _ in range(2):
            daemon.expect("worker_retired", reason="recycled (refork)")
        os.kill(template, signal.SIGKILL)
        daemon.expect("template_died", pid=template)
        daemon.signal(signal.SIGTTIN)
        daemon.expect("template_ready")
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_done", generation=2)
    assert clients.problems == []


def test_without_preload_there_is_nothing_to_renew(daemon: Preforkd):
    """The file says so, with the place and what to do."""
    daemon.configure(pool="refork = [1000]")
    done = daemon.run("-t")
    assert done.returncode == 78
    assert "pool.web.refork: refork needs a template" in done.stderr
    assert "preload = true" in done.stderr
