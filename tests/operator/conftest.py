"""Every operator test gets a daemon in a directory of its own, and leaves nothing running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Preforkd]:
    """A daemon that is configured and started by the test."""
    one = Preforkd(tmp_path)
    try:
        yield one
    finally:
        one.end()
        if hasattr(one, "events"):
            print(one.events)  # pytest shows it beside a failure
