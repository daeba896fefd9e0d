"""A service for each test, ended after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd
from tests.security.attacker import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Not started yet."""
    daemon = Preforkd(tmp_path)
    try:
        yield Service(daemon)
    finally:
        daemon.end()
