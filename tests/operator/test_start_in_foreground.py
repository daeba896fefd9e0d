"""preforkd -c FILE, on a terminal or under a supervisor."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.operator.daemon import Preforkd


def test_it_serves_says_so_and_ends_with_status_0(daemon: Preforkd):
    """One file, one command: it serves, its log tells who it is, TERM ends it."""
    daemon.configure(workers=2)
    daemon.start()
    assert daemon.get() == (200, b"hello")
    assert daemon.expect("master_started")["pid"] == daemon.pid
    assert len({daemon.expect("worker_ready", worker=number)["pid"] for number in (1, 2)}) == 2
    assert daemon.stop() == 0
    daemon.events.join()
    assert daemon.events.text == []


def test_the_pidfile_names_the_master_while_it_runs(daemon: Preforkd):
    """The pidfile is there from ready to the end, and no longer."""
    daemon.configure()
    daemon.start()
    assert daemon.pidfile.read_text() == f"{daemon.pid}\n"
    daemon.stop()
    assert not daemon.pidfile.exists()


def test_ps_tells_who_is_who(daemon: Preforkd):
    """Process titles name the master's file, and each worker's pool, number and generation."""
    daemon.configure(workers=2)
    daemon.start()
    titles = sorted(title_of(pid) for pid in daemon.workers())
    assert title_of(daemon.pid) == f"prefork: master [{daemon.file}]"
    assert titles == ["prefork: worker web 1 gen 1", "prefork: worker web 2 gen 1"]


def test_int_from_the_terminal_stops_everybody(daemon: Preforkd):
    """Ctrl-C reaches the whole process group; it is a quick shutdown, not a crash of each."""
    daemon.configure(workers=2)
    daemon.start(start_new_session=True)
    import os

    os.killpg(daemon.pid, signal.SIGINT)
    assert daemon.wait() == 0
    daemon.events.join()
    assert daemon.events.named("worker_died") == []


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
