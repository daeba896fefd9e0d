"""Listeners on unix sockets."""

from __future__ import annotations

import os
import socket
import stat

from tests.operator.daemon import Preforkd


def unix(daemon: Preforkd, more: str = "") -> str:
    return f'[listen.local]\naddress = "unix:{daemon.home}/web.sock"\n{more}\n'


def ask(path: object) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return client.recv(1000)


def test_it_serves_with_the_mode_of_the_file_whatever_the_umask(daemon: Preforkd):
    """PEERS fault 19: umask 0 does not make the socket the world's."""
    daemon.configure(listen=unix(daemon, 'mode = "0o640"'))
    daemon.start(ready=False, umask=0)
    daemon.expect("service_ready")
    path = daemon.home / "web.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert ask(path).startswith(b"HTTP/1.1 200")
    daemon.stop()
    assert not path.exists()


def test_a_stale_socket_is_replaced_and_a_living_servers_is_not(daemon: Preforkd):
    """PEERS fault 20: a second instance neither steals the path nor unlinks it at its end."""
    path = daemon.home / "web.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    daemon.configure(listen=unix(daemon))
    daemon.start(ready=False)
    daemon.expect("service_ready")
    inode = path.stat().st_ino
    text = daemon.file.read_text()
    daemon.file.write_text(text.replace("preforkd.pid", "second.pid"))
    second = daemon.run()
    assert second.returncode == 71
    assert str(path) in second.stderr
    assert path.stat().st_ino == inode
    assert ask(path).startswith(b"HTTP/1.1 200")


def test_a_file_that_is_no_socket_is_never_touched(daemon: Preforkd):
    """A typing error in the path must not cost a file."""
    path = daemon.home / "web.sock"
    path.write_text("precious")
    daemon.configure(listen=unix(daemon))
    assert daemon.run().returncode == 78
    assert path.read_text() == "precious"
    assert os.listdir(daemon.home)
