"""Listeners between processes."""

from __future__ import annotations

import os
import select
import socket

import pytest

from prefork.config.addresses import TcpAddress, UnixAddress
from prefork.errors import BindError
from prefork.system import privileges
from prefork.system.listeners import open_listener
from prefork.system.privileges import Identity
from tests.operator.daemon import PATIENCE


def test_of_many_starts_on_a_stale_socket_exactly_one_wins(child, tmp_path):
    """Nobody replaces the socket of one that has just replaced the stale one."""
    path = str(tmp_path / "web.sock")
    go, gate = os.pipe()
    done, hold = os.pipe()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()

    def start():
        os.close(gate)
        os.close(hold)
        os.read(go, 1)
        try:
            listener = open_listener("web", UnixAddress(path), backlog=64)
        except BindError:
            return False
        os.read(done, 1)  # the winner lives until the parent has looked
        listener.close(unlink=False)
        return True

    children = {}  # by their pidfds: pytest may have other children, which are none of ours
    for _ in range(8):
        one = child(start)
        children[os.pidfd_open(one.pid)] = one
    os.close(gate)
    results = []
    # The losers end by themselves; the winner when its gate is closed.
    while len(children) > 1:
        news = select.select(list(children), [], [], PATIENCE)[0]
        assert news, f"{len(children)} of them serve"
        for ended in news:
            results.append(children.pop(ended).result())
            os.close(ended)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    os.close(hold)
    [(winner, one)] = children.items()
    results.append(one.result())
    os.close(winner)
    assert sorted(results) == [False] * 7 + [True]
    os.close(go)
    os.close(done)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_a_low_port_without_rights_is_explained(child):
    """The message says what is missing."""

    def live():
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as first:
            if int(first.read()) <= 1:
                return "ports below 1024 need root or CAP_NET_BIND_SERVICE"  # not so here
        socket.getaddrinfo("127.0.0.1", 1)  # loads its codec from a library that others may not be able to read
        privileges.drop(Identity(54321, 54322, (54322,)))
        try:
            open_listener("web", TcpAddress("127.0.0.1", 1), backlog=1)
        except BindError as error:
            return str(error)
        return "bound"

    assert "ports below 1024 need root or CAP_NET_BIND_SERVICE" in child(live).result()
