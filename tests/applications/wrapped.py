"""A daemon that somebody has wrapped: with a sitecustomize of an agent, a runner in front, or in the background.

``MODES`` are the ways in which the application comes into a worker: each changes who forks whom, and what is open then.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.operator.daemon import PATIENCE, Preforkd, children, gone, until

MODES = {
    "plain": "",
    "preload": "preload = true",
    "python": f'python = "{sys.executable}"',
    "python and preload": f'python = "{sys.executable}"\npreload = true',
}


class Wrapped(Preforkd):
    """Preforkd with an agent: ``sitecustomize`` is imported by every Python process of the service, at its start."""

    def __init__(self, home: Path, *, sitecustomize: str = "", runner: tuple[str, ...] = (), **variables: str) -> None:
        super().__init__(home, log=str(home / "prefork.log"))
        self.runner = runner
        self.variables = variables
        self.master = 0
        (home / "agent").mkdir()
        if sitecustomize:
            (home / "agent" / "sitecustomize.py").write_text(sitecustomize)

    def environment(self) -> dict[str, str]:
        before = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join(entry for entry in (str(self.home / "agent"), before) if entry)
        return {**super().environment(), "PYTHONPATH": path, "HOME_OF_TEST": str(self.home), **self.variables}

    def command(self, *arguments: str) -> list[str]:
        return [*self.runner, *super().command(*arguments)]

    def launch(self, *, daemonize: bool, **configuration: Any) -> Wrapped:
        """Start it in the foreground or in the background, and wait until it serves."""
        self.configure(master="daemonize = true" if daemonize else "", **configuration)
        done: subprocess.Popen[bytes] = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.environment()
        )
        if daemonize:
            _out, text = done.communicate(timeout=PATIENCE)
            assert done.returncode == 0, text.decode()
        else:
            self._pids.add(done.pid)
            self.foreground = done
        until(lambda: any(entry["event"] == "service_ready" for entry in self.log_entries()), "the service")
        self.master = int(self.pidfile.read_text())
        opened = next(entry for entry in self.log_entries() if entry["event"] == "listener_opened")
        self.port = int(opened["address"].rpartition(":")[2])
        return self

    def log_entries(self) -> list[dict[str, Any]]:
        """What the log has so far."""
        try:
            lines = Path(self.log).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def events_named(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log_entries() if entry["event"] == event]

    @property
    def pid(self) -> int:
        return self.master

    def stop_and_wait(self) -> None:
        """TERM, and wait for the end of the master."""
        os.kill(self.master, 15)
        if hasattr(self, "foreground"):
            assert self.foreground.wait(PATIENCE) == 0
        assert gone(self.master)

    def end(self) -> None:
        super().end()
        if hasattr(self, "foreground"):
            if self.foreground.stderr:
                self.foreground.stderr.close()
            self.foreground.wait(PATIENCE)


def has_silence(client: socket.socket) -> bool:
    """Nothing has arrived at a client that asked for nothing."""
    client.setblocking(False)
    try:
        data = client.recv(65536)
    except BlockingIOError:
        return True
    return data == b""  # closed, without a word


def processes(daemon: Wrapped) -> set[int]:
    """The master and its children."""
    return {daemon.master, *children(daemon.master)}
