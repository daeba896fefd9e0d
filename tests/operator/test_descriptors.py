"""What a worker has open: its own pool's listeners and its own ends, and nothing that is the master's alone."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd, until

SHARED = ("/dev/", "anon_inode:", "/memfd:")  # of no harm, or told apart below


def links(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except FileNotFoundError:  # it was closed just now
            continue
    return found


@pytest.mark.parametrize("pool", ["", "preload = true", "python"])
def test_a_worker_has_nothing_that_is_the_masters_alone(daemon: Preforkd, pool: str):
    """P1. Not the pidfile's lock, the control socket and its clients, the other pool's listener, nor others' ends."""
    more = f"""
[listen.other]
address = "unix:{daemon.home}/other.sock"
[control]
socket = "{daemon.home}/control.sock"
[pool.other]
app = "site_of_test:application"
workers = 2
listen = ["other"]
directory = "{daemon.home}"
{pool if pool != "python" else f'python = "{sys.executable}"'}
"""
    pool = f'listen = ["http"]\n{pool}' if pool != "python" else f'listen = ["http"]\npython = "{sys.executable}"'
    (daemon.home / "prefork.log").touch()
    daemon.log = str(daemon.home / "prefork.log")
    with socket.create_server(("127.0.0.1", 0)) as passed:
        os.set_inheritable(passed.fileno(), True)
        listen = f'[listen.http]\naddress = "fd:{passed.fileno()}"'
        daemon.configure(workers=2, pool=pool, more=more, listen=listen)
        daemon.start(ready=False, close_fds=False)
        until(lambda: (daemon.home / "prefork.log").read_text().count('"worker_ready"') == 4, "the workers")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{daemon.home}/control.sock")
            daemon.signal(signal.SIGHUP)  # so that there are workers that were forked beside it
            until(lambda: (daemon.home / "prefork.log").read_text().count('"worker_ready"') == 8, "the new workers")
            until(lambda: (daemon.home / "prefork.log").read_text().count('"worker_retired"') == 4, "the old to go")
            check(daemon, socket_of=f"socket:[{os.fstat(passed.fileno()).st_ino}]")
    assert daemon.stop() == 0


def check(daemon: Preforkd, socket_of: str) -> None:
    """Of the master's sockets and pipes a worker has its listener alone, once; of its files the log."""
    masters = [link for link in links(daemon.pid) if not link.startswith(SHARED)]
    assert masters.count(socket_of) == 2
    for pid in daemon.workers():
        theirs = links(pid)
        both = [link for link in theirs if link in masters and not link.startswith("pipe:")]
        assert sorted(link for link in both if link.startswith("/") and "(deleted)" not in link) == [daemon.log]
        assert len([link for link in both if link.startswith("socket:")]) == 1, both
        assert not [link for link in theirs if "pidfd" in link]
        assert len([link for link in theirs if "eventpoll" in link]) <= 3


def test_a_worker_forked_during_an_upgrade_has_nothing_of_the_successor(daemon: Preforkd):
    """P1. Not the file that is the successor's standard error, either."""
    daemon.configure(workers=1)
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    daemon.successor()
    (before,) = daemon.workers()
    daemon.signal(signal.SIGKILL, before)
    daemon.expect("worker_died", pid=before)
    (after,) = until(lambda: daemon.workers() - {before}, "the replacement")
    daemon.expect("worker_ready", pid=after)
    assert [link for link in links(daemon.pid) if "prefork-successor" in link]
    assert not [link for link in links(after) if "prefork-successor" in link]
