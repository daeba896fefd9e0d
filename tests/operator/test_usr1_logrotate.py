"""USR1: every log is opened anew, in the master and in every worker, whoever may open the path."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.needs import find
from tests.operator.daemon import Preforkd, open_to_others, until

ACCESS = '[log.access]\nfile = "{home}/access.log"\nformat = "json"\n'


def start(daemon: Preforkd, **config: str) -> None:
    daemon.log = str(daemon.home / "prefork.log")
    daemon.configure(workers=2, more=ACCESS.format(home=daemon.home), **config)
    daemon.start(ready=False)
    opened = until(lambda: event(daemon, "service_ready") and event(daemon, "listener_opened"), "service_ready")
    daemon.port = int(opened["address"].rpartition(":")[2])


def event(daemon: Preforkd, name: str, file: str = "prefork.log") -> dict[str, str] | None:
    path = daemon.home / file
    lines = path.read_text().splitlines() if path.exists() else []
    return next((entry for entry in map(json.loads, lines) if entry["event"] == name), None)


def targets(path: Path) -> list[str]:
    return [json.loads(line)["target"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.needs("logrotate")
def test_the_real_logrotate_rotates_both_logs(daemon: Preforkd):
    """After postrotate's USR1 no line goes to the old files, and none is lost between."""
    start(daemon)
    daemon.get("/before")
    until(lambda: "/before" in targets(daemon.home / "access.log"), "the first line")
    rules = daemon.home / "logrotate.conf"
    rules.write_text(
        f"{daemon.home}/*.log {{\n  rotate 2\n  nocompress\n  nocreate\n  sharedscripts\n"
        f"  su {os.getuid()} {os.getgid()}\n"
        f"  postrotate\n    kill -USR1 $(cat {daemon.pidfile})\n  endscript\n}}\n"
    )
    rules.chmod(0o644)
    daemon.home.chmod(0o755)
    done = subprocess.run(
        [find("logrotate"), "--force", "--state", daemon.home / "state", rules],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    until(lambda: event(daemon, "logs_reopened"), "the new log")
    until(lambda: daemon.get("/after") and "/after" in targets(daemon.home / "access.log"), "a line in the new log")
    for _ in range(20):
        daemon.get("/later")
    until(lambda: targets(daemon.home / "access.log").count("/later") == 20, "twenty lines")
    assert "/before" in targets(daemon.home / "access.log.1")
    assert "/later" not in targets(daemon.home / "access.log.1")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_workers_that_may_not_open_the_path_get_the_new_file_all_the_same(daemon: Preforkd):
    """PEERS: elsewhere workers die on USR1 when they cannot open the log. The descriptors are passed to them."""
    open_to_others(daemon.home)
    start(daemon, master='user = "nobody"')
    workers = daemon.workers()
    (daemon.home / "access.log").rename(daemon.home / "access.old")
    daemon.signal(signal.SIGUSR1)
    until(lambda: event(daemon, "logs_reopened"), "the reopening")
    until(lambda: daemon.get("/after") and "/after" in targets(daemon.home / "access.log"), "a line in the new log")
    assert (daemon.home / "access.log").stat().st_uid == 0
    assert daemon.workers() == workers


def test_a_vanished_directory_costs_lines_and_nothing_else(daemon: Preforkd):
    """A log that cannot be opened anew is written to as before; requests and the master do not care."""
    logs = daemon.home / "logs"
    logs.mkdir()
    daemon.log = str(logs / "prefork.log")
    daemon.configure()
    daemon.start(ready=False)
    ready = until(
        lambda: (
            event(daemon, "service_ready", "logs/prefork.log") and event(daemon, "listener_opened", "logs/prefork.log")
        ),
        "ready",
    )
    daemon.port = int(ready["address"].rpartition(":")[2])
    shutil.rmtree(logs)
    daemon.signal(signal.SIGUSR1)
    assert daemon.get() == (200, b"hello")
    logs.mkdir()
    daemon.signal(signal.SIGUSR1)
    until(lambda: event(daemon, "logs_reopened", "logs/prefork.log"), "the log to come back")
    assert daemon.stop() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_costs_lines_and_nothing_else(daemon: Preforkd):
    """ENOSPC on the log: the service comes up and answers."""
    daemon.log = "/dev/full"
    daemon.configure(listen=f'[listen.local]\naddress = "unix:{daemon.home}/web.sock"')
    daemon.start(ready=False)
    from tests.operator.test_unix_socket import ask

    def answer() -> bytes:
        try:
            return ask(daemon.home / "web.sock")
        except (FileNotFoundError, ConnectionRefusedError):  # not bound, or not listening yet
            return b""

    assert until(answer, "an answer").startswith(b"HTTP/1.1 200")
    assert daemon.stop() == 0


def test_a_log_that_cannot_be_opened_anew_is_said(daemon: Preforkd):
    """Which, why, and that its old file goes on; the others are opened all the same."""
    logs = daemon.home / "logs"
    logs.mkdir()
    daemon.configure(more=f'[log.access]\nfile = "{logs}/access.log"')
    daemon.start()
    shutil.rmtree(logs)
    daemon.signal(signal.SIGUSR1)
    said = daemon.expect("log_not_reopened")
    assert said["log"] == "access"
    assert str(logs) in said["reason"]
    daemon.expect("logs_reopened")
    assert daemon.get() == (200, b"hello")
