"""A service manager for tests, as far as a daemon sees it: its notify socket, its descriptor store, and activation.

A real systemd is asked in tests/packaging.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.operator.daemon import PATIENCE, Events, Preforkd

# What systemd does: the sockets from descriptor 3 on, then the variables, then exec in the same process.
ACTIVATE = """
import os, sys
for target, source in enumerate(map(int, sys.argv[1].split(",")), start=3):
    os.dup2(source, target)
    os.close(source)
    os.set_inheritable(target, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2], LISTEN_FDNAMES=sys.argv[3])
os.execv(sys.executable, [sys.executable, *sys.argv[4:]])
"""


def activate(daemon: Preforkd, sockets: list[socket.socket], names: str, env: dict[str, str] | None = None) -> None:
    # Out of the way of the numbers from 3 on, which they are moved to.
    high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 50) for one in sockets]
    arguments = [",".join(map(str, high)), str(len(sockets)), names, *daemon.command()[1:]]
    daemon.process = subprocess.Popen(
        [sys.executable, "-c", ACTIVATE, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=high,
        env=env or daemon.environment(),
    )
    daemon._pids.add(daemon.process.pid)
    daemon.events = Events(daemon.process.stderr)
    for descriptor in high:
        os.close(descriptor)


class Manager:
    """Its end of the notify socket: every message as assignments, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.sock.settimeout(PATIENCE)
        self.told: list[dict[str, str]] = []
        self.store: dict[str, list[int]] = {}  # descriptors by name

    def environment(self, daemon: Preforkd, **more: str) -> dict[str, str]:
        return {**daemon.environment(), "NOTIFY_SOCKET": str(self.path), **more}

    def next(self, *names: str) -> dict[str, str]:
        """The next message that has all of these."""
        while True:
            data, descriptors, _flags, _sender = socket.recv_fds(self.sock, 8192, 8)
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            self.told.append(message)
            if "FDSTORE" in message:
                self.store.setdefault(message["FDNAME"], []).extend(descriptors)
            if "FDSTOREREMOVE" in message:
                self._forget(message["FDNAME"])
            if set(names) <= message.keys():
                return message

    def all(self) -> list[dict[str, str]]:
        """What has been told until now, with what was told before."""
        self.sock.setblocking(False)
        try:
            while True:
                self.next()
        except BlockingIOError:
            self.sock.settimeout(PATIENCE)
        return self.told

    def _forget(self, name: str) -> None:
        for descriptor in self.store.pop(name, ()):
            os.close(descriptor)

    def start_again(self, daemon: Preforkd) -> None:
        """Start it with what the store has."""
        kept = [(name, socket.socket(fileno=os.dup(each[0]))) for name, each in self.store.items()]
        environment = self.environment(daemon, FDSTORE="8")
        activate(daemon, [sock for _name, sock in kept], ":".join(name for name, _sock in kept), environment)
        for _name, sock in kept:
            sock.close()

    def close(self) -> None:
        self.sock.close()
        for name in tuple(self.store):
            self._forget(name)
