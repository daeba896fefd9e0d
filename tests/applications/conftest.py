"""The projects, each served by a daemon of its own with two workers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.applications.wrapped import MODES, RECYCLE, Wrapped
from tests.operator.daemon import Preforkd

HERE = Path(__file__).parent
BIG = 8 * 1024 * 1024

Make = Callable[..., Wrapped]


class Application:
    """A project that is served: its daemon, a client, and the digest of the file that it offers."""

    def __init__(self, daemon: Preforkd, client: httpx.Client, digest: str) -> None:
        self.daemon = daemon
        self.client = client
        self.digest = digest


def offer(place: Path) -> str:
    """A file to download; its digest."""
    data = os.urandom(1024) * (BIG // 1024)
    (place / "big.bin").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def make_shop(place: Path) -> None:
    """Make the database of the Django project."""
    environment = {**os.environ, "SHOP_PLACE": str(place), "DJANGO_SETTINGS_MODULE": "shop.settings"}
    migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0", "--pythonpath", str(HERE)]
    subprocess.run(migrate, env=environment, check=True, cwd=HERE)


def pool_of(name: str, place: Path) -> str:
    """The keys of the pool that both projects need."""
    return f'python_path = ["{HERE}"]\nenvironment = {{ {name} = "{place}" }}'


def serve(daemon: Preforkd, app: str, pool: str) -> Iterator[Application]:
    digest = offer(daemon.home)
    daemon.configure(app=app, workers=2, pool=pool)
    daemon.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{daemon.port}", timeout=30) as client:
        yield Application(daemon, client, digest)
    assert daemon.stop() == 0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Application]:
    """The Django project."""
    make_shop(tmp_path)
    daemon = Preforkd(tmp_path)
    try:
        yield from serve(daemon, "shop.wsgi:application", pool_of("SHOP_PLACE", tmp_path))
    finally:
        daemon.end()


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Application]:
    """The Flask project, by its factory."""
    daemon = Preforkd(tmp_path)
    try:
        yield from serve(daemon, "notes:create_app()", pool_of("NOTES_PLACE", tmp_path))
    finally:
        daemon.end()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a daemon with a runner in front, of the application ``measured``; it ends with the test."""
    made: list[Wrapped] = []

    def one(app: str, runner: tuple[str, ...], **variables: str) -> Wrapped:
        (tmp_path / "measured.py").write_text(app)
        made.append(Wrapped(tmp_path, runner=runner, **variables))
        return made[0]

    try:
        yield one
    finally:
        for daemon in made:
            daemon.end()


def launch(daemon: Wrapped, mode: str, *, daemonize: bool) -> Wrapped:
    """Start what ``make`` has made, with one worker that is soon recycled."""
    return daemon.launch(daemonize=daemonize, app="measured:application", pool=MODES[mode], more=RECYCLE)
