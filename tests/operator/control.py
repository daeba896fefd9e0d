"""preforkctl run against a daemon of a test, and the control socket spoken to by hand."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.operator.daemon import PATIENCE, Preforkd


def section(daemon: Preforkd, name: str = "control.sock", more: str = "") -> str:
    """TOML for the end of a configuration."""
    return f'[control]\nsocket = "{daemon.home}/{name}"\n{more}\n'


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "prefork.control.ctl", *arguments]


def ctl(daemon: Preforkd, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run preforkctl to its end; it finds the socket by the configuration."""
    return subprocess.run(
        command("-c", str(daemon.file), *arguments), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def asked(daemon: Preforkd, *arguments: str) -> dict[str, Any]:
    """The one object of a command that succeeds."""
    done = ctl(daemon, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))  # it waits where many do at once
    client.settimeout(PATIENCE)
    return client


def read_all(client: socket.socket) -> bytes:
    """What is answered until the daemon hangs up."""
    said = b""
    try:
        while piece := client.recv(65536):
            said += piece
    except ConnectionResetError:  # it hung up with something unread
        pass
    return said


def reply_to(path: Path, data: bytes) -> dict[str, Any]:
    """The last object that is answered to these bytes."""
    with connect(path) as client:
        client.sendall(data)
        reply: dict[str, Any] = json.loads(read_all(client).splitlines()[-1])
    return reply
