"""Workers share one listening socket, and the kernel wakes the one that has waited longest."""

from __future__ import annotations

import http.client
from collections import Counter

from tests.operator.daemon import Preforkd


def test_connections_that_are_kept_are_spread_over_the_workers(daemon: Preforkd):
    """PEERS: elsewhere two of eight workers held nearly all of 32 kept connections."""
    daemon.configure(workers=8)
    daemon.start()
    for _ in range(8):
        daemon.expect("worker_ready")
    kept, served = [], Counter[bytes]()
    for _ in range(64):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
        connection.request("GET", "/pid")
        served[connection.getresponse().read()] += 1
        kept.append(connection)
    for connection in kept:
        connection.close()
    assert len(served) == 8
    assert max(served.values()) <= 2 * min(served.values()), served
