"""What a worker can do to the log that it shares with the master (M6)."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd, until
from tests.security.rogue import as_root, attack, prepare

pytestmark = as_root

# Every descriptor of the worker that is the log.
FIND = """
import os, fcntl
log = os.stat({path!r})
found = [int(n) for n in os.listdir("/proc/self/fd") if n.isdigit()]
def is_log(n):
    try:
        return os.path.samestat(os.fstat(n), log)
    except OSError:
        return False
found = [n for n in found if is_log(n)]
assert found
"""
SPOIL = {
    "nonblocking and direct": "for n in found: fcntl.fcntl(n, fcntl.F_SETFL, os.O_NONBLOCK | os.O_DIRECT)",
    "not appended to": "for n in found: fcntl.fcntl(n, fcntl.F_SETFL, 0); os.lseek(n, 0, 0)",
    "emptied": "for n in found: os.ftruncate(n, 0)",
    "locked": "for n in found: fcntl.flock(n, fcntl.LOCK_EX); fcntl.lockf(n, fcntl.LOCK_EX)",
}


def start(daemon: Preforkd) -> Path:
    path = daemon.home / "prefork.log"
    daemon.log = str(path)
    prepare(daemon)
    daemon.start(ready=False)
    ready = until(lambda: event(path, "service_ready") and event(path, "listener_opened"), "the start")
    daemon.port = int(ready["address"].rpartition(":")[2])
    return path


def event(path: Path, name: str) -> dict[str, str] | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((entry for entry in map(json.loads, lines) if entry["event"] == name), None)


def flags(pid: int, path: Path) -> list[str]:
    """Of every descriptor that a process has of a file."""
    mine = [fd.name for fd in Path(f"/proc/{pid}/fd").iterdir() if os.path.realpath(fd) == str(path)]
    return [Path(f"/proc/{pid}/fdinfo/{fd}").read_text().split("flags:")[1].split()[0] for fd in mine]


@pytest.mark.parametrize("reopened", ["", "after USR1"])
@pytest.mark.parametrize("how", SPOIL)
def test_the_master_goes_on_logging(daemon: Preforkd, how: str, reopened: str):
    """M6: its open file description is its own, at the start and after USR1; each of its lines is there and whole."""
    path = start(daemon)
    if reopened:
        path.rename(path.with_suffix(".1"))
        daemon.signal(signal.SIGUSR1)
        until(lambda: event(path, "logs_reopened"), "the new log")
        until(lambda: "yes" in attack(daemon, f"{FIND.format(path=str(path))}\nprint('yes')"), "the worker to follow")
    before = flags(daemon.pid, path)
    assert before
    assert attack(daemon, FIND.format(path=str(path)) + SPOIL[how]) == ""
    assert flags(daemon.pid, path) == before
    daemon.signal(signal.SIGHUP)
    until(lambda: event(path, "reload_done"), "the reload to be logged")
    assert daemon.stop() == 0
    assert event(path, "master_stopped")


def test_a_worker_has_no_descriptor_by_which_the_log_can_be_read(daemon: Preforkd):
    """It is for the operator: what other workers and the master log is not theirs."""
    path = start(daemon)
    said = attack(
        daemon,
        FIND.format(path=str(path))
        + "for n in found:\n  try: os.read(n, 1); print('read')\n  except OSError: pass\n"
        + f"try: open({str(path)!r}); print('opened')\nexcept OSError: pass\n"
        + "for n in found:\n  try: open(f'/proc/self/fd/{n}'); print('opened anew')\n  except OSError: pass\n",
    )
    assert said == ""
