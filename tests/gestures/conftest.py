"""A service under load, preloaded and not."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

import pytest

from contrib.bench.clients import Load, load
from tests.operator.daemon import Preforkd


@dataclass
class Service:
    """Three workers, or as many as the gesture needs, with clients that keep connections and clients that do not."""

    daemon: Preforkd
    pool: str

    def configure(self, *, pool: str = "", **config: object) -> None:
        self.daemon.configure(**{"workers": 3, "pool": f"{self.pool}\n{pool}", **config})  # type: ignore[arg-type]

    def reload(self, generation: int) -> None:
        self.daemon.signal(signal.SIGHUP)
        self.daemon.expect("reload_done", generation=generation)

    def clients(self, path: str = "/") -> Clients:
        return Clients(self.daemon, path)


class Clients:
    """The load for the length of a gesture; afterwards nothing may have been lost."""

    def __init__(self, daemon: Preforkd, path: str) -> None:
        self._load = load(daemon.port, path)

    def __enter__(self) -> Load:
        self.running = self._load.__enter__()
        answered(self.running, 20)
        return self.running

    def __exit__(self, *failure: object) -> None:
        if not any(failure):
            answered(self.running, self.running.answered + 20)  # it serves after the gesture as well
        self._load.__exit__(*failure)  # type: ignore[arg-type]
        if not any(failure):
            assert self.running.problems == []


def answered(running: Load, number: int, patience: float = 30.0) -> None:
    """Wait until so many requests have been answered."""
    end = time.monotonic() + patience
    while running.answered < number:
        assert time.monotonic() < end, f"{running.answered} answers; {running.problems}"
        time.sleep(0.005)


@pytest.fixture(params=["", "preload = true"], ids=["plain", "preloaded"])
def service(daemon: Preforkd, request: pytest.FixtureRequest) -> Service:
    one = Service(daemon, request.param)
    one.configure()
    return one
