"""The client's end of the control socket: finding it, asking one thing, and hearing what comes of it.

Rules. What a daemon says is bounded here as what a client says is there. Nothing of this needs the configuration
models: it is to be quick. Every failure is a sentence. Who listens is told by the kernel, never by a file or a message.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import select
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefork.config import source
from prefork.control.protocol import Request
from prefork.errors import AbsentError, AnswerError, ConfigError, Fault

DEFAULT_CONFIG = "/etc/prefork.toml"
PATIENCE = 30.0  # seconds of silence after which a daemon that is not waited for counts as stuck
LINE_MOST = 64 * 1024 * 1024  # bytes: the stacks of many workers are long
CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
TIMEVAL = struct.Struct("ll")  # struct timeval: seconds, microseconds
NOT_OURS = "check that this is the control socket of preforkd"

Reply = dict[str, Any]


def socket_of(config: str | None) -> str:
    """The socket that a configuration names. Raises ConfigError where it cannot be read, AbsentError if it has none."""
    path = config or DEFAULT_CONFIG
    if config is None and not Path(path).exists():
        raise AbsentError(f"there is no {path}", hint="name the configuration with -c FILE, or a socket with -s SOCKET")
    found = source.read(path)
    control = found.data.get("control")
    named = control.get("socket") if isinstance(control, dict) else None
    if isinstance(named, str) and named:
        return named  # whatever else is wrong with the file: that may be what the daemon is to be asked about
    if found.faults:
        raise ConfigError(*found.faults)
    if control is not None:
        raise ConfigError(Fault("must be a path", key="control.socket", file=path))
    hint = 'add [control] with socket = "/run/prefork/control.sock", and send HUP to the master'
    raise AbsentError(f"{path} has no [control] section, so preforkd has no control socket", hint=hint)


class Connection:
    """One request to a daemon. ``master``: the pid of the process that listens (unix(7), SO_PEERCRED)."""

    def __init__(self, path: str) -> None:
        """Raises AbsentError if nobody is there, or we may not ask; AnswerError if nobody accepts in time."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A connect(2) of a socket that does not block fails where many ask at once: this one waits in the queue.
        patience = TIMEVAL.pack(*divmod(round(PATIENCE * 1e6), 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        try:
            self._socket.connect(path)
            self._socket.settimeout(PATIENCE)
            raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            self.master: int = CREDENTIALS.unpack(raw)[0]
            self._end = _watch(self.master)  # from now on its number cannot become another's
        except BlockingIOError:
            self._socket.close()
            raise _silent() from None
        except OSError as error:
            self._socket.close()
            raise _absent(path, error) from error

    def ask(self, request: Request) -> Iterator[Reply]:
        """The messages that come, the response last. Raises AnswerError if it is malformed, or late."""
        if request.wait:
            self._socket.settimeout(None)
        with suppress(BrokenPipeError, ConnectionResetError):  # it has said why already, and that is to be read
            self._socket.sendall(request.line())
        for line in self._lines():
            reply = _reply(line)
            yield reply
            if "ok" in reply:
                return
        raise AnswerError("preforkd closed the connection without a response", hint="the log of preforkd may say why")

    def await_end(self) -> None:
        """Until the master is gone."""
        select.select([self._end], [], [])

    def close(self) -> None:
        """Hang up; a request that is on its way goes on."""
        self._socket.close()
        os.close(self._end)

    def _lines(self) -> Iterator[bytes]:
        with self._socket.makefile("rb") as stream:
            while line := _line(stream):
                yield line


def _watch(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise ConnectionRefusedError from None  # it has ended a moment ago


def _line(stream: Any) -> bytes:
    """A line, or nothing at the end of the stream."""
    try:
        line: bytes = stream.readline(LINE_MOST)
    except ConnectionResetError:
        return b""
    except TimeoutError:
        raise _silent() from None
    if line and not line.endswith(b"\n"):
        raise AnswerError(
            "preforkd closed the connection in the middle of its response", hint="the log of preforkd may say why"
        )
    return line


def _silent() -> AnswerError:
    hint = "the process may be stopped: see its state with ps"
    return AnswerError(f"preforkd did not respond within {PATIENCE:.0f} seconds", hint=hint)


def _reply(line: bytes) -> Reply:
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict) or not ("ok" in reply or isinstance(reply.get("event"), str)):
        raise AnswerError("the process that listens there does not respond as preforkd does", hint=NOT_OURS)
    return reply


def _absent(path: str, error: OSError) -> AbsentError:
    """Who is missing, and what could be done about it."""
    if isinstance(error, FileNotFoundError):
        hint = "is preforkd running, and does its configuration name this socket?"
        return AbsentError(f"there is no control socket at {path}", hint=hint)
    if isinstance(error, ConnectionRefusedError):
        return AbsentError(
            f"no process listens at {path}", hint="preforkd has ended and left the socket behind; start preforkd"
        )
    if isinstance(error, PermissionError):
        return AbsentError(f"access to {path} is denied", hint=f"its mode admits {_allowed(path)}")
    return AbsentError(f"cannot connect to {path}: {error.strerror or error}")


def _allowed(path: str) -> str:
    """Whom the rights of a file let in, in words."""
    try:
        found = os.stat(path)
    except OSError:
        return "only users who may enter its directory"
    user, group = str(found.st_uid), str(found.st_gid)
    with suppress(KeyError):  # a number without an entry
        user = pwd.getpwuid(found.st_uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(found.st_gid).gr_name
    members = f", and members of group {group}" if found.st_mode & stat.S_IWGRP else ""
    return f"user {user}{members}"
