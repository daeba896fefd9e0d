"""Pure. Who is at the other end, and whose word about it counts: trusted proxies, X-Forwarded-* (RFC 7239 section 8).

Only the fields of a trusted peer change anything, and of several addresses the last one that is not a trusted proxy's
is the client: those before it are anybody's word.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

UNIX = "unix:"


def plain_address(text: str) -> str:
    """An address of a socket as people write it: an IPv4 client of a dual-stack socket is an IPv4 client."""
    return text.removeprefix("::ffff:") if text.startswith("::ffff:") and "." in text else text.partition("%")[0]


class Trust:
    """The peers of ``trusted_proxies``: addresses, networks, ``unix:`` for every unix socket."""

    def __init__(self, proxies: Sequence[str]) -> None:
        self.unix = UNIX in proxies
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(proxy, strict=False) for proxy in proxies if proxy != UNIX
        )

    def covers(self, address: str) -> bool:
        """Whether this address, not a unix peer's, is a trusted proxy's."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def apply(self, environ: dict[str, Any]) -> None:
        """Let the fields of a trusted peer speak: REMOTE_ADDR and wsgi.url_scheme change in place."""
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        forwarded = environ.get("HTTP_X_FORWARDED_FOR")
        if forwarded is None:
            return
        for entry in reversed(forwarded.split(",")):
            parsed = _parsed(_without_port(entry.strip(" \t")))
            if parsed is None:
                return  # no address: whatever stands before it was written by somebody unknown
            environ["REMOTE_ADDR"] = str(parsed)
            if not any(parsed in network for network in self._networks):
                return


def _without_port(entry: str) -> str:
    """An address that some proxies write with the client's port (RFC 7239 section 6)."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address; None for what is none, or has a zone, which may be any text and means nothing elsewhere.

    An IPv4 address in the clothes of IPv6 (RFC 4291 section 2.5.5.2) is that IPv4 address.
    """
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
