"""Finding the control socket of a daemon, and asking it. In ``preforkctl``, or whoever wants to.

Imports no more than it needs: a command that takes half a second to start is not used in scripts.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from prefork.control.words import Request
from prefork.errors import PreforkError

PIECE = 64 * 1024


class Unreachable(PreforkError):
    """There is no daemon to talk to."""

    exit_code = 69  # EX_UNAVAILABLE


def socket_of(file: str) -> str:
    """The control socket that a configuration names. Raises PreforkError."""
    from prefork.config import source  # reads TOML, and needs no models

    found = source.read(file)
    if found.faults:
        raise PreforkError("\n".join(str(fault) for fault in found.faults))
    control = found.data.get("control")
    path = control.get("socket") if isinstance(control, dict) else None
    if not isinstance(path, str):
        raise Unreachable(f"{file} has no [control] socket", hint="add one and restart, or use signals")
    return path


def ask(path: str, request: Request) -> Iterator[dict[str, Any]]:
    """Every object of the answer as it comes; the last has ``ok``. Raises Unreachable."""
    with closing(_connected(path)) as sock:
        sock.sendall(request.line())
        waiting = b""
        while piece := _received(sock, path):
            *lines, waiting = (waiting + piece).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                yield answer
                if "ok" in answer:
                    return
    raise Unreachable(f"the daemon at {path} ended before it answered", hint="its log may say why")


def _connected(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise Unreachable(f"no daemon answers at {path}: {error.strerror}", hint=_hint(error)) from error
    return sock


def _received(sock: socket.socket, path: str) -> bytes:
    try:
        return sock.recv(PIECE)
    except OSError as error:
        raise Unreachable(f"the daemon at {path} hung up: {error.strerror}") from error


def _hint(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "you must be root, the user of the master, or in the group of [control]"
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return "is it running, and with [control] in its configuration?"
    return ""
