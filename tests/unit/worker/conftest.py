from __future__ import annotations

import pytest

from tests.unit.worker.live import Live


@pytest.fixture
def live():
    """Starts workers, and ends with each of them returned and without a fault."""
    started = []

    def start(app, **options):
        started.append(Live(app, **options))
        return started[-1]

    yield start
    for worker in started:
        worker.stop()
