"""Five hundred signals in a second."""

from __future__ import annotations

import random
import signal
import time

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd, until

SIGNALS = [signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD]


def test_of_signals(daemon: Preforkd):
    """No client notices, and when it is over the service stands as the last reload says."""
    rng = random.Random(7)
    daemon.configure(workers=2)
    daemon.start()
    with load(daemon.port) as clients:
        until(lambda: clients.answered > 50, "requests")
        start = time.monotonic()
        for count in range(500):
            daemon.signal(rng.choice(SIGNALS))
            due = start + (count + 1) / 500
            while time.monotonic() < due:
                time.sleep(0.0005)
        daemon.signal(signal.SIGUSR2)
        daemon.successor()
        assert daemon.stop() == 0
    assert clients.problems == []
    assert [event for event in daemon.events.all if event["level"] == "error"] == []
