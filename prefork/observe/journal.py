"""The systemd journal by its native protocol: one datagram an event, with a field of the journal for each of its own.

``journalctl PREFORK_EVENT=worker_died`` finds events by name. Source: "Native Journal Protocol" of systemd. Long values
are cut, so that a datagram always fits into the socket's buffer.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping

from prefork.observe.syslog import SEVERITIES, connect

PATH = "/run/systemd/journal/socket"
LIMIT = 32 * 1024  # bytes of a value
FIELDS = 32  # of an event
ENTRY_MOST = 160 * 1024  # bytes of an event: a socket's buffer has 208 KiB (net.core.wmem_default)
NOT_IN_A_NAME = re.compile("[^A-Z0-9_]")


class Journal:
    """A target of ``prefork.observe.sink``."""

    limit = LIMIT

    def __init__(self, ident: str, path: str = PATH) -> None:
        self._ident = ident
        self._path = path

    def open(self) -> int:
        """A new connection to the journal. Raises OSError."""
        return connect(self._path)

    def separate(self, descriptor: int) -> int:
        """A connection of this process's own. Raises OSError."""
        return self.open()

    def frame(self, lines: bytes, level: str, fields: Mapping[str, object]) -> Iterable[bytes]:
        """One datagram for an event with its fields, or for a line without."""
        records = [lines.rstrip(b"\n")] if fields else lines.splitlines()
        return [self._entry(record, level, fields) for record in records]

    def _entry(self, record: bytes, level: str, fields: Mapping[str, object]) -> bytes:
        entry = [
            _field("MESSAGE", record),
            _field("PRIORITY", b"%d" % SEVERITIES.get(level, SEVERITIES["info"])),
            _field("SYSLOG_IDENTIFIER", self._ident.encode()),
        ]
        for name, value in list(fields.items())[:FIELDS]:
            field = _field(_name(name), _text(value))
            if sum(map(len, entry)) + len(field) <= ENTRY_MOST:
                entry.append(field)
        return b"".join(entry)


def _name(name: str) -> str:
    """The name of a journal field.

    At most 64 letters, digits and underscores, with a prefix that the journal does not use.
    """
    return ("PREFORK_" + NOT_IN_A_NAME.sub("_", name.upper()))[:64]


def _text(value: object) -> bytes:
    try:
        return str(value).encode(errors="backslashreplace")
    except Exception:  # an object of an application may fail to be text
        return b"?"


def _field(name: str, value: bytes) -> bytes:
    """One field of a datagram.

    With a newline in the value the length goes before it: no value can then begin another field.
    """
    value = value[:LIMIT]
    if b"\n" in value:
        return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"
