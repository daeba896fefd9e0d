"""WINCH, and HUP: the master keeps its sockets while it has no workers, and clients wait instead of being refused."""

from __future__ import annotations

import signal

from tests.gestures.conftest import Service
from tests.operator.daemon import until


def test_nothing_is_lost(service: Service):
    """Those who come meanwhile are served when the workers are back."""
    service.daemon.start()
    with service.clients():
        service.daemon.signal(signal.SIGWINCH)
        service.daemon.expect("workers_paused")
        until(lambda: not service.daemon.workers(), "all workers to go")
        service.reload(2)
