"""Pure. Where a listener listens: the text of the configuration as a value.

Rules. ``parse`` and ``str`` are inverse: the text of an address parses to an equal address, and two texts that mean
the same address have the same canonical text. No name is looked up here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FORMS = "host:port, [v6]:port, unix:/path, fd:N or systemd:NAME"
UNIX_LIMIT = 107  # bytes of a path: sizeof(sun_path) - 1, unix(7)

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class TcpAddress:
    """``host`` is a name or an IP address without brackets; port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class UnixAddress:
    """``path`` is absolute, or begins with ``@`` for the abstract namespace of unix(7)."""

    path: str

    @property
    def abstract(self) -> bool:
        """Whether it lives outside the file system, without owner or mode."""
        return self.path.startswith("@")

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True)
class FdAddress:
    """An open descriptor that the process was started with."""

    number: int

    def __str__(self) -> str:
        return f"fd:{self.number}"


@dataclass(frozen=True)
class SystemdAddress:
    """A socket that systemd passed, by its FileDescriptorName (systemd.socket(5))."""

    name: str

    def __str__(self) -> str:
        return f"systemd:{self.name}"


Address = TcpAddress | UnixAddress | FdAddress | SystemdAddress


def parse(text: str) -> Address:
    """The address that ``text`` means. Raises ValueError with a sentence for the operator."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "unix":
        return _unix(rest)
    if colon and scheme == "fd":
        return _descriptor(rest)
    if colon and scheme == "systemd":
        return _systemd(rest)
    return _tcp(text)


def _unix(path: str) -> UnixAddress:
    if not path.startswith(("/", "@")):
        raise ValueError(f'the path of a unix socket must be absolute: unix:/path, not "unix:{path}"')
    if len(path) == 1 or path.endswith("/"):
        raise ValueError(f'"unix:{path}" does not name a socket')
    if "\0" in path:
        raise ValueError("a path must not contain a NUL character")
    if len(path.encode()) > UNIX_LIMIT:
        raise ValueError(f"the path of a unix socket must have at most {UNIX_LIMIT} bytes, not {len(path.encode())}")
    return UnixAddress(path)


def _descriptor(number: str) -> FdAddress:
    if not _NUMBER.fullmatch(number):
        raise ValueError(f'must be fd:N with the number of an open descriptor, not "fd:{number}"')
    if int(number) < 3:
        raise ValueError(f"descriptor {int(number)} is standard input, output or error: systemd passes 3 and up")
    return FdAddress(int(number))


def _systemd(name: str) -> SystemdAddress:
    # What systemd.socket(5) allows: at most 255 printable ASCII characters, no colon.
    if not name or len(name) > 255 or ":" in name or not (name.isascii() and name.isprintable()):
        raise ValueError(f'must be systemd:NAME with the FileDescriptorName= of a socket unit, not "systemd:{name}"')
    return SystemdAddress(name)


def _tcp(text: str) -> TcpAddress:
    host, colon, port = text.rpartition(":")
    if not colon or not _NUMBER.fullmatch(port):
        if text.startswith("/"):
            raise ValueError(f'write "unix:{text}" for a unix socket')
        if _NUMBER.fullmatch(text):
            raise ValueError(f'write "127.0.0.1:{text}", or "0.0.0.0:{text}" for every interface')
        raise ValueError(f'must be {FORMS}, not "{text}"')
    if int(port) > 65535:
        raise ValueError(f"a port is at most 65535, not {port}")
    return TcpAddress(_host(host, port), int(port))


def _host(host: str, port: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return str(_v6(host[1:-1]))
    if ":" in host:
        raise ValueError(f'write an IPv6 address in brackets: "[{host}]:{port}"')
    if not host or host == "*":
        raise ValueError(f'name the interface: "0.0.0.0:{port}" for every IPv4 one, "[::]:{port}" for every one')
    if _looks_like_v4(host):
        return _v4(host)
    if not _HOST_NAME.fullmatch(host) or len(host) > 253:
        raise ValueError(f'"{host}" is neither a host name nor an IP address')
    return host.lower()


def _looks_like_v4(host: str) -> bool:
    """A name whose last label is all digits is an IPv4 address or a slip (RFC 1123 section 2.1)."""
    return host.rstrip(".").rpartition(".")[2].isdigit()


def _v4(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(f'"{host}" is not an IPv4 address') from None


def _v6(host: str) -> IPv6Address:
    try:
        return IPv6Address(host)
    except ValueError:
        raise ValueError(f'"{host}" is not an IPv6 address') from None
