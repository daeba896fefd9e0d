"""HUP, ten times in a row: nothing is lost."""

from __future__ import annotations

from tests.gestures.conftest import Service


def test_nothing_is_lost(service: Service):
    """Each reload replaces every worker."""
    service.daemon.start()
    with service.clients():
        for generation in range(2, 12):
            service.reload(generation)
