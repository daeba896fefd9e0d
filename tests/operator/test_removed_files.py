"""The file of a unix listener, or of the control socket, was removed or replaced (P11)."""

from __future__ import annotations

import os
import signal
import socket
import stat

import pytest

from tests.operator.control import asked, section
from tests.operator.daemon import Preforkd, until
from tests.operator.test_unix_socket import ask

GONE = "the file of the socket was removed or replaced"


def start(daemon: Preforkd, **config: str) -> None:
    listen = f'[listen.http]\naddress = "127.0.0.1:0"\n[listen.local]\naddress = "unix:{daemon.home}/web.sock"\nmode = "0o640"'
    daemon.configure(workers=2, listen=listen, more=section(daemon), **config)
    daemon.start()
    daemon.expect("listener_opened", name="local")
    daemon.expect("control_opened")


def remove(path: os.PathLike[str]) -> None:
    os.unlink(path)


def leave_stale(path: os.PathLike[str]) -> None:
    """A dead server's socket in its place."""
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))


@pytest.mark.parametrize("deed", [remove, leave_stale])
def test_hup_binds_both_anew_and_the_log_says_so(daemon: Preforkd, deed):
    """With the modes of the configuration; the TCP listener is left as it is."""
    start(daemon)
    web, control = daemon.home / "web.sock", daemon.home / "control.sock"
    deed(web)
    deed(control)
    daemon.signal(signal.SIGHUP)
    daemon.expect("listener_opened", name="local", reason=GONE)
    daemon.expect("control_opened", reason=GONE)
    daemon.expect("reload_done")
    assert ask(web).startswith(b"HTTP/1.1 200")
    assert stat.S_IMODE(web.stat().st_mode) == 0o640
    assert asked(daemon, "status")["generation"] == 2
    assert daemon.get()[0] == 200
    assert len([event for event in daemon.events.named("listener_opened") if event["name"] == "http"]) == 1
    assert daemon.stop() == 0
    assert not web.exists()
    assert not control.exists()


def test_a_reload_that_is_refused_leaves_nothing_behind(daemon: Preforkd):
    """The path is as it was, and the next reload that succeeds binds it."""
    start(daemon)
    web, control = daemon.home / "web.sock", daemon.home / "control.sock"
    site = daemon.home / "site_of_test.py"
    text = site.read_text()
    remove(web)
    remove(control)
    site.write_text("raise RuntimeError('broken')\n")
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_refused")
    until(lambda: not web.exists() and not control.exists(), "the paths to be as they were")
    assert daemon.get()[0] == 200
    site.write_text(text)
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert ask(web).startswith(b"HTTP/1.1 200")
    assert asked(daemon, "status")["ok"]


def test_what_is_there_instead_is_not_touched(daemon: Preforkd):
    """A file, or another server: the reload is refused in a sentence, and the service goes on."""
    start(daemon)
    web = daemon.home / "web.sock"
    remove(web)
    web.write_text("precious")
    daemon.signal(signal.SIGHUP)
    assert str(web) in daemon.expect("reload_refused")["reason"]
    assert web.read_text() == "precious"
    remove(web)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(web))
        other.listen()
        daemon.signal(signal.SIGHUP)
        assert "another process listens there" in daemon.expect("reload_refused")["reason"]
        assert web.exists()
    assert daemon.get()[0] == 200


def test_a_successor_binds_them_anew(daemon: Preforkd):
    """USR2: what the old master has open leads nowhere."""
    start(daemon)
    web, control = daemon.home / "web.sock", daemon.home / "control.sock"
    remove(web)
    remove(control)
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    assert ask(web).startswith(b"HTTP/1.1 200")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert ask(web).startswith(b"HTTP/1.1 200")
    assert asked(daemon, "status")["pid"] == successor
    daemon.signal(signal.SIGTERM, successor)
    until(lambda: not web.exists() and not control.exists(), "the successor's end")
