"""Healthy workers are replaced after so many requests, in age, or grown large: nothing is lost, and never two at once."""

from __future__ import annotations

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd


def recycled(daemon: Preforkd, reason: str) -> dict[str, object]:
    return daemon.expect("worker_retired", reason=f"recycled ({reason})")


def test_every_fifty_requests_under_load_and_nothing_is_lost(daemon: Preforkd):
    """The replacement is ready before the old one retires; kept and fresh connections notice nothing."""
    daemon.configure(workers=2, pool="recycle = { requests = 50 }")
    daemon.start()
    with load(daemon.port) as clients:
        served = [recycled(daemon, "requests")["served"] for _ in range(10)]
    assert clients.problems == []
    assert clients.answered >= 450
    # It serves on until its replacement is ready, and each within the jitter.
    assert all(isinstance(count, int) and count >= 45 for count in served)
    assert daemon.events.named("worker_died") == []


def test_one_that_has_grown_is_replaced(daemon: Preforkd):
    """Memory of its own counts, measured between requests; the one that follows is small again."""
    daemon.configure(pool='recycle = { memory = "100MiB", jitter = 0.0 }')
    daemon.start()
    first = daemon.served_by()
    assert daemon.get("/grow")[0] == 200
    while daemon.served_by() == first:  # the measurement comes with a request, once a second
        pass
    recycled(daemon, "memory")
    second = daemon.served_by()
    assert second != first
    assert len(daemon.events.named("worker_retired")) == 1


def test_one_that_is_old_is_replaced_though_nobody_calls(daemon: Preforkd):
    """Age is the master's to know: an idle worker is replaced as well."""
    daemon.configure(pool='recycle = { age = "300ms", jitter = 0.0 }')
    daemon.start()
    first = daemon.expect("worker_ready")["pid"]
    assert recycled(daemon, "age")["pid"] == first
