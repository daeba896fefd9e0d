"""Recycling every fifty requests."""

from __future__ import annotations

from tests.gestures.conftest import Service


def test_nothing_is_lost(service: Service):
    """One at a time, the fresh one ready first."""
    service.configure(pool="recycle = { requests = 50 }")
    service.daemon.start()
    with service.clients():
        for _ in range(10):
            service.daemon.expect("worker_retired", reason="recycled (requests)")
    retired = service.daemon.events.named("worker_retired")
    assert all(event["served"] >= 45 for event in retired)
