"""Pure. What trusted proxies say of a client: X-Forwarded-For, -Proto, -Host, -Port, -Prefix, and Forwarded (RFC 7239).

Rules. Only the fields of a trusted peer change anything. A list is walked from its right end, where the nearest proxy
writes: the first address that is not a trusted proxy's is the client, and what stands before it is anybody's word. The
walk ends as well at what is not an address (``unknown``, ``_hidden``), and the last proxy that was known counts as the
client. Of the other lists the member counts that belongs to the client's place. Forwarded counts only in a request
without X-Forwarded-For, -Proto and -Host: a proxy that writes those lets a client's Forwarded pass. What is malformed
is not heeded, and never fails a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from prefork.errors import RequestError
from prefork.http.fields import check_host
from prefork.http.peer import UNIX, Proxies, canonical, is_canonical

CACHE_SIZE = 1024  # texts of X-Forwarded-For
CACHED_LENGTH = 256  # characters of one

_BLANKS = " \t"
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PAIR = rf"(?:{_WORD}=(?:{_WORD}|{_QUOTED}))?"
# Matched from the right, so that nothing a client wrote, a quotation mark without its pair say, reaches into what
# a proxy wrote behind it.
_LAST_ELEMENT = re.compile(rf"(?:^|,)[ \t]*({_PAIR}(?:[ \t]*;[ \t]*{_PAIR})*)[ \t]*\Z")
_PAIRS = re.compile(rf"({_WORD})=(?:({_WORD})|({_QUOTED}))")
_ESCAPED = re.compile(r"\\(.)")
_PORT = re.compile(r"[0-9]{1,5}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+;=:@]+)+")
_PORTS = {"http": "80", "https": "443"}


# Address (None: the peer's, for nobody says another), port (empty: not known), place of its member from the right. Not
# a named tuple: making one costs a third of understanding an address.
Client = tuple[str | None, str, int]


class Trust:
    """Whose fields count, and what they say. Remembers, within bounds, the lists of addresses that it has walked."""

    def __init__(self, proxies: Sequence[str]) -> None:
        trusted = Proxies(proxies)
        self.unix = trusted.unix
        self._covered = trusted.covers
        self._clients: dict[str, Client] = {}

    def covers(self, address: str) -> bool:
        """Whether this address, not a unix peer's, is a trusted proxy's."""
        known = canonical(address)
        return bool(known) and self._covered(known)

    def apply(self, environ: dict[str, Any]) -> None:
        """Let the fields of a trusted peer speak.

        REMOTE_ADDR, REMOTE_PORT, wsgi.url_scheme, HTTP_HOST, SERVER_NAME, SERVER_PORT and SCRIPT_NAME change in place.
        """
        get = environ.get
        addresses = get("HTTP_X_FORWARDED_FOR")
        proto = get("HTTP_X_FORWARDED_PROTO")
        place = 0
        if addresses is not None:
            address, port, place = self._clients.get(addresses) or self._walk(addresses)
            if address is not None:
                environ["REMOTE_ADDR"] = address
                environ["REMOTE_PORT"] = port
        elif proto is None and "HTTP_FORWARDED" in environ and "HTTP_X_FORWARDED_HOST" not in environ:
            self._apply_forwarded(environ)
        if proto is not None:
            if proto not in _PORTS:
                proto = _member(proto, place).lower()
            if proto in _PORTS:
                environ["wsgi.url_scheme"] = proto
        if "HTTP_X_FORWARDED_HOST" in environ:
            _apply_host(environ, _member(environ["HTTP_X_FORWARDED_HOST"], place))
        if "HTTP_X_FORWARDED_PORT" in environ:
            _apply_port(environ, _member(environ["HTTP_X_FORWARDED_PORT"], place))
        if "HTTP_X_FORWARDED_PREFIX" in environ:
            _apply_prefix(environ, _member(environ["HTTP_X_FORWARDED_PREFIX"], place))

    def _walk(self, text: str) -> Client:
        """The client of an X-Forwarded-For that is not remembered."""
        if is_canonical(text) and not self._covered(text):
            client: Client = (text, "", 0)  # nearly every one
        else:
            client = self._client_of(entry.strip(_BLANKS) for entry in reversed(text.split(",")))
        clients = self._clients
        if len(text) <= CACHED_LENGTH:
            if len(clients) >= CACHE_SIZE:
                clients.clear()
            clients[text] = client
        return client

    def _client_of(self, nodes: Iterator[str]) -> Client:
        """The first of these that is not a trusted proxy, or the last one known."""
        known: str | None = None
        port, place = "", 0
        for place, node in enumerate(nodes):  # noqa: B007 - the place where it ended is the answer
            address, its_port = _node(node)
            if not address or (address == UNIX and not self.unix):
                break
            if address == UNIX:
                known, port = "", ""
                continue
            known, port = address, its_port
            if not self._covered(address):
                break
        return known, port, place

    def _apply_forwarded(self, environ: dict[str, Any]) -> None:
        elements = list(_elements(environ["HTTP_FORWARDED"]))
        if not elements:
            return
        address, port, place = self._client_of(iter([element.get("for", "") for element in elements]))
        if address is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address, port
        element = elements[place]
        scheme = element.get("proto", "").lower()
        if scheme in _PORTS:
            environ["wsgi.url_scheme"] = scheme
        if "host" in element:
            _apply_host(environ, element["host"])


def _member(text: str, place: int) -> str:
    """The member of a list at the client's place, from the right; a shorter list's first."""
    if "," not in text:
        return text.strip(_BLANKS)
    members = text.split(",")
    return members[-1 - min(place, len(members) - 1)].strip(_BLANKS)


def _node(text: str) -> tuple[str, str]:
    """Address and port of a node (RFC 7239 section 6, and X-Forwarded-For with ports); empty where there is none."""
    address = canonical(text)
    if address or not text:
        return address, ""
    if text == UNIX:  # nginx writes so of a client on a unix socket
        return UNIX, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in host or (port and not port.startswith(":")):
            return "", ""
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        return "", ""
    address = canonical(host)
    return address, port if address and _is_port(port) else ""


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and 0 < int(text) < 65536


def _elements(text: str) -> Iterator[dict[str, str]]:
    """The elements of a Forwarded from the right, as far as they are well-formed: names in lower case -> values."""
    while text.strip(_BLANKS):
        match = _LAST_ELEMENT.search(text)
        if match is None:
            return
        text = text[: match.start()]
        if not match[1]:
            continue  # RFC 9110 section 5.6.1: an empty member says nothing
        element: dict[str, str] = {}
        for name, token, quoted in _PAIRS.findall(match[1]):
            element.setdefault(name.lower(), token or _ESCAPED.sub(r"\1", quoted[1:-1]))
        yield element


def _apply_host(environ: dict[str, Any], host: str) -> None:
    try:
        check_host(host)
    except RequestError:  # it would not be taken from the client either
        return
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host, ""
    environ["HTTP_HOST"] = host
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = port or _PORTS[environ["wsgi.url_scheme"]]


def _apply_port(environ: dict[str, Any], port: str) -> None:
    if _is_port(port):
        environ["SERVER_PORT"] = str(int(port))


def _apply_prefix(environ: dict[str, Any], prefix: str) -> None:
    """Where the application is mounted. Not ``//host``, which a browser would take for another site."""
    prefix = prefix.rstrip("/")
    if not prefix or _PREFIX.fullmatch(prefix):
        environ["SCRIPT_NAME"] = prefix
