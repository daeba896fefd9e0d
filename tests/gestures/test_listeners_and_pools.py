"""A listener or a pool that comes or goes by the file: those that stay notice nothing."""

from __future__ import annotations

from tests.gestures.conftest import Service

OTHER = """
[pool.other]
app = "site_of_test:application"
directory = "{home}"
listen = ["local"]
{pool}
"""


def test_they_come_and_go(service: Service):
    """The first listener is the same socket throughout."""
    home = service.daemon.home
    http = f'[listen.http]\naddress = "{service.daemon.address}"\n'
    local = f'[listen.local]\naddress = "unix:{home}/web.sock"\n'
    service.configure(listen=http)
    service.daemon.start()
    with service.clients():
        for generation in range(2, 8, 3):
            service.configure(listen=http + local)
            service.reload(generation)
            assert (home / "web.sock").is_socket()
            other = OTHER.format(home=home, pool=service.pool)
            service.configure(listen=http + local, pool='listen = ["http"]', more=other)
            service.reload(generation + 1)
            service.configure(listen=http)
            service.reload(generation + 2)
            assert not (home / "web.sock").exists()
