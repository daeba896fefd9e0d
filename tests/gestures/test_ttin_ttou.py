"""TTIN and TTOU, ten times each."""

from __future__ import annotations

import signal

from tests.gestures.conftest import Service


def test_nothing_is_lost(service: Service):
    """A worker that goes finishes what it has."""
    service.daemon.start()
    with service.clients():
        for _ in range(10):
            service.daemon.signal(signal.SIGTTIN)
            service.daemon.expect("pool_scaled", workers=4)
            service.daemon.signal(signal.SIGTTOU)
            service.daemon.expect("pool_scaled", workers=3)
