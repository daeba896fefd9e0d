"""WINCH: the workers rest, the master and its sockets stay; HUP brings them back."""

from __future__ import annotations

import signal

import pytest

from tests.operator.daemon import Preforkd, until


@pytest.mark.parametrize("broken", ["the file", "the application"])
def test_a_refused_reload_brings_them_back_as_they_were(daemon: Preforkd, broken: str):
    """Nobody waits for a file to be mended: who asked for the workers gets those of the configuration in force."""
    daemon.configure(workers=2)
    daemon.start()
    daemon.signal(signal.SIGWINCH)
    daemon.expect("workers_paused")
    until(lambda: not daemon.workers(), "the workers to retire")
    if broken == "the file":
        daemon.configure(workers=2, pool="workres = 2")
    else:
        daemon.configure(workers=2, app="site_of_test:nothing_of_the_kind")
    with daemon.connect() as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_refused")
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    until(lambda: len(daemon.workers()) == 2, "the workers")


def test_clients_wait_in_the_queue_while_the_workers_rest(daemon: Preforkd):
    """Nothing is refused: a connection made meanwhile is served after HUP."""
    daemon.configure(workers=2)
    daemon.start()
    daemon.signal(signal.SIGWINCH)
    daemon.expect("workers_paused")
    until(lambda: not daemon.workers(), "the workers to retire")
    with daemon.connect() as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_done", workers=2)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
