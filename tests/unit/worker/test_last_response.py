"""The last response of a connection: whole, and read by its client whatever it still sends."""

from __future__ import annotations

import select
import time

import pytest

from prefork.worker import connection as connections
from prefork.worker.protocol import Directive
from tests.unit.worker.live import read_all, status_of

ONE = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def test_what_a_refused_client_still_sends_is_dropped_within_bounds(live, monkeypatch):
    """It can read its response, but not keep the connection by sending for ever."""
    monkeypatch.setattr(connections, "LINGER_MOST", 0.2)
    worker = live(lambda environ, start_response: [])
    with worker.connect() as client:
        client.sendall(b"BAD\r\n\r\n")
        assert status_of(read_all(client)) == 400
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.sendall(bytes(1 << 30))


def test_a_refused_client_that_stays_is_left(live, monkeypatch):
    """After a while the connection is closed from our side."""
    monkeypatch.setattr(connections, "LINGER_IDLE", 0.1)
    worker = live(lambda environ, start_response: [])
    with worker.connect() as client:
        client.sendall(b"BAD\r\n\r\n")
        assert status_of(read_all(client)) == 400
        worker.line.say(Directive.RETIRE)
        worker.wait()


def test_the_close_lingers_as_long_as_that_of_nginx():
    """H5. lingering_timeout and lingering_time of nginx."""
    assert (connections.LINGER_IDLE, connections.LINGER_MOST) == (5, 30)


def test_a_refused_upload_that_drips_can_read_its_answer(live, monkeypatch):
    """H5. However much it sends, and for longer than it may be silent."""
    monkeypatch.setattr(connections, "LINGER_IDLE", 1.0)
    worker = live(lambda environ, start_response: [])
    with worker.connect() as client:
        client.sendall(POST + b"Content-Length: 99999999999\r\n\r\n")
        started = time.monotonic()
        while time.monotonic() - started < 2:
            client.sendall(bytes(512 * 1024))
            select.select([], [], [], 0.02)
        answer = read_all(client)
    assert status_of(answer) == 413
    assert worker.line.begun == []


LAST = {
    "close": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "http/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "a posted body": POST + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("behind", [b"\r\n", ONE, bytes(300_000)])
@pytest.mark.parametrize("request_", LAST.values(), ids=LAST)
@pytest.mark.parametrize("stream", [False, True])
def test_the_last_response_is_whole_whatever_is_sent_behind_its_request(live, request_, behind, stream):
    """H4. RFC 9112 section 9.6: no reset takes away what the client has not read yet."""
    big = [b"x" * 250_000] * 4 if stream else [b"x" * 1_000_000]
    worker = live(lambda environ, start_response: start_response("200 OK", []) and iter(big))
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(request_)
        client.recv(1)
        client.sendall(behind)
        client.recv(1)
        client.sendall(b"\r\n")
        assert read_all(client).count(b"x") == 1_000_000
    assert len(worker.line.begun) == 1


@pytest.mark.parametrize("data", [b"", b"Content-Length: x\r\n", b"Host: a\r\nContent-Length: 99999999999\r\n"])
def test_a_refused_head_has_no_content(live, data):
    """H9. RFC 9110 section 9.3.2; what a GET would be told is told in the fields."""
    worker = live(lambda environ, start_response: start_response("200 OK", []) and [])
    answer = worker.ask(b"HEAD / HTTP/1.1\r\n" + data + b"\r\n")
    assert status_of(answer) in {400, 413}
    assert b"Content-Length: " in answer
    assert answer.endswith(b"\r\n\r\n")
    chunked = b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert worker.ask(chunked).endswith(b"\r\n\r\n")
    assert worker.ask(ONE + b"GET / HTTP/1.1\r\n\r\n").endswith(b"400 Bad Request\n")


def test_a_refusal_behind_responses_that_fill_the_socket_arrives(live):
    """H5. It waits its turn, as any other response does."""
    worker = live(lambda environ, start_response: start_response("200 OK", []) and [b"x" * 500_000])
    with worker.connect(receive_buffer=4096) as client:
        client.sendall(ONE * 20 + b"BAD\r\n\r\n")
        answer = read_all(client)
    assert answer.count(b"HTTP/1.1 200 OK") == 20
    assert answer.endswith(b"\r\n\r\n400 Bad Request\n")
