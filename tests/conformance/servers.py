"""Starts the server under test: the real daemon in the foreground, one worker, a TCP and a unix listener.

Rules. One server a variant and kind of worker, shared by every case of the session. It is ready when its log says
so, and is stopped by TERM; nothing here sleeps. To hold another server against the cases, replace ``start``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("sync",)
APPLICATION = "tests.conformance.app:application"
START_SECONDS = 30.0
STOP_SECONDS = 20.0

VARIANTS: dict[str, str] = {
    "default": "",
    "small": """
[pool.web.http]
max_request_line = 512
max_header_fields = 10
max_header_size = 2048
max_body = "64KiB"
""",
    "impatient": """
[pool.web.timeout]
header = "1s"
body = "1s"
keepalive = "1s"
""",
    "untrusting": """
[pool.web.http]
trusted_proxies = []
""",
    "forwarding": """
[pool.web.http]
forwarded = ["for", "proto", "host", "port", "prefix"]
""",
    "rfc7239": """
[pool.web.http]
forwarded = ["forwarded", "port", "prefix"]
""",
    "unheeding": """
[pool.web.http]
forwarded = []
""",
}
"""What each variant changes of the defaults."""

CONFIGURATION = """
[log]
level = "info"
format = "json"
file = "stderr"
[listen.tcp]
address = "127.0.0.1:0"
[listen.unix]
address = "unix:{unix}"
[pool.web]
app = "{app}"
worker = "{kind}"
workers = 1
directory = "{root}"
python_path = ["{root}"]
{variant}
"""


@dataclass
class Log:
    """The server's log as it is written; ``wait`` is how a test awaits an event."""

    events: list[dict[str, Any]] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, stream: Any) -> None:
        """Read lines to the end of the stream; runs in a thread."""
        with stream:
            for line in stream:
                self._add(line.rstrip("\n"))
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _add(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        with self.changed:
            if isinstance(event, dict):
                self.events.append(event)
            else:
                self.other.append(line)
            self.changed.notify_all()

    def wait_end(self, seconds: float = STOP_SECONDS) -> None:
        """Until the log's last writer has gone."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.ended, timeout=seconds):
                raise AssertionError("the log is still open: a process outlived the master")

    def wait(
        self, name: str, count: int = 1, *, since: int = 0, seconds: float = START_SECONDS
    ) -> list[dict[str, Any]]:
        """The events of this name from position ``since`` on, once there are ``count``."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events[since:] if event.get("event") == name]

        with self.changed:
            self.changed.wait_for(lambda: len(found()) >= count or self.ended, timeout=seconds)
            if len(found()) < count:
                said = "\n".join([*(str(event) for event in self.events[-20:]), *self.other[-40:]])
                raise AssertionError(f"no {name} in the log:\n{said}")
            return found()


@dataclass
class Server:
    """A server that runs: where it listens, and its log (None for servers that are not ours)."""

    tcp: tuple[str, int]
    unix: str
    log: Log | None
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """TERM, and wait; KILL only if that fails, which is an error."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not stop after TERM") from None
        if self.log is not None:
            self.log.wait_end()


def start(kind: str, variant: str, directory: Path, *, app: str = APPLICATION) -> Server:
    """Start the daemon with this kind of worker; raises AssertionError with its log if it does not come up."""
    unix = directory / "s"
    file = directory / "prefork.toml"
    file.write_text(CONFIGURATION.format(unix=unix, kind=kind, app=app, root=ROOT, variant=VARIANTS[variant]))
    process = subprocess.Popen(
        [sys.executable, "-m", "prefork", "-c", str(file)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    log = Log()
    threading.Thread(target=log.follow, args=(process.stderr,), daemon=True).start()
    try:
        log.wait("service_ready")
    except AssertionError:
        process.kill()
        process.wait()
        raise
    tcp = next(event["address"] for event in log.wait("listener_opened", 2) if not event["address"].startswith("unix:"))
    host, _, port = tcp.rpartition(":")
    return Server((host, int(port)), str(unix), log, process)
