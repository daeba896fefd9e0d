"""Pure. What trusted proxies say of a client: X-Forwarded-For, -Proto, -Host, -Port, -Prefix, and Forwarded (RFC 7239).

Rules. Only the fields that the configuration names, of a trusted peer, change anything: a proxy lets those that it does
not write pass as the client wrote them. A list is walked from its right end, where the nearest proxy writes: the first
address that is not a trusted proxy's is the client, and what stands before it is anybody's word. The walk ends as well
at what is not an address (``unknown``, ``_hidden``), and the last proxy that was known counts as the client. Of the
other lists the member counts that belongs to the client's place. What is malformed is not heeded, and never fails a
request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from prefork.errors import RequestError
from prefork.http.fields import check_host
from prefork.http.peer import UNIX, Proxies, canonical, is_canonical

CACHE_SIZE = 1024  # texts of X-Forwarded-For
CACHED_LENGTH = 256  # characters of one

USUAL = ("for", "proto")  # what nearly every proxy writes, and nothing else

_BLANKS = " \t"
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PAIR = rf"{_WORD}=(?:{_WORD}|{_QUOTED})"
# Blanks have one place each, so that what does not match is known in linear time.
_ELEMENT = re.compile(rf"[ \t]*(?:{_PAIR}[ \t]*)?(?:;[ \t]*(?:{_PAIR}[ \t]*)?)*")
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

    def __init__(self, proxies: Sequence[str], fields: Collection[str] = USUAL) -> None:
        """``fields`` that the proxies write: of for, proto, host, port, prefix (X-Forwarded-*), and forwarded."""
        trusted = Proxies(proxies if fields else ())
        self.unix = trusted.unix
        self._covered = trusted.covers
        self._clients: dict[str, Client] = {}
        self._parsers = tuple((key, parser) for name, key, parser in _PARSERS if name in fields)
        self._walks = self._walker_of(fields)
        self.apply = self._apply_usual if set(fields) == set(USUAL) else self._apply_named
        """Let the fields of a trusted peer speak, in the environ of its request.

        REMOTE_ADDR, REMOTE_PORT, wsgi.url_scheme, HTTP_HOST, SERVER_NAME, SERVER_PORT and SCRIPT_NAME change in place.
        """

    def _walker_of(self, fields: Collection[str]) -> Callable[[dict[str, Any]], int]:
        """What lets the field that names the client speak, and gives the client's place."""
        if "forwarded" in fields:
            return self._apply_forwarded
        return self._apply_for if "for" in fields else _peer_is_client

    def covers(self, address: str) -> bool:
        """Whether this address, not a unix peer's, is a trusted proxy's."""
        known = canonical(address)
        return bool(known) and self._covered(known)

    def _apply_usual(self, environ: dict[str, Any]) -> None:
        """X-Forwarded-For and -Proto, as ``_apply_named`` does; in one piece, for it runs in nearly every request."""
        get = environ.get
        addresses = get("HTTP_X_FORWARDED_FOR")
        proto = get("HTTP_X_FORWARDED_PROTO")
        place = 0
        if addresses is not None:
            address, port, place = self._clients.get(addresses) or self._walk(addresses)
            if address is not None:
                environ["REMOTE_ADDR"] = address
                environ["REMOTE_PORT"] = port
        if proto is not None:
            if proto not in _PORTS:
                proto = _member(proto, place).lower()
            if proto in _PORTS:
                environ["wsgi.url_scheme"] = proto

    def _apply_named(self, environ: dict[str, Any]) -> None:
        """Any choice of fields."""
        place = self._walks(environ)
        for key, parser in self._parsers:
            if key in environ:
                parser(environ, _member(environ[key], place))

    def _apply_for(self, environ: dict[str, Any]) -> int:
        """X-Forwarded-For. Returns the client's place."""
        addresses = environ.get("HTTP_X_FORWARDED_FOR")
        if addresses is None:
            return 0
        address, port, place = self._clients.get(addresses) or self._walk(addresses)
        if address is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address, port
        return place

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

    def _apply_forwarded(self, environ: dict[str, Any]) -> int:
        """Forwarded, with the scheme and the host of the client's element. Returns the client's place."""
        elements = list(_elements(environ.get("HTTP_FORWARDED", "")))
        if not elements:
            return 0
        address, port, place = self._client_of(iter([element.get("for", "") for element in elements]))
        if address is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address, port
        element = elements[place]
        _apply_proto(environ, element.get("proto", ""))
        if "host" in element:
            _apply_host(environ, element["host"])
        return place


def _peer_is_client(_environ: dict[str, Any]) -> int:
    """Where no field names the client: what the nearest proxy writes counts."""
    return 0


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
    """The elements of a Forwarded from the right, as far as they are well-formed: names in lower case -> values.

    From the right, so that nothing a client wrote, a quotation mark without its pair say, reaches into what a proxy
    wrote behind it. A comma within quotation marks is passed over: what follows it is not an element.
    """
    end = len(text)
    while end >= 0:
        comma = text.rfind(",", 0, end)
        while not _ELEMENT.fullmatch(text, comma + 1, end):
            if comma < 0:
                return
            comma = text.rfind(",", 0, comma)
        if text[comma + 1 : end].strip(_BLANKS):  # RFC 9110 section 5.6.1: an empty member says nothing
            element: dict[str, str] = {}
            for name, token, quoted in _PAIRS.findall(text, comma + 1, end):
                element.setdefault(name.lower(), token or _ESCAPED.sub(r"\1", quoted[1:-1]))
            yield element
        end = comma


def _apply_proto(environ: dict[str, Any], proto: str) -> None:
    scheme = proto.lower()
    if scheme in _PORTS:
        environ["wsgi.url_scheme"] = scheme


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


# In this order: without a port of its own, a host has that of the scheme.
_PARSERS: tuple[tuple[str, str, Callable[[dict[str, Any], str], None]], ...] = (
    ("proto", "HTTP_X_FORWARDED_PROTO", _apply_proto),
    ("host", "HTTP_X_FORWARDED_HOST", _apply_host),
    ("port", "HTTP_X_FORWARDED_PORT", _apply_port),
    ("prefix", "HTTP_X_FORWARDED_PREFIX", _apply_prefix),
)
