"""A sync worker in a thread, on a socket of its own, with a lifeline that the test holds."""

from __future__ import annotations

import socket
import threading
import time

from prefork.observe.access import AccessLog
from prefork.worker.protocol import Directive, WorkerContext
from prefork.worker.settings import HttpSettings, Settings, TimeoutSettings
from prefork.worker.sync import SyncWorker

PATIENCE = 10.0  # seconds after which a test gives up


class Line:
    """An Supervisor: what it was told is kept, what it says is the test's."""

    def __init__(self):
        self._reader, self._writer = socket.socketpair()
        self._directive = Directive.SERVE
        self.is_ready = threading.Event()
        self.has_closed = threading.Event()
        self.begun = []
        self.ended = []
        self.pauses = 0

    def filenos(self):
        return (self._reader.fileno(),)

    def attend(self):
        self._reader.recv(100)
        return self._directive

    def ready(self):
        self.is_ready.set()

    def closed(self):
        self.has_closed.set()

    def begin(self, request, queued=0):
        self.begun.append(request)
        self.began = time.monotonic_ns()
        return self

    def pause(self):
        self.pauses += 1

    def drop(self):
        self.pauses += 1

    def end(self, sent):
        self.ended.append(sent)

    def say(self, directive):
        self._directive = directive
        self._writer.send(b".")

    def hang_up(self):
        self._reader.close()
        self._writer.close()


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info

    def names(self):
        return [event for event, _fields in self.events]


class Sink:
    """Takes the place of a log file."""

    limit = 0

    def __init__(self):
        self.writes = []

    def write(self, data):
        self.writes.append(data)


class Live:
    """``stop`` returns when the worker has; a fault of its own is raised there."""

    def __init__(self, app, *, access="", unix=None, timeout=None, http=None, workers=1):
        self.listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.listener.bind(str(unix) if unix else ("127.0.0.1", 0))
        self.listener.listen(256)
        self.listener.setblocking(False)
        self.address = self.listener.getsockname()
        self.line, self.log, self.sink = Line(), Log(), Sink()
        settings = Settings(
            pool="web",
            app="here:app",
            workers=workers,
            timeout=timeout or TimeoutSettings(),
            http=http or HttpSettings(),
        )
        self.worker = SyncWorker(
            WorkerContext(
                settings=settings,
                number=1,
                app=app,
                listeners={"http": self.listener},
                supervisor=self.line,
                log=self.log,
                access=AccessLog(self.sink, access, {"pool": "web"}) if access else None,
            )
        )
        self._fault = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.line.is_ready.wait(PATIENCE)

    def _run(self):
        try:
            self.worker.run()
        except BaseException as fault:
            self._fault = fault

    def connect(self, receive_buffer=0):
        client = socket.socket(self.listener.family if self.listener.fileno() >= 0 else socket.AF_INET)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE)
        client.connect(self.address)
        return client

    def ask(self, data):
        """Send, and read until the server closes."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)

    def get(self, path="/", method="GET"):
        return self.ask(f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    @property
    def is_running(self):
        return self._thread.is_alive()

    def wait(self, seconds=PATIENCE):
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the worker did not return"
        if self._fault is not None:
            raise self._fault

    def stop(self):
        self.line.say(Directive.QUIT)
        try:
            self.wait()
        finally:
            self.listener.close()
            self.line.hang_up()


def read_all(client):
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_until(client, end):
    data = b""
    while not data.endswith(end):
        piece = client.recv(65536)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]


def status_of(answer):
    return int(answer.split(b" ", 2)[1])
