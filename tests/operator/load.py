"""Clients that count what a server loses: refused, reset, cut, late, and other than 200."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator

PATIENCE = 30.0


class Load:
    """Client threads, half of them on connections that they keep, half on a fresh one for each request."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path
        self.answered = 0
        self.problems: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(keep,)) for keep in (1, 0, 1, 0)]

    def _run(self, keep: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self._stop.is_set():
            try:
                connection.request("GET", self.path, headers={} if keep else {"Connection": "close"})
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self._note(f"{'kept' if keep else 'fresh'}: {error!r}")
                connection.close()
            else:
                self._note("" if response.status == 200 else f"status {response.status}")
                if response.will_close:
                    connection.close()
        connection.close()

    def _note(self, problem: str) -> None:
        with self._lock:
            if problem:
                self.problems.append(problem)
            else:
                self.answered += 1

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)


@contextlib.contextmanager
def load(port: int, path: str = "/") -> Iterator[Load]:
    """Clients for the length of a gesture."""
    clients = Load(port, path)
    clients.start()
    try:
        yield clients
    finally:
        clients.stop()
