"""Pure. Addresses: how one is written plainly, and whether it is a trusted proxy's.

Rules. An address that was never seen is understood without ``ipaddress``, which costs more than the rest of a request,
where it is written as proxies write it; what is written otherwise is left to ``ipaddress``. What is no address, or has
a zone, is nobody's: a zone may be any text, and means nothing on another machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNIX = "unix:"

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch
_GROUP = r"(?:0|[1-9a-f][0-9a-f]{0,3})"
_FULL_IPV6 = re.compile(rf"{_GROUP}(?::{_GROUP}){{7}}").fullmatch
_SHORT_IPV6 = re.compile(rf"(?:{_GROUP}(?::{_GROUP}){{0,5}})?::(?:{_GROUP}(?::{_GROUP}){{0,5}})?").fullmatch
_NOBODY = re.compile(r"(?!)")


def plain_address(text: str) -> str:
    """An address of a socket as people write it: an IPv4 client of a dual-stack socket is an IPv4 client."""
    return text.removeprefix("::ffff:") if text.startswith("::ffff:") and "." in text else text.partition("%")[0]


def canonical(text: str) -> str:
    """An address as its family writes it; empty for what is not an address, or has a zone.

    An IPv4 address that is mapped into IPv6 (RFC 4291 section 2.5.5.2) is that IPv4 address.
    """
    if is_canonical(text):
        return text
    if ":" not in text or "%" in text:
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


def is_canonical(text: str) -> bool:
    """Whether this is an address as its family writes it (RFC 5952); False also for the rarer ones of IPv6."""
    if ":" not in text:
        return _IPV4(text) is not None
    if text[0] in "0:" or "0:0" in text:
        return False
    if "::" in text:
        return ":0::" not in text and "::0" not in text and text.count(":") < 7 and _SHORT_IPV6(text) is not None
    return _FULL_IPV6(text) is not None


class Proxies:
    """The peers of ``trusted_proxies``: addresses, networks, ``unix:`` for every unix socket."""

    def __init__(self, proxies: Sequence[str]) -> None:
        networks = [ip_network(proxy, strict=False) for proxy in proxies if proxy != UNIX]
        self.unix = UNIX in proxies
        self._in_ipv4 = _pattern_of([network for network in networks if isinstance(network, IPv4Network)]).match
        wide = [network for network in networks if isinstance(network, IPv6Network)]
        self._ipv6 = frozenset(str(network.network_address) for network in wide if network.prefixlen == 128)
        self._networks = tuple(network for network in wide if network.prefixlen < 128)

    def covers(self, address: str) -> bool:
        """Whether this address, in canonical form and not a unix peer's, is a trusted proxy's."""
        if ":" not in address:
            return self._in_ipv4(address) is not None
        if address in self._ipv6:
            return True
        return bool(self._networks) and any(IPv6Address(address) in network for network in self._networks)


def _pattern_of(networks: Sequence[IPv4Network]) -> re.Pattern[str]:
    """What the addresses of these networks begin with, for texts that are IPv4 addresses."""
    return re.compile("|".join(map(_start_of, networks))) if networks else _NOBODY


def _start_of(network: IPv4Network) -> str:
    octets = str(network.network_address).split(".")
    whole, bits = divmod(network.prefixlen, 8)
    start = "".join(rf"{octet}\." for octet in octets[:whole])
    if whole == 4:
        return start.removesuffix(r"\.") + r"\Z"
    if not bits:
        return start or r"[0-9]"
    first = int(octets[whole])
    values = "|".join(map(str, range(first, first + (1 << (8 - bits)))))
    return rf"{start}(?:{values})" + (r"\." if whole < 3 else r"\Z")
