"""USR2: a new master beside the old one on the same sockets; then TERM to one of them."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from contrib.bench.clients import load
from prefork.system.signals import END
from tests.operator.daemon import Preforkd, children, gone, until


def test_then_term_completes_the_upgrade(daemon: Preforkd):
    """The old master goes, the new one has the pidfile, and no request is lost."""
    daemon.configure(workers=2)
    daemon.start()
    with load(daemon.port) as clients:
        daemon.signal(signal.SIGUSR2)
        new = daemon.successor()
        oldbin = daemon.pidfile.with_name("preforkd.pid.oldbin")
        assert daemon.pidfile.read_text() == f"{new}\n"
        assert oldbin.read_text() == f"{daemon.pid}\n"
        assert daemon.stop() == 0
        daemon.expect("upgrade_completed")
        assert not oldbin.exists()
        assert len(children(new)) == 2
    assert clients.problems == []
    assert daemon.get() == (200, b"hello")
    daemon.signal(signal.SIGTERM, new)
    assert gone(new)
    assert not daemon.pidfile.exists()


def test_then_back_out_of_the_upgrade(daemon: Preforkd):
    """TERM to the new master: the old one serves as before and has its pidfile again; USR2 may be tried again."""
    daemon.configure(workers=2)
    daemon.start()
    with load(daemon.port) as clients:
        for _ in range(2):
            daemon.signal(signal.SIGUSR2)
            new = daemon.successor()
            daemon.signal(signal.SIGTERM, new)
            daemon.expect("upgrade_backed_out", successor=new)
            until(lambda: daemon.pidfile.read_text() == f"{daemon.pid}\n", "the pidfile to be put back")
            assert not daemon.pidfile.with_name("preforkd.pid.oldbin").exists()
    assert clients.problems == []


def test_a_successor_that_cannot_boot_changes_nothing(daemon: Preforkd):
    """PEERS fault 1: its reason is in the old master's log, the pidfile is put back, the old workers serve."""
    daemon.configure()
    daemon.start()
    site = daemon.home / "site_of_test.py"
    sound = site.read_text()
    site.write_text("import the_module_that_is_missing\n")
    daemon.signal(signal.SIGUSR2)
    assert "the_module_that_is_missing" in daemon.expect("upgrade_failed")["reason"]
    daemon.expect("upgrade_ended")
    until(lambda: daemon.pidfile.read_text() == f"{daemon.pid}\n", "the pidfile to be put back")
    assert daemon.get()[0] == 200
    site.write_text(sound)
    daemon.signal(signal.SIGUSR2)
    daemon.successor()


def test_a_second_usr2_is_refused_while_the_first_is_on(daemon: Preforkd):
    """One successor at a time, and none of a successor whose predecessor still runs."""
    daemon.configure()
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    new = daemon.successor()
    daemon.signal(signal.SIGUSR2)
    assert str(new) in daemon.expect("upgrade_refused")["reason"]
    daemon.signal(signal.SIGUSR2, new)
    assert "old master" in daemon.expect("upgrade_refused")["reason"]


def test_upgrade_auto_retires_the_old_master_by_itself(daemon: Preforkd):
    """master.upgrade = "auto": one signal is the whole upgrade."""
    daemon.configure(workers=2, master='upgrade = "auto"')
    daemon.start()
    with load(daemon.port) as clients:
        daemon.signal(signal.SIGUSR2)
        new = daemon.successor()
        assert daemon.wait() == 0
        daemon.expect("upgrade_completed")
    assert clients.problems == []
    assert daemon.pidfile.read_text() == f"{new}\n"


def test_a_unix_socket_survives_the_upgrade_and_the_way_back(daemon: Preforkd):
    """Neither master unlinks the path while the other serves it."""
    daemon.configure(
        listen=f'[listen.http]\naddress = "{daemon.address}"\n[listen.local]\naddress = "unix:{daemon.home}/web.sock"'
    )
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    new = daemon.successor()
    daemon.signal(signal.SIGTERM, new)
    daemon.expect("upgrade_backed_out")
    assert (daemon.home / "web.sock").is_socket()
    daemon.signal(signal.SIGUSR2)
    daemon.successor()
    assert daemon.stop() == 0
    assert (daemon.home / "web.sock").is_socket()


def test_a_stop_of_the_whole_service_stops_both_masters(daemon: Preforkd):
    """As systemd asks for it: the successor finishes what it has, the old master waits for it, and nothing is left."""
    local, control = daemon.home / "web.sock", daemon.home / "control.sock"
    listen = f'[listen.http]\naddress = "{daemon.address}"\n[listen.local]\naddress = "unix:{local}"'
    daemon.configure(listen=listen, more=f'[control]\nsocket = "{control}"')
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    daemon.signal(signal.SIGWINCH)
    until(lambda: not daemon.workers(), "the old workers to retire")
    with daemon.connect() as busy:
        busy.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until((daemon.home / "waiting").exists, "the request")
        os.kill(daemon.pid, END or 0)
        for _ in range(2):
            daemon.expect("master_stopping")
        (daemon.home / "go").touch()
        assert busy.recv(1000).endswith(b"waited")
    assert daemon.wait() == 0
    assert gone(successor)
    left = (daemon.pidfile, daemon.pidfile.with_name(daemon.pidfile.name + ".oldbin"), local, control)
    assert [path for path in left if path.exists()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="some kernels let only root filter what arrives at a socket")
def test_nobody_is_let_in_by_an_old_master_that_outlives_the_new_one(daemon: Preforkd):
    """The whole service stops while the old master still has a request: its worker would reset who connects now."""
    daemon.configure()
    daemon.start()
    with daemon.connect() as busy:
        busy.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until((daemon.home / "waiting").exists, "the request")
        daemon.signal(signal.SIGUSR2)
        successor = daemon.successor()
        daemon.signal(signal.SIGTERM)
        daemon.expect("master_stopping")
        os.kill(successor, END or 0)
        assert gone(successor)
        with socket.socket() as newcomer:
            newcomer.settimeout(0.2)
            with pytest.raises(OSError, match=r"timed out|refused"):
                newcomer.connect(("127.0.0.1", daemon.port))
        (daemon.home / "go").touch()
        assert busy.recv(1000).endswith(b"waited")
    assert daemon.wait() == 0


def test_then_the_old_master_is_killed(daemon: Preforkd):
    """M15. It can remove nothing of its own: the new one removes the second name of its pidfile."""
    daemon.configure()
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    new = daemon.successor()
    oldbin = daemon.pidfile.with_name("preforkd.pid.oldbin")
    assert oldbin.exists()
    daemon.signal(signal.SIGKILL)
    daemon.expect("upgrade_completed")
    until(lambda: not oldbin.exists(), "the second name to go")
    assert daemon.pidfile.read_text() == f"{new}\n"
    assert daemon.get() == (200, b"hello")


def test_then_nothing_of_the_handoff_is_inherited(daemon: Preforkd):
    """M15. Neither the new master nor what it forks shows what was handed over (proc(5), environ)."""
    daemon.configure()
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    new = daemon.successor()
    for pid in (new, *children(new)):
        assert b'"listeners"' not in Path(f"/proc/{pid}/environ").read_bytes()
    assert daemon.stop() == 0
    daemon.expect("upgrade_completed")
    assert daemon.get("/environ?PREFORK_HANDOFF") == (200, b"")
