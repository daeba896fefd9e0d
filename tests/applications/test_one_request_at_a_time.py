"""A thread that runs an application has one request, from the call to ``close()``, whatever its clients do (H1, H2)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.applications.conftest import HERE
from tests.applications.counting import PIECE, PIECES
from tests.operator.daemon import PATIENCE, Preforkd

WHOLE = PIECE * PIECES
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Preforkd]:
    """The application that counts, in one worker."""
    daemon = Preforkd(tmp_path)
    daemon.configure(app="counting:application", pool=f'python_path = ["{HERE}"]')
    try:
        yield daemon.start()
    finally:
        daemon.end()


def ask(daemon: Preforkd, head: str, *lines: str, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    client.settimeout(PATIENCE)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", daemon.port))
    client.sendall("\r\n".join([f"{head} HTTP/1.1", "Host: a", "Connection: close", *lines, "", ""]).encode())
    return client


def body(client: socket.socket) -> bytes:
    """The body of an answer, chunked or not, to the end of the connection."""
    with client, client.makefile("rb") as file:
        assert file.readline().startswith(b"HTTP/1.1 200 ")
        fields = list(iter(file.readline, b"\r\n"))
        if b"Transfer-Encoding: chunked\r\n" not in fields:
            return file.read()
        pieces = []
        while size := int(file.readline(), 16):
            pieces.append(file.read(size))
            assert file.read(2) == b"\r\n"
        assert file.read() == b"\r\n"
        return b"".join(pieces)


def counts(daemon: Preforkd) -> dict[str, int]:
    found: dict[str, int] = json.loads(body(ask(daemon, "GET /counted")))
    return found


def run(*works: Callable[[], object]) -> None:
    """All at once; raises what one of them raises."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("path", ["/stream", "/written", "/wrapped"])
def test_two_exchanges_are_never_open_in_one_thread(counting: Preforkd, path: str):
    """H1. Slow readers of big streams, fast readers of them, small requests and expecting uploads, all at once."""
    served = threading.Event()

    def slow() -> None:
        client = ask(counting, f"GET {path}", receive_buffer=4096)
        taken = b""
        while not served.wait(0.01):
            taken += client.recv(10, socket.MSG_PEEK)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert body(client) == WHOLE

    def fast() -> None:
        assert body(ask(counting, f"GET {path}")) == WHOLE

    def small() -> None:
        for number in range(20):
            assert body(ask(counting, "GET /echo")) == b""
            client = ask(counting, "POST /echo", "Expect: 100-continue", "Content-Length: 5")
            assert client.recv(1000) == CONTINUE
            client.sendall(b"%05d" % number)
            assert body(client) == b"%05d" % number

    def fasts() -> None:
        try:
            run(small, small, fast, fast)
        finally:
            served.set()

    run(slow, slow, slow, fasts)
    assert counts(counting) == {"most": 1, "threads": 1, "calls": 3 + 2 + 80 + 1}


def test_a_stream_is_closed_before_its_slow_reader_has_it(counting: Preforkd):
    """H1. A reader that takes nothing occupies nobody, and has everything once it reads."""
    with ask(counting, "GET /stream", receive_buffer=4096) as client:
        assert client.recv(1, socket.MSG_PEEK)
        assert counts(counting) == {"most": 1, "threads": 1, "calls": 2}
        assert body(client) == WHOLE
    assert counting.events.named("worker_stuck") == []


def test_two_expecting_uploads_around_a_lock(counting: Preforkd):
    """H2. Neither holds the lock before its body is there, whichever comes first."""
    first, second = (ask(counting, "POST /echo", "Expect: 100-continue", "Content-Length: 1") for _ in range(2))
    assert first.recv(1000) == CONTINUE
    assert second.recv(1000) == CONTINUE
    second.sendall(b"2")
    assert body(second) == b"2"
    first.sendall(b"1")
    assert body(first) == b"1"


def test_an_object_that_belongs_to_a_thread(counting: Preforkd):
    """H2. A connection of sqlite3 that one request made serves the next, expecting or not."""
    for _ in range(2):
        for lines in (["Expect: 100-continue"], []):
            client = ask(counting, "POST /stored", *lines, "Content-Length: 4")
            if lines:
                assert client.recv(1000) == CONTINUE
            client.sendall(b"text")
            assert body(client) == b"text"
