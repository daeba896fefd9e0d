"""Pure. One field line of a head (RFC 9110 section 5, RFC 9112 section 5), checked once and remembered.

Clients send the same lines again and again. A line is checked in full the first time, and what came of it is looked
up afterwards: what is strict costs nothing, and there is one place where a field is understood. The memory is
bounded, what varies by nature is not kept in it, and what it gives depends on the line alone.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from prefork.errors import RequestError

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TOKEN = re.compile(TOKEN)
_LENGTH = re.compile(r"[0-9]{1,19}")
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?"  # RFC 3986, 3.2
)
_VALUE_OCTETS = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

DROPPED = ""  # the key of a field that reaches no application

CACHE_SIZE = 512  # lines, and as many names
CACHED_LENGTH = 256  # bytes of a line
_VARYING = {"HTTP_COOKIE", "HTTP_REFERER", "HTTP_AUTHORIZATION", "HTTP_IF_NONE_MATCH", "CONTENT_LENGTH"}

Pair = tuple[str, str]  # what CGI and WSGI make of a field (RFC 3875 section 4.1.18, PEP 3333)

_lines: dict[bytes, Pair] = {}
_keys: dict[bytes, str] = {}
cached = _lines.get


def parse(line: bytes) -> Pair:
    """Key and text of a line that is not remembered. Raises RequestError (400)."""
    name, colon, value = line.partition(b":")
    key = _keys.get(name)
    if key is None:
        key = _parse_name(name)
    if not colon or value.translate(None, _VALUE_OCTETS):
        raise RequestError(400, "a header line is malformed")
    text = value.strip(b" \t").decode("latin-1")
    if key == "HTTP_HOST":
        check_host(text)
    elif key == "CONTENT_LENGTH" and not _LENGTH.fullmatch(text):
        raise RequestError(400, "Content-Length is not a number")
    pair = (key, text)
    if len(line) <= CACHED_LENGTH and key not in _VARYING:
        if len(_lines) >= CACHE_SIZE:
            _lines.clear()
        _lines[line] = pair
    return pair


def _parse_name(name: bytes) -> str:
    if not _TOKEN.fullmatch(name):
        raise RequestError(400, "a header line is malformed")
    # X_Y and X-Y would become one key: one of them is a forgery. And HTTP_PROXY is a variable of its own to many
    # libraries.
    lower = name.lower()
    if b"_" in name or lower == b"proxy":
        key = DROPPED
    elif lower in (b"content-length", b"content-type"):
        key = lower.decode().upper().replace("-", "_")
    else:
        key = "HTTP_" + lower.decode().upper().replace("-", "_")
    if len(name) <= CACHED_LENGTH:
        if len(_keys) >= CACHE_SIZE:
            _keys.clear()
        _keys[name] = key
    return key


def check_host(text: str) -> None:
    """Raise RequestError (400) for what is no ``uri-host [":" port]`` (RFC 9110 section 7.2)."""
    match = _HOST.fullmatch(text)
    if match is None or (match[2] and int(match[2]) > 65535):
        raise RequestError(400, "Host is malformed")
    if match[1]:
        try:
            IPv6Address(match[1])
        except ValueError:
            raise RequestError(400, "Host is malformed") from None
