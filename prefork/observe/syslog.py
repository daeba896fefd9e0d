"""The local syslog daemon: one datagram a line, in the form of RFC 3164 that syslog(3) sends.

A line longer than the daemon would take has been shortened before; what has not, is cut. What is not text of one line
is made so: a newline would be a record of its own to some daemons.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping

PATH = "/dev/log"
DAEMON = 3 << 3  # the facility (RFC 3164 section 4.1.1)
LIMIT = 8000  # bytes of a line: what common daemons take (rsyslog's maxMessageSize is 8 KiB) with the head before it
SEVERITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def connect(path: str) -> int:
    """A non-blocking unix datagram socket to ``path``, close-on-exec. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock.detach()


class Syslog:
    """A target of ``prefork.observe.sink``."""

    limit = LIMIT

    def __init__(self, ident: str, path: str = PATH) -> None:
        self._ident = ident
        self._path = path

    def open(self) -> int:
        """A new connection to the daemon. Raises OSError."""
        return connect(self._path)

    def separate(self, descriptor: int) -> int:
        """A connection of this process's own. Raises OSError."""
        return self.open()

    def frame(self, lines: bytes, level: str, fields: Mapping[str, object]) -> Iterable[bytes]:
        """One datagram for each line; a traceback's lines stay together in that of their event."""
        priority = DAEMON | SEVERITIES.get(level, SEVERITIES["info"])
        head = f"<{priority}>{_timestamp(time.localtime())} {self._ident}[{os.getpid()}]: ".encode()
        records = [lines.strip().replace(b"\n", b"\\n")] if fields else lines.splitlines()
        return [head + record[:LIMIT] for record in records]


def _timestamp(now: time.struct_time) -> str:
    """The local time in the form of RFC 3164 section 4.1.2.

    English months whatever the locale, the day padded with a space.
    """
    return f"{MONTHS[now.tm_mon - 1]} {now.tm_mday:2} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
