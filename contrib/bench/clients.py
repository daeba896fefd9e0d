"""Clients that count what a server loses, and how long it lets them wait.

*refused*: no connection; *reset* and *cut*: the connection broke before or within an answer; *raced*: a kept connection
was closed under a request that was on its way; *late*: no answer in time; *status*: an answer that is no 200.
"""

from __future__ import annotations

import contextlib
import http.client
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator

PATIENCE = 30.0


def kind_of(error: Exception, *, reused: bool) -> str:
    """What a client lost by this."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "late"
    if isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        return "raced" if reused else "reset"
    return "cut"


class Load:
    """Client threads, half of them on connections that they keep, half on a fresh one for each request."""

    def __init__(self, port: int, path: str, clients: int = 4) -> None:
        self.port = port
        self.path = path
        self.problems: list[str] = []
        self.lost: Counter[str] = Counter()
        self.lost_at: list[float] = []  # moments of the monotonic clock
        self.times: list[tuple[float, float]] = []  # when each request began, and how long it took
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(index % 2 == 0,)) for index in range(clients)]

    @property
    def answered(self) -> int:
        return len(self.times)

    def _run(self, keep: bool) -> None:  # noqa: FBT001 - a thread gives it by place
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self._stop.is_set():
            reused = connection.sock is not None
            began = time.monotonic()
            try:
                connection.request("GET", self.path, headers={} if keep else {"Connection": "close"})
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self._lose(kind_of(error, reused=reused), f"{'kept' if keep else 'fresh'}: {error!r}")
                connection.close()
            else:
                if response.status == 200:
                    self.times.append((began, time.monotonic() - began))
                else:
                    self._lose("status", f"status {response.status}")
                if response.will_close:
                    connection.close()
        connection.close()

    def _lose(self, kind: str, problem: str) -> None:
        with self._lock:
            self.lost[kind] += 1
            self.lost_at.append(time.monotonic())
            self.problems.append(problem)

    def slowest(self, since: float = 0.0, until: float = float("inf")) -> float:
        """Seconds that the slowest of the requests took that began in this time of the monotonic clock."""
        return max((took for began, took in self.times if since <= began < until), default=0.0)

    def median(self, until: float = float("inf")) -> float:
        """Seconds that a request took as a rule, of those that began before."""
        return statistics.median(took for began, took in self.times if began < until)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)


@contextlib.contextmanager
def load(port: int, path: str = "/", clients: int = 4) -> Iterator[Load]:
    """Clients for the length of a gesture."""
    running = Load(port, path, clients)
    running.start()
    try:
        yield running
    finally:
        running.stop()
