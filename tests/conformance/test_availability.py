"""Slow, silent, stopped and vanishing clients: they are cut off in time, and nobody else notices (HTTP.md, Availability).

Rules. Time passes only in ``select`` on the socket whose end is awaited. The impatient server's timeouts for head,
body and keep-alive are one second each.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.client import EndedError, Response
from tests.conformance.judge import Conversation, connect, records
from tests.conformance.servers import Server

SOON = 0.6  # no server of ours is as quick as this with a timeout of one second
LATE = 6.0  # and none as slow as this, however busy the machine is
MEBIBYTE = 1 << 20
TAKEN = 24 * MEBIBYTE
"""Of requests from a peer that does not read less than this is taken."""


def get(path: str, *lines: str) -> bytes:
    """A GET with a Host and these lines."""
    return "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: a", *lines, "")).encode()


def served(server: Server) -> float:
    """How long, in seconds, a plain request on a fresh connection takes: at least ten where the others occupy it."""
    started = time.monotonic()
    with Conversation(connect(server)) as talk:
        assert talk.ask(get("/tiny?well")).body == b"well"
    return time.monotonic() - started


def ended(talk: Conversation, started: float) -> tuple[float, Response | None]:
    """Wait for the end of the connection: after how many seconds, and what was answered before it."""
    try:
        response = talk.answer()
    except EndedError:
        response = None
    assert talk.source.rest() == b""
    return time.monotonic() - started, response


def drip(talk: Conversation, piece: bytes, every: float) -> None:
    """Send the piece again and again until the server answers or closes."""
    until = time.monotonic() + LATE
    while not select.select([talk.sock], [], [], every)[0]:
        assert time.monotonic() < until, "dripping extends the deadline"
        talk.send(piece)


@contextlib.contextmanager
def many(
    server: Server, count: int, send: Callable[[int], bytes], receive_buffer: int = 0
) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this and do nothing more."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(count):
            sock = socket.socket(socket.AF_INET)
            stack.callback(sock.close)
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(10)
            sock.connect(server.tcp)
            sock.sendall(send(number))
            found.append(sock)
        yield found


def peek(server: Server) -> list[dict[str, Any]]:
    """The application's records so far, but for those of ``served``."""
    with Conversation(connect(server)) as talk:
        found: list[dict[str, Any]] = json.loads(talk.ask(get("/_peek")).body)
        return [record for record in found if record["environ"]["QUERY_STRING"] != "well"]


def until(server: Server, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Ask for the records until this holds of them."""
    deadline = time.monotonic() + LATE
    while not holds(found := peek(server)):
        assert time.monotonic() < deadline, found
    return found


HEADS = (b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-", b"GET / HTTP/1.1\r\nHost: a\r\n")
BODIES = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n",
)


def stalled(server: Server, begun: tuple[bytes, ...]) -> list[tuple[bytes, float, Response | None]]:
    """Begin each of these at once, over TCP and over a unix socket, say no more, and see how each ends."""
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        talks = [
            (data, stack.enter_context(Conversation(connect(server, unix=unix))))
            for data in begun
            for unix in (False, True)
        ]
        for data, talk in talks:
            talk.send(data)
        return [(data, *ended(talk, started)) for data, talk in talks]


def test_a_head_that_does_not_come_is_cut_off(impatient: Server) -> None:
    """RFC 9110 15.5.9: a request that is not complete in time is answered 408, or its connection closed."""
    for data, seconds, response in stalled(impatient, HEADS):
        assert SOON < seconds < LATE, data
        assert response is None or response.status == 408, data
    assert records(impatient) == []


def test_dripping_does_not_extend_the_deadline_of_a_head(impatient: Server) -> None:
    """HTTP.md: the head has a total deadline."""
    started = time.monotonic()
    with Conversation(connect(impatient)) as talk:
        talk.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        drip(talk, b"X: y\r\n", 0.1)
        seconds, response = ended(talk, started)
    assert SOON < seconds < LATE
    assert response is None or response.status == 408


def test_dripping_empty_lines_does_not_keep_a_connection(impatient: Server) -> None:
    """HTTP.md, RFC 9112 2.2: empty lines before a request are no request."""
    started = time.monotonic()
    with Conversation(connect(impatient)) as talk:
        drip(talk, b"\r\n", 0.1)
        seconds, response = ended(talk, started)
    assert seconds < LATE
    assert response is None or response.status in (400, 408)


def test_the_second_head_has_its_own_deadline(impatient: Server) -> None:
    """HTTP.md: the deadline is a head's, not a connection's."""
    with Conversation(connect(impatient)) as talk:
        for word in ("a", "b", "c"):
            assert talk.ask(get(f"/tiny?{word}")).body == word.encode()
            select.select([talk.sock], [], [], 0.5)
        started = time.monotonic()
        talk.send(b"GET / HT")
        seconds, response = ended(talk, started)
    assert SOON / 2 < seconds < LATE
    assert response is None or response.status == 408


def test_a_silent_connection_is_closed(impatient: Server) -> None:
    """HTTP.md: a connection on which nothing is ever sent is closed."""
    for _, seconds, response in stalled(impatient, (b"",)):
        assert SOON < seconds < LATE
        assert response is None or response.status == 408


def test_an_idle_kept_connection_is_closed_without_a_word(impatient: Server) -> None:
    """RFC 9112 9.5, 9.8: an idle connection may be closed at any time; an answer there would be taken for the next one's."""
    with Conversation(connect(impatient)) as talk:
        assert talk.ask(get("/tiny?a")).body == b"a"
        started = time.monotonic()
        seconds, response = ended(talk, started)
    assert SOON < seconds < LATE
    assert response is None


def test_a_body_that_stalls_is_cut_off(impatient: Server) -> None:
    """RFC 9110 15.5.9, HTTP.md: a stalled body ends by 408 or a closed connection, and never looks whole."""
    for data, seconds, response in stalled(impatient, BODIES):
        assert SOON < seconds < LATE, data
        assert response is None or response.status == 408, data
    assert all(record["body"] is None for record in records(impatient))


def test_a_slow_body_that_moves_is_served(impatient: Server) -> None:
    """HTTP.md: the body's timeout is without a byte of the body; a slow upload that moves is no stall."""
    with Conversation(connect(impatient)) as talk:
        talk.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        for letter in b"abcdef":
            assert not select.select([talk.sock], [], [], 0.35)[0], "cut off while it moves"
            talk.send(bytes([letter]))
        assert talk.answer().body == b"abcdef"
    records(impatient)


def test_a_busy_connection_outlives_the_keep_alive_timeout(impatient: Server) -> None:
    """RFC 9112 9.3: the keep-alive timeout counts from the last answer."""
    with Conversation(connect(impatient)) as talk:
        for _ in range(5):
            assert talk.ask(get("/tiny?a")).body == b"a"
            assert not select.select([talk.sock], [], [], 0.4)[0], "closed while in use"
        assert talk.ask(get("/tiny?a")).body == b"a"


def test_a_client_that_never_stops_sending_is_cut_off(impatient: Server) -> None:
    """RFC 9112 9.6, HTTP.md: the lingering close is bounded."""
    with Conversation(connect(impatient)) as talk:
        assert talk.ask(b"GET / HTTP/1.1\r\n\r\n").status == 400
        assert talk.source.rest() == b""
        deadline = time.monotonic() + 30 + LATE
        while not talk.deaf:
            assert time.monotonic() < deadline, "the server still takes what is sent after its refusal"
            select.select([], [], [], 0.05)
            talk.send(b"z" * 1024)


def test_others_are_served_beside_slow_heads(server: Server) -> None:
    """HTTP.md: 64 slow heads and 20 silent connections occupy no worker."""
    with many(server, 64, lambda n: b"GET / HTTP/1.1\r\nX-%d: " % n), many(server, 20, lambda _: b""):
        assert max(served(server) for _ in range(30)) < LATE


def test_others_are_served_beside_slow_bodies(server: Server) -> None:
    """HTTP.md: 100 slow bodies (slowhttptest -B) occupy no worker."""
    begun = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"b" * 1000
    with many(server, 100, lambda _: begun):
        assert max(served(server) for _ in range(30)) < LATE
    assert all(record["body"] is None for record in records(server))


def test_others_are_served_beside_expecting_clients(server: Server) -> None:
    """RFC 9110 10.1.1: a client that waits for its 100 occupies nobody, whether it then sends or not."""
    begun = b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with many(server, 50, lambda _: begun):
        assert max(served(server) for _ in range(30)) < LATE
    assert all(record["body"] is None for record in records(server))


@pytest.mark.parametrize(
    "path",
    [
        "/stream?mib=4",
        "/stream?mib=4&sized",
        "/sized?length=4000000&pieces=4000000",
        "/wrapped?kind=file&size=4000000&length=4000000",
    ],
)
def test_others_are_served_beside_slow_readers(server: Server, path: str) -> None:
    """HTTP.md: 100 clients that do not read their answers (slowhttptest -X) occupy no worker."""
    with many(server, 100 if "stream" in path else 20, lambda _: get(path), receive_buffer=4096):
        assert max(served(server) for _ in range(30)) < LATE
    until(server, lambda found: all(record["closes"] == 1 for record in found))
    records(server)


def test_others_are_served_beside_idle_connections(server: Server) -> None:
    """HTTP.md: 300 idle kept connections cost nobody anything, and each still works."""
    with many(server, 300, lambda n: get(f"/tiny?{n}")) as socks:
        assert max(served(server) for _ in range(30)) < LATE
        for number, sock in enumerate(socks):
            assert Conversation(sock).answer().body == str(number).encode()


def test_an_answer_waits_for_its_reader(server: Server) -> None:
    """H1. A 64 MiB answer to a stopped peer is taken from the application whole; it goes out when the peer reads."""
    with Conversation(connect(server)) as talk:
        talk.send(get("/stream?mib=64&sized"))
        found = until(server, lambda found: bool(found) and found[0]["closes"] == 1)
        assert found[0]["sent"] == 64 * 16
        response = talk.answer()
    assert response.complete
    assert len(response.body) == 64 * MEBIBYTE
    records(server)


def test_requests_wait_for_their_answers_to_be_read(server: Server) -> None:
    """HTTP.md, RFC 9112 9.3.2: a client that sends and never reads is not read from without bound."""
    request = get("/sized?length=65536&pieces=65536", "X: " + "x" * 4000)
    with Conversation(connect(server)) as talk:
        talk.sock.setblocking(False)
        sent = 0
        while sent < TAKEN and select.select([], [talk.sock], [], 1.0)[1]:
            with contextlib.suppress(BlockingIOError):
                sent += talk.sock.send(request * 16)
        assert sent < TAKEN
        assert served(server) < LATE
    until(server, lambda found: all(record["closes"] == 1 for record in found))
    records(server)


def vanish(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("leave", [socket.socket.close, vanish])
@pytest.mark.parametrize("path", ["/stream?mib=64", "/stream?mib=64&sized"])
def test_close_is_called_once_when_the_client_leaves(
    server: Server, path: str, leave: Callable[[socket.socket], None]
) -> None:
    """PEP 3333, HTTP.md: close() exactly once, on disconnect too."""
    sock = connect(server)
    sock.sendall(get(path))
    assert sock.recv(1000)
    leave(sock)
    until(server, lambda found: bool(found) and found[0]["closes"] >= 1)
    found = records(server)
    assert [record["closes"] for record in found] == [1]
    assert found[0]["sent"] < 64 * 16


@pytest.mark.parametrize("leave", [socket.socket.close, vanish])
@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_clients_that_leave_harm_nobody(server: Server, begun: bytes, leave: Callable[[socket.socket], None]) -> None:
    """HTTP.md: a client may go at any point; no body that was cut short reaches the application as whole."""
    for _ in range(10):
        sock = connect(server)
        sock.sendall(begun)
        leave(sock)
    assert served(server) < LATE
    assert all(record["body"] is None for record in records(server))


def test_a_refused_upload_can_read_its_answer(started: Callable[[str], Server]) -> None:
    """RFC 9112 9.6, HTTP.md: the close lingers, so that a client still sending reads why it was refused."""
    server = started("small")
    with Conversation(connect(server)) as talk:
        talk.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n")
        for _ in range(32):
            talk.send(b"b" * 65536)
        response = talk.answer()
    assert response.status == 413
    assert response.values("connection") == ["close"]
    assert served(server) < LATE


def test_an_upload_of_fifty_mebibytes_arrives(server: Server) -> None:
    """HTTP.md: a large body reaches the application whole, others being served meanwhile."""
    size = 50 * MEBIBYTE
    with Conversation(connect(server)) as talk:
        talk.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        piece = bytes(range(256)) * 4096
        for number in range(50):
            talk.send(piece)
            if number % 10 == 0:
                assert served(server) < LATE
        response = talk.answer()
    assert len(response.body) == size
    assert response.body == piece * 50
    with Conversation(connect(server)) as talk:
        talk.ask(get("/_calls"))
