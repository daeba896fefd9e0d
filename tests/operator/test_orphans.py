"""M10. Workers of a killed master: they finish, accept what waits, and end within their limits whatever they are at."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from prefork.worker import orphan_limit
from tests.operator.daemon import PATIENCE, Preforkd, gone, until

HANGS = """
import re, threading, time
from pathlib import Path

HERE = Path(__file__).parent

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ("/c", "/python", "/wait"):
        (HERE / "waiting").touch()
    if path == "/c":
        re.match("(a+)+$", "a" * 200 + "b")
    if path == "/python":
        while True:
            pass
    while path == "/wait" and not (HERE / "go").exists():
        time.sleep(0.01)
    if path == "/thread":
        threading.Thread(target=time.sleep, args=(1000,)).start()
    start_response("200 OK", [])
    return [b"here"]
"""
WAYS = ["", "preload = true", "python"]


def start(daemon: Preforkd, pool: str, timeout: str) -> int:
    """The pid of the one worker."""
    (daemon.home / "hangs.py").write_text(HANGS + "\nimport os\n")
    pool = f'python = "{sys.executable}"\npreload = true' if pool == "python" else pool
    daemon.configure(app="hangs:application", pool=pool, timeout=timeout)
    daemon.start()
    daemon.get()
    workers = {pid for pid in daemon.workers() if "worker" in Path(f"/proc/{pid}/cmdline").read_text()}
    return workers.pop()


@pytest.mark.parametrize("pool", WAYS)
@pytest.mark.parametrize("path", ["/c", "/python"])
def test_an_orphan_that_hangs_ends_within_its_limits(daemon: Preforkd, pool: str, path: str):
    """Its request has run for its timeout, and a margin that is the master's: the kernel ends it, and the port is free."""
    worker = start(daemon, pool, 'request = "1s"\nslow = 0')
    with daemon.connect() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        until((daemon.home / "waiting").exists, "the request")
        daemon.signal(signal.SIGKILL)
        daemon.process.wait()
        assert gone(worker, patience=1.0 + orphan_limit.MARGIN + PATIENCE)
    daemon.address = f"127.0.0.1:{daemon.port}"
    daemon.configure()
    daemon.start()
    assert daemon.get()[0] == 200


def test_an_orphan_whose_end_hangs_ends_within_graceful(daemon: Preforkd):
    """A thread that never ends is waited for, but not for ever."""
    worker = start(daemon, "", 'graceful = "1s"')
    daemon.get("/thread")
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    assert gone(worker, patience=1.0 + orphan_limit.MARGIN + PATIENCE)


@pytest.mark.parametrize("pool", WAYS)
def test_an_orphan_serves_what_waits_in_the_queue(daemon: Preforkd, pool: str):
    """Nobody else will: clients that had connected before it closes are answered, and not reset."""
    worker = start(daemon, pool, "")
    with daemon.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until((daemon.home / "waiting").exists, "the request")
        queued = [daemon.connect() for _ in range(5)]
        for one in queued:
            one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        daemon.signal(signal.SIGKILL)
        daemon.process.wait()
        (daemon.home / "go").touch()
        for one in (client, *queued):
            with one, one.makefile("rb") as file:
                assert file.read().endswith(b"here")
    assert gone(worker)


def test_a_worker_that_rests_is_not_limited(daemon: Preforkd):
    """The limit of its last request is taken back: nothing ends it, however long nobody asks."""
    worker = start(daemon, "", 'request = "1s"')
    assert not gone(worker, patience=1.0 + orphan_limit.MARGIN + 2.0)
    assert daemon.get()[0] == 200
