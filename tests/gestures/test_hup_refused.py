"""HUP that is refused, for whatever reason: everything is as it was, the reason is told, and nothing is lost."""

from __future__ import annotations

import signal
import socket

from tests.gestures.conftest import Service
from tests.operator.daemon import until

BROKEN = "raise RuntimeError('a bad deploy')\n"


def refused(service: Service) -> str:
    """HUP, and the reason."""
    before = service.daemon.workers()
    service.daemon.signal(signal.SIGHUP)
    reason = str(service.daemon.expect("reload_refused")["reason"])
    until(lambda: service.daemon.workers() == before, "the same processes as before")
    return reason


def test_a_broken_application(service: Service):
    """With its traceback; mended, it is taken."""
    service.daemon.start()
    site = service.daemon.home / "site_of_test.py"
    sound = site.read_text()
    with service.clients():
        site.write_text(BROKEN)
        assert "RuntimeError: a bad deploy" in refused(service)
        site.write_text(sound)
        service.reload(3)


def test_a_bad_file(service: Service):
    """Every fault of it, with its place; mended, it is taken."""
    service.daemon.start()
    sound = service.daemon.file.read_text()
    with service.clients():
        service.daemon.file.write_text(sound.replace("workers =", "workres ="))
        assert 'did you mean "workers"?' in refused(service)
        service.daemon.file.write_text(sound)
        service.reload(2)


def test_an_address_that_cannot_be_bound(service: Service):
    """The new sockets that could be opened are closed again."""
    service.daemon.start()
    address = f'[listen.http]\naddress = "{service.daemon.address}"\n'
    with service.clients(), socket.create_server(("127.0.0.1", 0)) as other:
        local = f'[listen.local]\naddress = "unix:{service.daemon.home}/web.sock"\n'
        taken = f'[listen.taken]\naddress = "127.0.0.1:{other.getsockname()[1]}"\n'
        service.configure(listen=address + local + taken)
        assert "listener 'taken' cannot listen" in refused(service)
        assert not (service.daemon.home / "web.sock").exists()
