"""What comes between while a reload replaces the workers: a second HUP, USR2, TERM, and a worker that is killed."""

from __future__ import annotations

import os
import signal

from contrib.bench.clients import load
from tests.gestures.conftest import Service
from tests.operator.daemon import gone

SLOWLY = "surge = 1\n"


def roll(service: Service, generation: int = 2) -> int:
    """A reload that has begun to replace workers, and is not done; the pid of the first new one."""
    service.daemon.signal(signal.SIGHUP)
    return int(service.daemon.expect("worker_ready", generation=generation)["pid"])


def start(service: Service) -> None:
    """Eight workers that take a moment to boot: a roll takes eight of them."""
    site = service.daemon.home / "site_of_test.py"
    site.write_text("import time\ntime.sleep(0.05)\n" + site.read_text())
    service.configure(workers=8, pool=SLOWLY)
    service.daemon.start()


def test_a_second_hup_supersedes_the_first(service: Service):
    """Generation 3 replaces both."""
    start(service)
    with service.clients():
        roll(service)
        service.reload(3)
    assert {event["generation"] for event in service.daemon.events.named("reload_done")} == {3}


def test_an_upgrade(service: Service):
    """The successor reads the same file; the roll ends with its master."""
    start(service)
    with service.clients():
        roll(service)
        service.daemon.signal(signal.SIGUSR2)
        service.daemon.successor()
        assert service.daemon.stop() == 0


def test_a_worker_that_is_killed_is_replaced(service: Service):
    """The roll goes on, and ends with the full number; only what that worker had is lost."""
    start(service)
    with load(service.daemon.port) as clients:
        os.kill(roll(service), signal.SIGKILL)
        service.daemon.expect("worker_died", cause="signal SIGKILL")
        assert service.daemon.expect("reload_done", generation=2)["workers"] == 8
    assert len(clients.problems) <= 4  # a request of each client at most


def test_term_stops_at_once(service: Service):
    """Both generations drain: whoever was served is served to the end, and afterwards nobody is connected."""
    start(service)
    with load(service.daemon.port) as clients:
        roll(service)
        workers = service.daemon.workers()
        assert service.daemon.stop() == 0
    assert clients.lost.keys() <= {"refused"}
    assert all(gone(pid) for pid in workers)
