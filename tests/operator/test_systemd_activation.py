"""Sockets that somebody else opened: fd:N, and systemd:NAME by LISTEN_FDS (sd_listen_fds(3))."""

from __future__ import annotations

import os
import signal
import socket

from tests.operator.daemon import Preforkd, gone
from tests.operator.manager import activate


def test_named_sockets_are_served_and_survive_an_upgrade(daemon: Preforkd):
    """PEERS faults 3 and 4: descriptors keep their place and their name, across USR2 too."""
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as other:
        listen = '[listen.web]\naddress = "systemd:web"\n[listen.other]\naddress = "systemd:other"'
        daemon.configure(listen=listen)
        activate(daemon, [other, web], "other:web")
        daemon.expect("service_ready")
        for one in (web, other):
            daemon.port = one.getsockname()[1]
            assert daemon.get() == (200, b"hello")
        assert daemon.get("/environ?LISTEN_FDS")[1] == b""
        daemon.signal(signal.SIGUSR2)
        new = daemon.successor()
        assert daemon.stop() == 0
        for one in (web, other):
            daemon.port = one.getsockname()[1]
            assert daemon.get() == (200, b"hello")
        daemon.signal(signal.SIGTERM, new)
        assert gone(new)


def test_a_name_that_was_not_passed_is_refused_by_name(daemon: Preforkd):
    """What is missing, and what there is instead."""
    with socket.create_server(("127.0.0.1", 0)) as web:
        daemon.configure(listen='[listen.web]\naddress = "systemd:wbe"')
        activate(daemon, [web], "web")
        assert daemon.wait() == 71
    daemon.events.join()
    assert "wbe" in "".join(daemon.events.text)


def test_a_descriptor_is_served(daemon: Preforkd):
    """fd:N, for supervisors of other kinds."""
    with socket.create_server(("127.0.0.1", 0)) as web:
        os.set_inheritable(web.fileno(), True)
        daemon.configure(listen=f'[listen.web]\naddress = "fd:{web.fileno()}"')
        daemon.start(ready=False, pass_fds=[web.fileno()])
        daemon.expect("service_ready")
        daemon.port = web.getsockname()[1]
        assert daemon.get() == (200, b"hello")
