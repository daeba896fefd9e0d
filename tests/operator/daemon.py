"""A real preforkd under test: started, spoken to, awaited by its log events, and never left behind.

Rules. Nothing sleeps for a guess: a test awaits an event of the log, an answer, or the end of a process, with a limit
that only a fault reaches. Every daemon has a directory and a listener of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tests.needs import needs_another_user

PATIENCE = 30.0  # seconds: far beyond what anything takes, even with both cores loaded
SITE = Path(__file__).with_name("site.py")
Found = TypeVar("Found")


def until(found: Callable[[], Found | None], what: str, patience: float = PATIENCE) -> Found:
    """Wait for something that announces itself to nobody, such as the content of a file."""
    end = time.monotonic() + patience
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < end, f"waited {patience:.0f} s for {what}"
        time.sleep(0.005)


def gone(pid: int, patience: float = PATIENCE) -> bool:
    """Wait for the end of a process that need not be a child; True when it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    import select

    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(patience * 1000))
    finally:
        os.close(descriptor)


class Events:
    """The log of a daemon as it is written: JSON lines from a pipe, each given out once."""

    def __init__(self, stream: Any) -> None:
        self.all: list[dict[str, Any]] = []
        self.text: list[str] = []  # what was no event
        self._taken: set[int] = set()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._add(line)
                    self._news.notify_all()

    def _add(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            self.text.append(line)
        else:
            self.all.append(event)

    def expect(self, event: str, patience: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """The next event of this name with these fields that no call has returned yet."""

        def found() -> dict[str, Any] | None:
            for index, entry in enumerate(self.all):
                if index not in self._taken and entry.get("event") == event and fields.items() <= entry.items():
                    self._taken.add(index)
                    return entry
            return None

        box: list[dict[str, Any]] = []
        with self._news:
            self._news.wait_for(lambda: bool((entry := found()) and not box.append(entry)), patience)  # type: ignore[func-returns-value]
        assert box, f"no {event} {fields} within {patience:.0f} s; the log:\n{self}"
        return box[0]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Every event of this name so far."""
        with self._news:
            return [entry for entry in self.all if entry.get("event") == event]

    def join(self) -> None:
        """Wait until nobody can write to the log any more."""
        self._thread.join(PATIENCE)

    def __str__(self) -> str:
        return "\n".join([*(json.dumps(entry) for entry in self.all), *self.text])


class Preforkd:
    """One daemon. ``config`` is TOML below what is always there: a pool ``web`` with the site of the tests."""

    def __init__(self, home: Path, *, log: str = "stderr") -> None:
        self.home = home
        self.file = home / "prefork.toml"
        self.pidfile = home / "preforkd.pid"
        self.address = "127.0.0.1:0"
        self.interpreter = sys.executable
        self.log = log
        self.process: subprocess.Popen[str]
        self.events: Events
        self._pids: set[int] = set()
        (home / "site_of_test.py").write_text(SITE.read_text())

    def configure(
        self,
        *,
        workers: int = 1,
        app: str = "site_of_test:application",
        listen: str = "",
        master: str = "",
        pool: str = "",
        timeout: str = "",
        more: str = "",
    ) -> None:
        """Write the file. Each argument is TOML for its section; ``more`` is TOML for the end."""
        listen = listen or f'[listen.http]\naddress = "{self.address}"'
        text = f"""
[master]
pidfile = "{self.pidfile}"
{master}
[log]
level = "debug"
format = "json"
file = "{self.log}"
{listen}
[pool.web]
app = "{app}"
workers = {workers}
directory = "{self.home}"
{pool}
[pool.web.timeout]
{timeout}
{more}
"""
        replacement = self.file.with_suffix(".new")
        replacement.write_text(text)
        replacement.rename(self.file)

    def command(self, *arguments: str) -> list[str]:
        return [self.interpreter, "-m", "prefork", "-c", str(self.file), *arguments]

    def environment(self) -> dict[str, str]:
        """Without byte code: a test that rewrites an application within a second must not meet the old one."""
        return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run preforkd to its end, for what it prints and returns."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=self.environment(),
            check=False,
        )

    def start(self, *, ready: bool = True, **popen: Any) -> Preforkd:
        """Start it in the foreground; with ``ready`` wait until it serves."""
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=popen.pop("env", None) or self.environment(),
            **popen,
        )
        self._pids.add(self.process.pid)
        assert self.process.stderr
        self.events = Events(self.process.stderr)
        if ready:
            self.port = int(self.expect("listener_opened")["address"].rpartition(":")[2])
            self.expect("service_ready")
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def expect(self, event: str, **fields: Any) -> dict[str, Any]:
        return self.events.expect(event, **fields)

    def signal(self, signum: signal.Signals, pid: int | None = None) -> None:
        os.kill(pid or self.pid, signum)

    def successor(self) -> int:
        """The pid of the master that USR2 started, once it serves."""
        return self.watch(int(self.expect("upgrade_ready")["successor"]))

    def watch(self, pid: int) -> int:
        """Leave nothing of this process running, either."""
        self._pids.add(pid)
        return pid

    def workers(self, master: int | None = None) -> set[int]:
        """The pids of the children of a master."""
        return children(master or self.pid)

    def wait(self) -> int:
        """Wait for the end of the first master; its exit status."""
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """TERM, and wait."""
        self.signal(signal.SIGTERM)
        return self.wait()

    # A client.

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def get(self, path: str = "/", **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def served_by(self) -> int:
        """The pid of the worker that answers."""
        status, body = self.get("/pid")
        assert status == 200, body
        return int(body)

    def end(self) -> None:
        """Leave nothing running, whatever state the test left it in."""
        doomed = set(self._pids)
        with contextlib.suppress(FileNotFoundError, ValueError):  # it has gone, even now, or names nobody
            doomed.add(int(self.pidfile.read_text()))
        for pid in doomed:
            for member in {pid, *children(pid)}:
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(member, signal.SIGKILL)
        if hasattr(self, "process"):
            self.process.wait(PATIENCE)
            self.events.join()


def open_to_others(home: Path) -> None:
    """Let every user reach a test's directory, which pytest makes for its own user alone; skip if that is in vain."""
    needs_another_user()
    temporary = Path(tempfile.gettempdir())
    for directory in [home, *(parent for parent in home.parents if temporary in parent.parents)]:
        directory.chmod(directory.stat().st_mode | 0o055)


def children(pid: int) -> set[int]:
    """The pids of the children of a process, by /proc."""
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except FileNotFoundError:
        return set()


@contextlib.contextmanager
def serving(home: Path, **config: Any) -> Iterator[Preforkd]:
    """A daemon that serves, for the length of a test."""
    daemon = Preforkd(home)
    daemon.configure(**config)
    try:
        yield daemon.start()
    finally:
        daemon.end()
