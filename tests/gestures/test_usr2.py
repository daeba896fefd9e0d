"""USR2: upgrades that are completed, backed out of, and that fail."""

from __future__ import annotations

import os
import signal

from tests.gestures.conftest import Service
from tests.operator.daemon import gone, until


def test_then_term(service: Service):
    """The old master goes when it is told to."""
    service.daemon.start()
    with service.clients():
        service.daemon.signal(signal.SIGUSR2)
        successor = service.daemon.successor()
        assert service.daemon.stop() == 0
        assert service.daemon.pidfile.read_text() == f"{successor}\n"


def test_auto(service: Service):
    """The old master goes by itself."""
    service.configure(master='upgrade = "auto"')
    service.daemon.start()
    with service.clients():
        service.daemon.signal(signal.SIGUSR2)
        service.daemon.successor()
        assert service.daemon.wait() == 0


def test_a_broken_successor(service: Service):
    """It changes nothing; mended, the next one is taken."""
    service.daemon.start()
    site = service.daemon.home / "site_of_test.py"
    sound = site.read_text()
    with service.clients():
        site.write_text("raise RuntimeError('a bad deploy')\n")
        service.daemon.signal(signal.SIGUSR2)
        assert "a bad deploy" in service.daemon.expect("upgrade_failed")["reason"]
        service.daemon.expect("upgrade_ended")
        until(lambda: service.daemon.pidfile.read_text() == f"{service.daemon.pid}\n", "the pidfile")
        site.write_text(sound)
        service.daemon.signal(signal.SIGUSR2)
        service.daemon.successor()
        assert service.daemon.stop() == 0


def test_and_back(service: Service):
    """The old master serves on, as often as it is tried."""
    service.daemon.start()
    with service.clients():
        for signum in (signal.SIGTERM, signal.SIGTERM):
            service.daemon.signal(signal.SIGUSR2)
            successor = service.daemon.successor()
            os.kill(successor, signum)
            service.daemon.expect("upgrade_backed_out", successor=successor)
            assert gone(successor)


def test_an_upgrade_of_an_upgrade(service: Service):
    """Three masters, one after the other."""
    service.daemon.start()
    with service.clients():
        service.daemon.signal(signal.SIGUSR2)
        second = service.daemon.successor()
        assert service.daemon.stop() == 0
        service.daemon.expect("upgrade_completed")
        os.kill(second, signal.SIGUSR2)
        service.daemon.successor()
        os.kill(second, signal.SIGTERM)
        assert gone(second)
