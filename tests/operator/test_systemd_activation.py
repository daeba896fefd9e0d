"""Sockets that somebody else opened: fd:N, and systemd:NAME by LISTEN_FDS (sd_listen_fds(3))."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys

from tests.operator.daemon import Events, Preforkd, gone

# What systemd does: the sockets from descriptor 3 on, then the variables, then exec in the same process.
ACTIVATE = """
import os, sys
for target, source in enumerate(map(int, sys.argv[1].split(",")), start=3):
    os.dup2(source, target)
    os.set_inheritable(target, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2], LISTEN_FDNAMES=sys.argv[3])
os.execv(sys.executable, [sys.executable, *sys.argv[4:]])
"""


def activate(daemon: Preforkd, sockets: list[socket.socket], names: str) -> None:
    # Out of the way of the numbers from 3 on, which they are moved to.
    high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 50) for one in sockets]
    arguments = [",".join(map(str, high)), str(len(sockets)), names, *daemon.command()[1:]]
    daemon.process = subprocess.Popen(
        [sys.executable, "-c", ACTIVATE, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=high,
        env=daemon.environment(),
    )
    daemon._pids.add(daemon.process.pid)
    daemon.events = Events(daemon.process.stderr)
    for descriptor in high:
        os.close(descriptor)


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
