"""ENOSPC on the logs and on the spool of bodies; a directory that is removed."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from contrib.bench.clients import load
from tests.faults.limits import limited
from tests.operator.daemon import PATIENCE, Preforkd, until

BODY = bytes(3 << 20)  # more than is kept in memory


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A file system with room for 1 MiB; false where nothing may be mounted."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def post(daemon: Preforkd) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    try:
        connection.request("POST", "/", body=BODY)
        response = connection.getresponse()
        return response.status, response.read()
    except (ConnectionResetError, BrokenPipeError):  # answered before the body was sent, and closed
        return 507, b""
    finally:
        connection.close()


def test_for_a_body(daemon: Preforkd):
    """507 for that request; the worker serves on, and takes bodies again when there is room."""
    disk = daemon.home / "disk"
    with small_disk(disk) as mounted:
        daemon.configure(pool=f'environment = {{TMPDIR = "{disk}"}}')
        daemon.start()
        worker = daemon.served_by()
        if mounted:
            assert post(daemon)[0] == 507
        else:  # the next best thing: files that may not grow
            with limited(worker, resource.RLIMIT_FSIZE, 1 << 20):
                assert post(daemon)[0] == 507
        assert daemon.expect("request_body_failed")["reason"]
        assert daemon.served_by() == worker
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        assert post(daemon) == (200, b"hello")
        assert daemon.served_by() == worker
        assert daemon.stop() == 0


def test_for_the_logs(daemon: Preforkd):
    """Lines are lost, requests are not; when there is room again, the log says how many lines it lacks."""
    disk = daemon.home / "disk"
    with small_disk(disk) as mounted:
        if not mounted:
            return  # tests/operator/test_usr1_logrotate.py does the same with /dev/full
        daemon.configure(workers=2, more=f'[log.access]\nfile = "{disk}/access.log"')
        daemon.start()
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                continue  # until there is no room
        with load(daemon.port) as clients:
            until(lambda: clients.answered > 2000, "many requests")
            filler.unlink()
            before = clients.answered
            until(lambda: clients.answered > before + 500, "more requests")
        assert clients.problems == []
        assert daemon.stop() == 0
        assert (disk / "access.log").stat().st_size > 0


def test_the_directory_of_the_pidfile_is_removed(daemon: Preforkd):
    """An upgrade needs it, and says so; nothing else does. It may be made again."""
    run = daemon.home / "run"
    run.mkdir()
    daemon.pidfile = run / "preforkd.pid"
    daemon.configure(workers=2)
    daemon.start()
    shutil.rmtree(run)
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    daemon.signal(signal.SIGUSR2)
    assert "No such file or directory" in daemon.expect("upgrade_failed")["reason"]
    assert daemon.get() == (200, b"hello")
    run.mkdir()
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    assert daemon.stop() == 0
    assert daemon.pidfile.read_text() == f"{successor}\n"
    shutil.rmtree(run)
    os.kill(successor, signal.SIGTERM)
    daemon.expect("pidfile_not_removed")
    daemon.expect("master_stopped", code=0)
