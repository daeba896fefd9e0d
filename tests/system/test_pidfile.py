"""The pidfile between processes."""

from __future__ import annotations

import os
import signal
import time

import pytest

from prefork.errors import AlreadyRunning
from prefork.system import pidfile, process
from prefork.system.pidfile import Pidfile


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "preforkd.pid")


def acquire(path: str) -> Pidfile | None:
    """None: another was there."""
    file = Pidfile(path)
    try:
        file.acquire()
    except AlreadyRunning:
        return None
    return file


@pytest.mark.parametrize("before", [None, "999999999\n"])
def test_of_many_starts_exactly_one_wins(child, path, before):
    """Whether there was no file, or a stale one; and the file is the winner's (PEERS 3.17)."""
    go, gate = os.pipe()

    def start():
        os.close(gate)
        os.read(go, 1)  # returns when the parent closes the gate
        won = acquire(path)
        time.sleep(0.3)  # the winner lives while the others try
        return os.getpid() if won else None

    for _ in range(3):
        if before:
            with open(path, "w") as file:
                file.write(before)
        children = [child(start) for _ in range(8)]
        os.close(gate)
        pid = None
        results = [one.result() for one in children]
        winners = [result for result in results if result]
        assert len(winners) == 1
        pid = pidfile.read(path)
        assert pid == winners[0]
        os.close(go)
        os.unlink(path)
        assert os.listdir(os.path.dirname(path)) == []
        go, gate = os.pipe()
    os.close(go)
    os.close(gate)


def test_a_killed_daemon_leaves_a_stale_file(child, path):
    """Its lock goes with it, at once: the next start need not wait (PEERS 3.16)."""
    ready, told = os.pipe()

    def daemon():
        file = acquire(path)
        os.write(told, b"." if file else b"!")
        signal.pause()

    one = child(daemon)
    one.forget()
    assert os.read(ready, 1) == b"."
    with pytest.raises(AlreadyRunning, match=f"process {one.pid} holds"):
        Pidfile(path).acquire()
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    file = acquire(path)
    assert file is not None
    assert pidfile.read(path) == os.getpid()
    file.release()
    os.close(ready)
    os.close(told)


def test_workers_do_not_hold_the_lock(path):
    """A worker that outlives its killed master closed the descriptor: the next start is free."""
    report, tell = os.pipe()

    def worker(held: Pidfile) -> None:
        held.leave()
        os.write(tell, b"%d " % os.getpid())
        signal.pause()

    def master() -> None:
        held = acquire(path)
        assert held
        if process.fork() == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            worker(held)
        signal.pause()

    pid = process.fork()
    if pid == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            master()
        finally:
            os._exit(1)
    os.close(tell)
    orphan = int(os.read(report, 32))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    file = acquire(path)
    assert file is not None
    file.release()
    os.kill(orphan, signal.SIGKILL)
    assert os.read(report, 1) == b""  # the worker has gone
    os.close(report)


def test_a_reader_always_finds_a_whole_pid(child, path):
    """While daemons come and go, the file is never empty nor half written."""

    def come_and_go():
        for _ in range(200):
            file = acquire(path)
            assert file
            file.name_oldbin()
            file.restore()
            file.release()
        return os.getpid()

    one = child(come_and_go)
    seen = set()
    while process.reap(one.pid) is None:
        seen.add(_text(path))
    one.forget()
    assert seen <= {None, f"{one.pid}\n"}


def _text(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
