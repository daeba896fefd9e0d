"""A line of the log is whole, whoever else writes to the same pipe or terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable

import pytest

from prefork.observe.sink import Sink
from prefork.observe.targets import File
from tests.operator.daemon import PATIENCE, Events, Preforkd, until

WORKERS, REQUESTS = 4, 40
DEEP = "x" * 9000  # bytes of the exception's text: the traceback is above what a pipe takes at once
APPLICATION = f"""
def application(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise ValueError({DEEP!r})
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def start(daemon: Preforkd, stderr: int, form: str = "json") -> None:
    """Four workers that log to a descriptor of the test's; the access log goes there as well."""
    (daemon.home / "failing.py").write_text(APPLICATION)
    access = f'[log.access]\nfile = "stderr"\nformat = "{"json" if form == "json" else "combined"}"\n'
    listen = f'[listen.local]\naddress = "unix:{daemon.home}/web.sock"'
    daemon.configure(workers=WORKERS, app="failing:application", listen=listen, more=access)
    daemon.file.write_text(daemon.file.read_text().replace('format = "json"\nfile', f'format = "{form}"\nfile'))
    daemon.process = subprocess.Popen(
        daemon.command(), stdin=subprocess.DEVNULL, stderr=stderr, env=daemon.environment()
    )
    daemon.events = Events(io.StringIO())


def ask(daemon: Preforkd, target: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(f"{daemon.home}/web.sock")
        client.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target.encode())
        while client.recv(65536):
            pass


def storm(daemon: Preforkd) -> None:
    """Every worker logs long tracebacks, and access lines of 5000 bytes, at the same time."""

    def client() -> None:
        for _ in range(REQUESTS):
            ask(daemon, "/fail")
            ask(daemon, "/" + "y" * 5000)

    clients = [threading.Thread(target=client) for _ in range(2 * WORKERS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(2 * PATIENCE)


class Reader:
    """Reads as a slow program does: little at a time, with a rest after each."""

    def __init__(self, descriptor: int, piece: int) -> None:
        self.text = b""
        self.slow = True
        self._descriptor, self._piece = descriptor, piece
        self._rest = threading.Event()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._descriptor, self._piece)
            except OSError:  # EIO: nobody has the terminal open any more
                return
            if not piece:
                return
            self.text += piece
            if self.slow:
                self._rest.wait(0.0005)

    def saw(self, text: bytes) -> Callable[[], bool]:
        return lambda: text in self.text


def lines_of(daemon: Preforkd, ours: int, theirs: int, form: str = "json") -> list[bytes]:
    """What is read of a storm, from the start of the daemon to its end."""
    reader = Reader(ours, 1000)
    try:
        start(daemon, theirs, form)
        os.close(theirs)
        until(reader.saw(b"service_ready"), "the start")
        storm(daemon)
        assert daemon.stop() == 0
    finally:
        reader.slow = False
        if daemon.process.poll() is None:  # only after a failure: it is not to keep the reader waiting
            for pid in {daemon.pid, *daemon.workers()}:
                os.kill(pid, signal.SIGKILL)
        reader.thread.join(PATIENCE)
        os.close(ours)
    assert reader.text.endswith(b"\n")
    return reader.text.splitlines()


@pytest.mark.parametrize("blocking", ["blocking", ""])
def test_each_line_on_a_pipe_parses_with_four_writers_and_a_slow_reader(daemon: Preforkd, blocking: str):
    """P5: whole, or shortened with its JSON whole, or lost whole and counted."""
    reader, writer = os.pipe()
    os.set_blocking(writer, bool(blocking))
    events = [json.loads(line) for line in lines_of(daemon, reader, writer)]
    failed = [event for event in events if event["event"] == "request_failed"]
    assert failed
    assert all(event["traceback"].startswith("Traceback") and "bytes cut" in event["traceback"] for event in failed)
    lost = [event for event in events if event["event"] == "log_lines_lost"]
    asked = 2 * 2 * WORKERS * REQUESTS
    access = [event for event in events if event["event"] == "request"]
    assert len(access) <= asked
    assert len(access) == asked or any(event.get("log") == "access" for event in lost)


def test_each_line_on_a_pipe_is_logfmt(daemon: Preforkd):
    """P5: a line of the service begins with its time, and an access line with its address: no other line is there."""
    reader, writer = os.pipe()
    for line in lines_of(daemon, reader, writer, "logfmt"):
        assert line.startswith((b"time=2", b"- - - ["))
        assert len(line) < 4096


def test_each_line_on_a_terminal_parses(daemon: Preforkd):
    """P5: a terminal takes a line in parts, and still nobody comes between them."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    reader_lines = lines_of(daemon, ours, theirs)
    assert [json.loads(line) for line in reader_lines if b'"request_failed"' in line]
    for line in reader_lines:
        json.loads(line)


def test_each_line_on_a_socket_parses(daemon: Preforkd):
    """P5: as under systemd, whose journal reads standard error from a stream socket."""
    ours, theirs = socket.socketpair()
    for line in lines_of(daemon, ours.detach(), theirs.detach()):
        json.loads(line)


HOLDER = """
import fcntl, sys, time
fcntl.lockf(1, fcntl.LOCK_EX)
sys.stdout.write('{"half": ')
sys.stdout.flush()
time.sleep(3600)
"""


def test_who_is_stopped_in_the_middle_of_a_line_stops_nobody():
    """P5: who holds the lock of a terminal's log, and does not go on, is waited for once; later lines are whole."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=theirs)
    try:
        text = os.read(ours, 1000)
        sink = Sink(File(os.devnull), "log", descriptor=theirs)
        started = time.monotonic()
        for _ in range(100):
            sink.write(b'{"event": "x"}\n')
        assert time.monotonic() - started < 5
        assert sink.lost == 0
        while text.count(b"}") < 100:
            text += os.read(ours, 65536)
        lines = [line for line in text.splitlines()[1:] if line]
        assert [json.loads(line) for line in lines] == [{"event": "x"}] * 100
    finally:
        holder.kill()
        holder.wait()
    started = time.monotonic()
    sink.write(b'{"event": "x"}\n')
    assert time.monotonic() - started < 0.5
    sink.close()
    os.close(ours)
