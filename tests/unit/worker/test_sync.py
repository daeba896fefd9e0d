"""The loop: many clients at once, one request at a time; nobody waits for the slow; it leaves without losing anybody."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import threading
import time

import pytest

from prefork.worker import sync
from prefork.worker.protocol import Directive, WorkerContext
from prefork.worker.settings import HttpSettings, Settings, TimeoutSettings
from tests.unit.worker.live import PATIENCE, Line, Log, body_of, read_all, read_until, status_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body or b"ok"]


def test_a_connection_is_kept(live):
    """RFC 9112 section 9.3: HTTP/1.1 persists."""
    with live(echo).connect() as client:
        for _ in range(3):
            client.sendall(GET)
            assert read_until(client, b"ok").count(b"HTTP/1.1 200") == 1


def test_pipelined_requests_are_answered_in_order(live):
    """Five hundred in one go, with bodies between them."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode() + environ["wsgi.input"].read() + b";"]

    parts = []
    for n in range(500):
        body = b"b" * (n % 3)
        parts.append(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (n, len(body)) + body)
    worker = live(app)
    with worker.connect() as client:
        client.sendall(b"".join(parts))
        data = read_until(client, b"/499b;")
    assert data.count(b"HTTP/1.1 200") == 500
    places = [data.index(b"/%d" % n + b"b" * (n % 3) + b";") for n in range(500)]
    assert places == sorted(places)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_body_is_read_whole(live, chunked):
    """Past 1 MiB it lies in a file; the application sees no difference."""
    body = bytes(range(256)) * 12_000  # 3 MB
    if chunked:
        framed = b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    else:
        framed = b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = live(echo).ask(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + framed)
    assert body_of(answer) == body


def test_no_room_for_a_body_is_told_to_its_client_alone(live, monkeypatch):
    """A full disk costs requests with large bodies, never the worker."""

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("prefork.worker.spool.tempfile.TemporaryFile", full)
    worker = live(echo)
    with worker.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        assert status_of(read_all(client)) == 507
    assert status_of(worker.get()) == 200
    assert worker.log.names() == ["request_body_failed"]


def test_a_body_over_the_limit_is_refused_before_it_is_sent(live):
    """413, and the client that sends on can read it (RFC 9112 section 9.6)."""
    worker = live(echo, http=HttpSettings(max_body=1000))
    with worker.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        client.sendall(b"x" * 500_000)
        assert status_of(read_all(client)) == 413
    assert worker.line.begun == []


def test_slow_and_silent_clients_keep_nobody_waiting(live):
    """Half heads, half bodies, silence and stopped readers: the next client is served as ever."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(400)) if environ["PATH_INFO"] == "/large" else [b"ok"]

    worker = live(app)
    slow = []
    for start in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", GET[:-2]):
        for _ in range(20):
            slow.append(worker.connect())
            slow[-1].sendall(start)
    for _ in range(10):
        slow.append(worker.connect(receive_buffer=4096))
        slow[-1].sendall(GET.replace(b"/ ", b"/large "))
    started = time.monotonic()
    for _ in range(20):
        assert body_of(worker.get()) == b"ok"
    assert time.monotonic() - started < 5
    for client in slow:
        client.close()


def short(**seconds):
    return TimeoutSettings(**{"header": 30.0, "body": 30.0, "keepalive": 30.0, **seconds})


def test_a_head_that_drips_is_refused_at_its_deadline(live):
    """A total deadline: another byte does not extend it. 408, for something had come."""
    worker = live(echo, timeout=short(header=0.4))
    started = time.monotonic()
    with worker.connect() as client:
        client.settimeout(0.05)
        answer = b""
        for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 200:
            client.sendall(bytes([byte]))
            try:
                answer = client.recv(1000)
                break
            except TimeoutError:
                continue
    assert status_of(answer) == 408
    assert time.monotonic() - started < 5


def test_a_silent_connection_is_closed_without_a_word(live):
    """Browsers connect ahead and never speak; a 408 would be read as the answer to a later request."""
    with live(echo, timeout=short(header=0.1)).connect() as client:
        assert client.recv(1) == b""


def test_a_stalled_body_is_refused(live):
    """Without a byte of the body for so long: 408, and the application is never called."""
    worker = live(echo, timeout=short(body=0.1))
    answer = worker.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    assert status_of(answer) == 408
    assert worker.line.begun == []


def test_a_body_that_goes_on_is_not_refused(live):
    """It is the silence that counts, not the whole time."""
    with live(echo, timeout=short(body=0.4)).connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        for n in range(9):
            assert not select.select([client], [], [], 0.1)[0]
            client.sendall(b"%d" % n)
        assert read_until(client, b"012345678")


def test_an_idle_connection_is_closed_after_keepalive(live):
    """After an answer, and without a word."""
    with live(echo, timeout=short(keepalive=0.1)).connect() as client:
        client.sendall(GET)
        assert status_of(read_all(client)) == 200


def test_empty_lines_do_not_keep_a_connection_alive(live):
    """They are ignored (RFC 9112 section 2.2), by the clock too."""
    with live(echo, timeout=short(keepalive=0.4, header=0.4)).connect() as client:
        client.sendall(GET)
        read_until(client, b"ok")
        client.settimeout(0.1)
        for _ in range(100):
            client.sendall(b"\r\n")
            try:
                assert client.recv(1) == b""
                break
            except ConnectionResetError:  # one more empty line crossed the end
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("still open")


def test_a_reader_that_stalls_is_cut(live):
    """Nothing taken for the time of a body: the connection is closed, and an iterable that has no end with it."""
    closed = threading.Event()

    class Endless:
        def __iter__(self):
            return self

        def __next__(self):
            return b"x" * 65536

        def close(self):
            closed.set()

    def app(environ, start_response):
        start_response("200 OK", [])
        return Endless()

    with live(app, timeout=short(body=0.2)).connect(receive_buffer=4096) as client:
        client.sendall(GET)
        assert closed.wait(PATIENCE)


def test_the_client_that_has_gone_while_its_body_came_is_forgotten(live):
    """A body that ends early is never dispatched."""
    worker = live(echo)
    with worker.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    assert status_of(worker.get()) == 200
    assert worker.line.begun == [b"GET / HTTP/1.1"]


def test_a_client_that_half_closes_gets_its_answers(live):
    """shutdown(SHUT_WR) behind the last request is legitimate."""
    with live(echo).connect() as client:
        client.sendall(GET * 3)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(b"HTTP/1.1 200") == 3


def test_a_fault_of_ours_costs_one_client_and_not_the_worker(live, monkeypatch):
    """Whatever escapes is logged with its traceback; everybody else is served."""
    broken = sync.HttpConnection.advance

    def advance(client):
        if b"/fault" in client._connection.buffer:
            raise ZeroDivisionError("a fault of ours")
        broken(client)

    monkeypatch.setattr(sync.HttpConnection, "advance", advance)
    worker = live(echo)
    assert worker.get("/fault") == b""
    with worker.connect() as client:
        client.sendall(GET)
        read_until(client, b"ok")
        client.sendall(GET.replace(b"/ ", b"/fault "))
        assert client.recv(1) == b""
    assert status_of(worker.get()) == 200
    assert worker.log.names() == ["connection_failed"] * 2


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EPERM, errno.EPROTO, errno.EINVAL])
def test_an_accept_that_fails_is_tried_again(live, monkeypatch, number):
    """accept(2): out of descriptors, or an error of the network that is not ours. Never the end of a worker."""

    class Failing:
        failures = 2

        def __init__(self, listener):
            self._listener = listener

        def accept(self):
            if Failing.failures:
                Failing.failures -= 1
                raise OSError(number, errno.errorcode[number])
            return self._listener.accept()

        def __getattr__(self, name):
            return getattr(self._listener, name)

    monkeypatch.setattr(sync, "PAUSE", 0.1)
    worker = live(echo)
    (descriptor,) = worker.worker._listeners
    worker.worker._listeners[descriptor] = Failing(worker.listener)
    assert status_of(worker.get()) == 200
    assert worker.log.names().count("accept_failed") <= 2
    assert not Failing.failures


@pytest.fixture
def short_grace(monkeypatch):
    monkeypatch.setattr(sync, "GRACE", 0.2)


class TestLeaving:
    def test_retire_finishes_what_is_in_flight(self, live, short_grace):
        """The listener is closed, the answer goes out in full, then run returns."""
        go_on = threading.Event()

        def app(environ, start_response):
            go_on.wait(PATIENCE)
            start_response("200 OK", [])
            return [b"in full"]

        worker = live(app)
        with worker.connect() as client:
            client.sendall(GET)
            worker.line.say(Directive.RETIRE)
            go_on.set()
            assert body_of(read_all(client)) == b"in full"
        worker.wait()
        assert worker.line.has_closed.is_set()

    def test_an_idle_connection_gets_one_more_answer(self, live):
        """Closing it would race its next request: it stays readable for a while, and that answer says close."""
        worker = live(echo)
        with worker.connect() as client:
            client.sendall(GET)
            read_until(client, b"ok")
            worker.line.say(Directive.RETIRE)
            assert worker.line.has_closed.wait(PATIENCE)
            client.sendall(GET)
            answer = read_all(client)
        assert b"\r\nConnection: close\r\n" in answer
        assert body_of(answer) == b"ok"
        worker.wait()

    def test_an_idle_connection_that_stays_silent_does_not_hold_it(self, live, short_grace):
        """The grace is short."""
        worker = live(echo)
        with worker.connect() as client:
            client.sendall(GET)
            read_until(client, b"ok")
            worker.line.say(Directive.RETIRE)
            worker.wait()
            assert client.recv(1) == b""

    def test_a_promise_to_keep_the_connection_does_not_hold_it(self, live, short_grace):
        """An answer that began before: behind it there is the grace, and not the time of an idle connection."""
        go_on = threading.Event()

        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "200000")])
            yield b"x" * 100_000
            go_on.wait(PATIENCE)
            yield b"x" * 100_000

        worker = live(app)
        with worker.connect() as client:
            client.sendall(GET)
            worker.line.say(Directive.RETIRE)
            go_on.set()
            assert worker.line.has_closed.wait(PATIENCE)
            started = time.monotonic()
            assert len(body_of(read_all(client))) == 200_000
            worker.wait()
        assert time.monotonic() - started < 3

    def test_a_body_that_is_on_its_way_is_waited_for(self, live):
        """Its request was accepted: it is answered."""
        worker = live(echo)
        with worker.connect() as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            worker.get()  # by now the head has been read
            worker.line.say(Directive.RETIRE)
            assert worker.line.has_closed.wait(PATIENCE)
            client.sendall(b"other")
            assert body_of(read_all(client)) == b"halfother"
        worker.wait()

    def test_it_is_over_after_graceful(self, live):
        """However long a client takes."""
        worker = live(echo, timeout=short(graceful=0.3))
        with worker.connect() as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            worker.get()
            worker.line.say(Directive.RETIRE)
            worker.wait()

    def test_drain_serves_what_waits_in_the_queue(self, live):
        """Nobody accepts after it: what the kernel has queued would be reset."""
        busy, go_on = threading.Event(), threading.Event()

        def app(environ, start_response):
            busy.set()
            go_on.wait(PATIENCE)
            start_response("200 OK", [])
            return [b"served"]

        worker = live(app)
        with worker.connect() as first:
            first.sendall(LAST_GET)
            assert busy.wait(PATIENCE)
            queued = [worker.connect() for _ in range(30)]
            for client in queued:
                client.sendall(LAST_GET)
            worker.line.say(Directive.DRAIN)
            go_on.set()
            for client in (first, *queued):
                assert body_of(read_all(client)) == b"served"
                client.close()
        worker.wait()

    def test_quit_returns_at_once(self, live):
        """Whatever has still to go out: the application is done with it."""
        closed = threading.Event()

        def pieces():
            try:
                yield from (b"x" * 65536 for _ in range(400))
            finally:
                closed.set()

        def app(environ, start_response):
            start_response("200 OK", [])
            return pieces()

        worker = live(app)
        with worker.connect(receive_buffer=4096) as client:
            client.sendall(GET)
            assert closed.wait(PATIENCE)
            worker.line.say(Directive.QUIT)
            worker.wait()


def test_without_clients_it_sleeps(live, monkeypatch):
    """No polling: the next poll has no timeout, also after a client was there."""
    waits = []
    timeout = sync.SyncWorker._timeout

    def noting(worker):
        waits.append(timeout(worker))
        return waits[-1]

    monkeypatch.setattr(sync.SyncWorker, "_timeout", noting)
    worker = live(echo)
    worker.get()
    assert waits[0] == -1
    deadline = time.monotonic() + PATIENCE
    while waits[-1] != -1 and time.monotonic() < deadline:
        worker.get()
    assert waits[-1] == -1


def test_clients_that_came_and_went_are_not_kept(live):
    """Not until their deadlines: health checks connect and go all day."""
    worker = live(echo)
    for _ in range(3 * sync.STALE_MOST):
        worker.connect().close()
    worker.get()
    assert len(worker.worker._deadlines) <= 2 * sync.STALE_MOST


def test_the_access_log_is_written_once_a_turn(live):
    """A batch is one write; every answer has a line, refusals of ours included."""
    worker = live(echo, access="json")
    with worker.connect() as client:
        client.sendall(GET * 20 + b"GET /bad HTTP/9.9\r\n\r\n")
        read_all(client)
    worker.get()
    lines = [json.loads(line) for line in b"".join(worker.sink.writes).splitlines()]
    assert [line["status"] for line in lines[:21]] == [200] * 20 + [505]
    assert len(worker.sink.writes) < 6


def test_a_unix_socket_is_served(live, tmp_path):
    """Its peers have no address (PEP 3333 wants texts all the same)."""
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        return echo(environ, start_response)

    worker = live(app, unix=tmp_path / "s")
    with worker.connect() as client:
        client.sendall(GET)
        read_until(client, b"ok")
    assert (seen["REMOTE_ADDR"], seen["SERVER_NAME"]) == ("", "localhost")


def test_what_an_application_does_to_an_environ_stays_there(live):
    """Requests with the same fields share work, never an environ."""
    seen = []

    def app(environ, start_response):
        seen.append(dict(environ))
        environ["HTTP_COOKIE"] = environ["wsgi.url_scheme"] = environ["MINE"] = "spoiled"
        start_response("200 OK", [])
        return [b"ok"]

    with live(app).connect() as client:
        for n in range(5):
            client.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\nCookie: c\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n" % n)
            read_until(client, b"ok")
    for n, environ in enumerate(seen):
        assert environ["PATH_INFO"] == f"/{n}"
        assert (environ["HTTP_COOKIE"], environ["wsgi.url_scheme"]) == ("c", "http")
        assert environ["REMOTE_ADDR"] == "192.0.2.7"
        assert "MINE" not in environ


def test_an_accept_that_fails_beside_one_that_does_not(monkeypatch):
    """One listener is out of luck and both are left alone for a moment: the other's client is served all the same."""

    class Unlucky:
        def __init__(self, listener):
            self._listener = listener

        def accept(self):
            if failures:
                raise OSError(failures.pop(), "not now")
            return self._listener.accept()

        def __getattr__(self, name):
            return getattr(self._listener, name)

    failures = [errno.ENOBUFS]
    monkeypatch.setattr(sync, "PAUSE", 0.1)
    line, listeners, clients = Line(), [], []
    for _ in range(2):
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        listeners[-1].setblocking(False)
        clients.append(socket.create_connection(listeners[-1].getsockname(), timeout=PATIENCE))
        clients[-1].sendall(LAST_GET)
    worker = sync.SyncWorker(
        WorkerContext(
            settings=Settings(pool="web", app="here:app"),
            number=1,
            app=echo,
            listeners={str(number): Unlucky(listener) for number, listener in enumerate(listeners)},
            supervisor=line,
            log=Log(),
            access=None,
        )
    )
    faults = []

    def run():
        try:
            worker.run()
        except BaseException as fault:
            faults.append(fault)
            for client in clients:
                client.shutdown(socket.SHUT_RD)

    thread = threading.Thread(target=run)
    thread.start()
    answers = [read_all(client) for client in clients]
    line.say(Directive.QUIT)
    thread.join(PATIENCE)
    for each in (*clients, *listeners):
        each.close()
    line.hang_up()
    assert faults == []
    assert [status_of(answer) for answer in answers] == [200, 200]


def test_a_connection_that_an_application_shares_with_a_child_keeps_nobody_awake(live, monkeypatch):
    """epoll(7): a descriptor that is closed here and open elsewhere goes on to be reported, unless it is taken out."""
    turns = []
    finished = sync.SyncWorker._finished
    monkeypatch.setattr(sync.SyncWorker, "_finished", lambda worker: turns.append(1) or finished(worker))
    worker = live(echo)
    with worker.connect() as client:
        client.sendall(GET)
        read_until(client, b"ok")
        (descriptor,) = worker.worker._clients
        kept = os.dup(descriptor)  # as in a child that was forked without exec
    try:
        for _ in range(20):
            worker.get()
    finally:
        os.close(kept)
    assert len(turns) < 200
