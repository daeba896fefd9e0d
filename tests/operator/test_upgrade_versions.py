"""USR2 to another version of prefork, and to another configuration."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd, gone
from tests.operator.upgrades import Installation, unchanged, upgrade_succeeds


@pytest.fixture
def installed(daemon: Preforkd, tmp_path: Path) -> Installation:
    """A daemon that runs from an installation which can be changed under it."""
    installation = Installation(tmp_path)
    daemon.interpreter = str(installation.python)
    daemon.configure(workers=2)
    environment = daemon.environment()
    environment.pop("PYTHONPATH", None)
    daemon.start(cwd=tmp_path, env=environment)  # python -m looks there first
    daemon.expect("master_started", version="0.1.0")
    return installation


def test_to_a_newer_version_and_back(daemon: Preforkd, installed: Installation):
    """Both hand over the same way, under load."""
    installed.install("0.2.0")
    with load(daemon.port) as clients:
        installed.activate("0.2.0")
        second = upgrade_succeeds(daemon)
        daemon.expect("master_started", pid=second, version="0.2.0")
        installed.activate("0.1.0")
        daemon.signal(signal.SIGUSR2, second)
        third = daemon.successor()
        daemon.expect("master_started", pid=third, version="0.1.0")
        daemon.signal(signal.SIGTERM, second)
        assert gone(second)
    assert clients.problems == []


def test_to_a_version_that_hands_over_differently(daemon: Preforkd, installed: Installation):
    """It names the two versions, and what to do instead."""
    installed.install("2.0.0", system__handoff=("VERSION = 1\n", "VERSION = 2\n"))
    with unchanged(daemon):
        installed.activate("2.0.0")
        daemon.signal(signal.SIGUSR2)
        reason = daemon.expect("upgrade_failed")["reason"]
        assert "the old master hands over in version 1, this one knows 2" in reason
        assert "start the new version instead" in reason
        daemon.expect("upgrade_ended")
    installed.activate("0.1.0")
    upgrade_succeeds(daemon)


def test_to_a_version_that_hands_over_more(daemon: Preforkd, installed: Installation):
    """What an old version does not know of the same handoff, it leaves alone: it can be gone back to."""
    known = '"version": VERSION,\n'
    installed.install("0.2.0", system__handoff=(known, known + '"more": "of it",\n'))
    installed.activate("0.2.0")
    second = upgrade_succeeds(daemon)
    installed.activate("0.1.0")
    daemon.signal(signal.SIGUSR2, second)
    daemon.successor()


def test_to_another_configuration(daemon: Preforkd):
    """A listener is added, one is dropped, one stays: nobody who uses that one notices."""
    dropped = f"unix:{daemon.home}/dropped.sock"
    kept = f'[listen.http]\naddress = "{daemon.address}"\n'
    daemon.configure(workers=2, listen=f'{kept}[listen.more]\naddress = "{dropped}"')
    daemon.start()
    with load(daemon.port) as clients:
        daemon.configure(workers=1, listen=f'{kept}[listen.new]\naddress = "unix:{daemon.home}/added.sock"')
        successor = upgrade_succeeds(daemon)
    assert clients.problems == []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.home / "added.sock"))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert not (daemon.home / "dropped.sock").exists()
    assert len(daemon.workers(successor)) == 1


def test_to_a_version_that_cannot_be_imported(daemon: Preforkd, installed: Installation):
    """A dependency is missing, or its files are half there: the old master says what Python says of it."""
    installed.install(
        "0.2.0", cli__check=("from __future__ import annotations\n", "import a_dependency_that_is_missing\n")
    )
    with unchanged(daemon):
        installed.activate("0.2.0")
        daemon.signal(signal.SIGUSR2)
        assert "No module named 'a_dependency_that_is_missing'" in daemon.expect("upgrade_failed")["reason"]
        daemon.expect("upgrade_ended")
    installed.activate("0.1.0")
    upgrade_succeeds(daemon)
