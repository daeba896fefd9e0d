"""TERM lets requests in flight finish, QUIT and INT do not."""

from __future__ import annotations

import signal
import threading

from tests.operator.daemon import Preforkd, until


def in_flight(daemon: Preforkd) -> tuple[threading.Thread, list[object]]:
    """A request that the application has, until the file ``go`` appears."""
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(daemon.get("/wait"))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until((daemon.home / "waiting").exists, "the request to be taken up")
    return thread, answers


def test_term_waits_for_the_request_in_flight(daemon: Preforkd):
    """The client gets its whole answer; then the master exits 0."""
    daemon.configure()
    daemon.start()
    thread, answers = in_flight(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.expect("master_stopping", graceful=True)
    (daemon.home / "go").touch()
    assert daemon.wait() == 0
    thread.join()
    assert answers == [(200, b"waited")]


def test_term_waits_no_longer_than_graceful(daemon: Preforkd):
    """What is still running then is said with its stacks, its client is told, and it is ended."""
    daemon.configure(timeout='graceful = "200ms"')
    daemon.start()
    thread, answers = in_flight(daemon)
    daemon.signal(signal.SIGTERM)
    stuck = daemon.expect("worker_stuck", cause="graceful timeout")
    assert "site_of_test.py" in stuck["stacks"]
    assert daemon.wait() == 0
    thread.join()
    assert answers == [(504, b"504 Gateway Timeout\n")]


def test_quit_drops_what_is_in_flight(daemon: Preforkd):
    """Quick is quick: a worker in a request is killed after two seconds at most."""
    daemon.configure()
    daemon.start()
    thread, answers = in_flight(daemon)
    daemon.signal(signal.SIGQUIT)
    assert daemon.wait() == 0
    thread.join()
    assert isinstance(answers[0], Exception)


def test_connections_in_the_accept_queue_are_served_at_term(daemon: Preforkd):
    """PEERS fault 27: accepted or queued, what had connected before the stop is answered."""
    daemon.configure()
    daemon.start()
    thread, answers = in_flight(daemon)
    queued = [daemon.connect() for _ in range(6)]
    for client in queued:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    daemon.signal(signal.SIGTERM)
    daemon.expect("master_stopping")
    (daemon.home / "go").touch()
    got = []
    for client in queued:
        with client:
            got.append(client.recv(100)[:12])
    assert got == [b"HTTP/1.1 200"] * 6
    assert daemon.wait() == 0
    thread.join()
    assert answers == [(200, b"waited")]


def test_a_second_term_changes_nothing_and_quit_hastens(daemon: Preforkd):
    """TERM, TERM, then QUIT: the last one ends it."""
    daemon.configure()
    daemon.start()
    thread, _answers = in_flight(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.expect("master_stopping")
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGQUIT)
    assert daemon.wait() == 0
    thread.join()
