"""Pure. One field line of a head (RFC 9110 section 5, RFC 9112 section 5), checked once and remembered.

Clients send the same lines again and again. A line is checked in full the first time, and what came of it is looked
up afterwards: what is strict costs nothing, and there is one place where a field is understood. The memory is
bounded, and what it gives depends on the line alone.
"""

from __future__ import annotations

import re
from enum import IntEnum
from ipaddress import IPv6Address
from typing import NamedTuple

from prefork.errors import RequestError

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE = re.compile(rb"(" + TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,19}")
_HOST = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?"  # RFC 3986, 3.2
)

REMEMBERED = 1024  # lines
REMEMBERED_LENGTH = 256  # bytes; longer ones are seldom the same again


class Role(IntEnum):
    """What a field means for the server itself; falsy: nothing."""

    ORDINARY = 0
    HOST = 1
    CONTENT_LENGTH = 2
    TRANSFER_ENCODING = 3
    CONNECTION = 4
    EXPECT = 5
    HIDDEN = 6  # it never reaches an application


class Field(NamedTuple):
    """A field line. ``key`` and ``text`` are what CGI and WSGI make of it (RFC 3875, PEP 3333)."""

    name: bytes  # lower case
    value: bytes
    key: str
    text: str
    role: Role


_ROLES = {
    b"host": Role.HOST,
    b"content-length": Role.CONTENT_LENGTH,
    b"transfer-encoding": Role.TRANSFER_ENCODING,
    b"connection": Role.CONNECTION,
    b"expect": Role.EXPECT,
    b"proxy": Role.HIDDEN,  # HTTP_PROXY is an environment variable to too many libraries
}
_CGI_KEYS = {b"content-length": "CONTENT_LENGTH", b"content-type": "CONTENT_TYPE"}

_remembered: dict[bytes, Field] = {}
recall = _remembered.get


def learn(line: bytes) -> Field:
    """Check a line that is not remembered. Raises RequestError (400)."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise RequestError(400, "a header line is malformed")
    name, value = match[1].lower(), match[2].strip(b" \t")
    # X_Y and X-Y would become one key: one of them is a forgery.
    role = Role.HIDDEN if b"_" in name else _ROLES.get(name, Role.ORDINARY)
    if role is Role.HOST:
        check_host(value)
    elif role is Role.CONTENT_LENGTH and not _LENGTH.fullmatch(value):
        raise RequestError(400, "Content-Length is no number")
    key = _CGI_KEYS.get(name) or "HTTP_" + name.decode().upper().replace("-", "_")
    field = Field(name, value, key, value.decode("latin-1"), role)
    if len(line) <= REMEMBERED_LENGTH:
        if len(_remembered) >= REMEMBERED:
            _remembered.clear()
        _remembered[line] = field
    return field


def check_host(value: bytes) -> None:
    """Raise RequestError (400) for what is no ``uri-host [":" port]`` (RFC 9110 section 7.2)."""
    match = _HOST.fullmatch(value)
    if match is None or (match[2] and int(match[2]) > 65535):
        raise RequestError(400, "Host is malformed")
    if match[1]:
        try:
            IPv6Address(match[1].decode())
        except ValueError:
            raise RequestError(400, "Host is malformed") from None
