"""KILL of a worker: what it had in flight is lost, and nothing else."""

from __future__ import annotations

import os
import signal

from contrib.bench.clients import load
from tests.gestures.conftest import Service


def test_only_requests_in_flight_in_that_worker_are_lost(service: Service):
    """A client has one request in flight; so each kill costs each client one at most, and nobody is refused."""
    service.daemon.start()
    with load(service.daemon.port) as clients:
        for _ in range(5):
            worker = service.daemon.served_by()
            os.kill(worker, signal.SIGKILL)
            service.daemon.expect("worker_died", pid=worker)
            service.daemon.expect("worker_ready")
    assert clients.lost.keys() <= {"reset", "raced", "cut"}
    assert len(clients.problems) <= 5 * 4
