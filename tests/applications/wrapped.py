"""A daemon that somebody has wrapped: with a sitecustomize of an agent, a runner in front, or in the background.

``MODES`` are the ways in which the application comes into a worker: each changes who forks whom, and what is open then.
``EVERY_WAY`` is each of them in the foreground and in the background; ``SOME_WAYS`` has each of the two choices with
each of the others, for runners that take seconds to start.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, children, gone, until

MODES = {
    "plain": "",
    "preload": "preload = true",
    "python": f'python = "{sys.executable}"',
    "python and preload": f'python = "{sys.executable}"\npreload = true',
}
EVERY_WAY = [
    pytest.param(mode, daemonize, id=f"{mode}{', daemonize' * daemonize}")
    for mode in MODES
    for daemonize in (False, True)
]
SOME_WAYS = [EVERY_WAY[0], EVERY_WAY[3], EVERY_WAY[4], EVERY_WAY[-1]]  # plain; preload, daemonize; python; all three
RECYCLE = "[pool.web.recycle]\nrequests = 4\njitter = 0.0"
SCRIPTS = Path(sysconfig.get_path("scripts"))
FLASK = """
from flask import Flask
application = Flask(__name__)

@application.route("/<name>")
def index(name):
    return name
"""


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
        if not self.runner:
            return super().command(*arguments)
        return [str(SCRIPTS / self.runner[0]), *self.runner[1:], "-c", str(self.file), *arguments]

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

    def await_retired(self, pid: int) -> None:
        """Wait until this worker has ended in order."""
        until(lambda: any(entry["pid"] == pid for entry in self.events_named("worker_retired")), f"the end of {pid}")

    def live(self) -> list[str]:
        """Serve through recycling, a reload and the stop, with one worker and ``RECYCLE``; the targets of all requests.

        Clients that ask for nothing are connected meanwhile, and read nothing.
        """
        idle = [self.connect() for _ in range(3)]
        targets = [f"/{number}" for number in range(8)]
        for target in targets[:6]:
            assert self.get(target)[0] == 200
        for client in idle:
            assert has_silence(client)
            client.close()  # a worker that retires would wait for what it may still send
        self.await_retired(self.events_named("worker_ready")[0]["pid"])
        os.kill(self.master, signal.SIGHUP)
        until(lambda: self.events_named("reload_done"), "the reload")
        for target in targets[6:]:
            assert self.get(target)[0] == 200
        self.stop_and_wait()
        assert not self.events_named("worker_died")
        return targets

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
