"""WINCH: the workers rest, the master and its sockets stay; HUP brings them back."""

from __future__ import annotations

import signal

from tests.operator.daemon import Preforkd, until


def test_clients_wait_in_the_queue_while_the_workers_rest(daemon: Preforkd):
    """Nothing is refused: a connection made meanwhile is served after HUP."""
    daemon.configure(workers=2)
    daemon.start()
    daemon.signal(signal.SIGWINCH)
    daemon.expect("workers_resting")
    until(lambda: not daemon.workers(), "the workers to retire")
    with daemon.connect() as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_done", workers=2)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
