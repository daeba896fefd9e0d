"""The service manager keeps the listening sockets while no master runs: a restart refuses nobody."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.system import notify
from prefork.system.signals import RESTART
from tests.operator.daemon import PATIENCE, Preforkd, gone, until
from tests.operator.manager import Manager

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path / "notify")
    yield one
    one.close()


def started(daemon: Preforkd, manager: Manager) -> None:
    daemon.start(env=manager.environment(daemon, FDSTORE="8"))
    manager.next("FDSTORE")


def answer(client: socket.socket) -> bytes:
    client.settimeout(PATIENCE)
    return client.recv(1000)


@pytest.mark.parametrize("signum", [RESTART, signal.SIGKILL])
def test_who_connects_while_no_master_runs_is_served_by_the_next(daemon: Preforkd, manager: Manager, signum: int):
    """After a stop for a restart, and after a death: by the queue of the socket, which is the same one."""
    daemon.configure()
    started(daemon, manager)
    workers = daemon.workers()
    os.kill(daemon.pid, signum)
    daemon.wait()
    assert all(gone(pid) for pid in workers)
    with daemon.connect() as client:
        client.sendall(REQUEST)
        manager.start_again(daemon)
        assert answer(client).startswith(b"HTTP/1.1 200")
    daemon.expect("service_ready")
    assert daemon.get("/environ?LISTEN_FDNAMES")[1] == b""
    assert daemon.get("/environ?FDSTORE")[1] == b""


def test_in_a_restart_requests_in_flight_finish_and_newcomers_wait_for_the_next_master(
    daemon: Preforkd, manager: Manager
):
    """Nobody new is taken by a worker that is about to go."""
    daemon.configure()
    started(daemon, manager)
    with daemon.connect() as busy, daemon.connect() as newcomer:
        busy.sendall(REQUEST.replace(b"/ ", b"/wait ", 1))
        until((daemon.home / "waiting").exists, "the request")
        os.kill(daemon.pid, RESTART or 0)
        manager.next("STOPPING")
        with daemon.connect() as late:
            late.sendall(REQUEST)
            (daemon.home / "go").touch()
            assert answer(busy).endswith(b"waited")
            assert daemon.wait() == 0
            manager.start_again(daemon)
            newcomer.sendall(REQUEST)
            assert answer(late).startswith(b"HTTP/1.1 200")


def test_a_stop_keeps_nothing(daemon: Preforkd, manager: Manager):
    """Or clients would wait for a master that does not come."""
    daemon.configure()
    started(daemon, manager)
    assert daemon.stop() == 0
    manager.next("FDSTOREREMOVE")
    assert manager.store == {}
    with pytest.raises(ConnectionRefusedError):
        daemon.connect()


def test_without_a_store_a_restart_is_a_stop(daemon: Preforkd):
    """Whoever sends the signal by hand drops nobody who has connected."""
    daemon.configure()
    daemon.start()
    os.kill(daemon.pid, RESTART or 0)
    assert daemon.wait() == 0
    assert daemon.events.named("master_stopping")[0]["graceful"] is True


def test_a_unix_socket_keeps_its_file(daemon: Preforkd, manager: Manager):
    """As long as the file is there, clients reach the queue; if it went, the listener is opened anew."""
    path = daemon.home / "web.sock"
    daemon.configure(listen=f'[listen.local]\naddress = "unix:{path}"')
    daemon.start(ready=False, env=manager.environment(daemon, FDSTORE="8"))
    manager.next("FDSTORE")
    for removed in (False, True):
        os.kill(daemon.pid, RESTART or 0)
        assert daemon.wait() == 0
        if removed:
            path.unlink()
        with socket.socket(socket.AF_UNIX) as client:
            if not removed:
                client.connect(str(path))
            manager.start_again(daemon)
            daemon.expect("service_ready")
            if removed:
                client.connect(str(path))
            client.sendall(REQUEST)
            assert answer(client).startswith(b"HTTP/1.1 200")


def test_what_a_new_configuration_has_not_is_not_kept(daemon: Preforkd, manager: Manager):
    """By a reload, and by a restart: its port is free, its file is gone."""
    path = daemon.home / "web.sock"
    more = f'[listen.http]\naddress = "127.0.0.1:0"\n[listen.local]\naddress = "unix:{path}"'
    daemon.configure(listen=more)
    started(daemon, manager)
    manager.next("FDSTORE")
    assert len(manager.store) == 2
    daemon.configure()
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert manager.next("FDSTOREREMOVE")["FDNAME"] == notify.name_of(f"unix:{path}")
    daemon.configure(listen=more)
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    manager.next("FDSTORE")
    os.kill(daemon.pid, RESTART or 0)
    assert daemon.wait() == 0
    assert path.exists()
    daemon.configure()
    manager.start_again(daemon)
    manager.next("FDSTOREREMOVE")
    assert list(manager.store) == [notify.name_of("127.0.0.1:0")]
    assert not path.exists()


def test_another_address_of_the_same_port_can_be_had(daemon: Preforkd, manager: Manager):
    """What is kept of the old one is given back before the new one is bound."""
    daemon.configure()
    started(daemon, manager)
    os.kill(daemon.pid, RESTART or 0)
    assert daemon.wait() == 0
    daemon.configure(listen=f'[listen.http]\naddress = "0.0.0.0:{daemon.port}"')
    manager.start_again(daemon)
    manager.next("FDSTOREREMOVE")
    daemon.expect("service_ready")
    assert daemon.get() == (200, b"hello")


def test_a_successor_goes_on_with_the_store(daemon: Preforkd, manager: Manager):
    """What it opens is kept, what it dropped is not, and what stays is kept still."""
    daemon.configure()
    started(daemon, manager)
    daemon.configure(listen='[listen.http]\naddress = "127.0.0.2:0"')
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    assert daemon.stop() == 0
    manager.next("FDSTOREREMOVE")
    assert list(manager.store) == [notify.name_of("127.0.0.2:0")]
    daemon.signal(signal.SIGTERM, successor)


def test_names_survive_the_way_there_and_back():
    """A colon separates names in LISTEN_FDNAMES; what other units name their sockets is not ours."""
    for address in ("0.0.0.0:80", "[::]:8443", "unix:/run/a b:c%d.sock", "unix:@abstract"):
        name = notify.name_of(address)
        assert ":" not in name
        assert name.isascii()
        assert notify.address_of(name) == address
    assert notify.address_of("http") == ""
    assert notify.name_of("unix:/" + "é" * 50) == ""
