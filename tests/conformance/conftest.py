"""The servers under test, started once a session and only when a case asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import servers
from tests.conformance.judge import records

Started = Callable[[str], servers.Server]


@pytest.fixture(scope="session", params=servers.KINDS)
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The running server of a variant, by the variant's name."""
    running: dict[str, servers.Server] = {}
    failed: dict[str, AssertionError] = {}

    def get(variant: str) -> servers.Server:
        if variant in failed:
            pytest.fail(f"the server did not start earlier: {failed[variant]}", pytrace=False)
        if variant not in running:
            directory: Path = tmp_path_factory.mktemp(variant)
            try:
                running[variant] = servers.start(request.param, variant, directory)
            except AssertionError as error:
                failed[variant] = error
                raise
        return running[variant]

    yield get
    for server in running.values():
        server.stop()


@pytest.fixture
def server(started: Started) -> servers.Server:
    """The server with the defaults, its records forgotten."""
    return _fresh(started("default"))


@pytest.fixture
def impatient(started: Started) -> servers.Server:
    """The server whose timeouts for head, body and keep-alive are one second, its records forgotten."""
    return _fresh(started("impatient"))


def _fresh(server: servers.Server) -> servers.Server:
    records(server)
    return server


def pytest_make_parametrize_id(val: Any) -> str | None:
    """A case is called by its id."""
    return getattr(val, "id", None)
