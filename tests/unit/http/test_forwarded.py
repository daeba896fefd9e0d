"""H9. Whose word about a client counts, and what of it."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.http import forwarded
from prefork.http.forwarded import Trust

NETWORKS = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix:"]
TRUST = Trust(NETWORKS, ("for", "proto", "host", "port", "prefix"))
RFC7239 = Trust(NETWORKS, ("forwarded",))
BASE = {
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "50000",
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "inner",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SCRIPT_NAME": "",
}


def heeded(trust=TRUST, *, rfc7239=None, **fields):
    environ = dict(BASE)
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": text for name, text in fields.items()}
    if rfc7239 is not None:
        environ["HTTP_FORWARDED"] = rfc7239
    trust.apply(environ)
    return environ


def client(**fields):
    environ = heeded(**fields)
    return environ["REMOTE_ADDR"], environ["REMOTE_PORT"]


def test_addresses_and_networks_are_trusted():
    """Of either family; what is not an address is nobody's."""
    assert TRUST.unix
    assert not Trust(["127.0.0.1"]).unix
    assert all(map(TRUST.covers, ("127.0.0.1", "10.1.2.3", "2001:db8::7", "::ffff:10.0.0.1")))
    assert not any(map(TRUST.covers, ("127.0.0.2", "", "unix:", "fe80::1%eth0")))


CHAINS = [
    ("192.0.2.1", "192.0.2.1", ""),
    ("192.0.2.1, 10.0.0.1", "192.0.2.1", ""),
    ("198.51.100.9, 192.0.2.1 ,10.0.0.1,10.0.0.2", "192.0.2.1", ""),
    ("10.0.0.1, 10.0.0.2", "10.0.0.1", ""),
    ("2001:db9::1", "2001:db9::1", ""),
    ("2001:DB9:0:0::1", "2001:db9::1", ""),
    ("198.51.100.9, 192.0.2.1, ::ffff:10.0.0.1", "192.0.2.1", ""),
    ("::ffff:192.0.2.1", "192.0.2.1", ""),
    ("unknown, 10.0.0.1", "10.0.0.1", ""),
    ("192.0.2.1, unknown", "127.0.0.1", "50000"),
    ("192.0.2.1, _hidden", "127.0.0.1", "50000"),
    ("192.0.2.1:4711", "192.0.2.1", "4711"),
    ("192.0.2.1:4711, 10.0.0.1:80", "192.0.2.1", "4711"),
    ("[2001:db9::1]:4711, 10.0.0.1:80", "2001:db9::1", "4711"),
    ("[2001:db9::1]", "2001:db9::1", ""),
    ("[2001:db9::1", "127.0.0.1", "50000"),
    ("[192.0.2.1]:80", "127.0.0.1", "50000"),
    ("192.0.2.1:", "192.0.2.1", ""),
    ("192.0.2.1:_obf", "192.0.2.1", ""),
    ("192.0.2.1:1:2", "127.0.0.1", "50000"),
    ("192.0.2.1:99999", "192.0.2.1", ""),
    ("192.0.2.1, unix:", "192.0.2.1", ""),
    ("unix:", "", ""),
    ("", "127.0.0.1", "50000"),
    ("192.0.2.1, ", "127.0.0.1", "50000"),
    ('fe80::1%"} forged', "127.0.0.1", "50000"),
]


@pytest.mark.parametrize(("chain", "address", "port"), CHAINS)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxys(chain, address, port):
    """What stands before it, and before anything that is not an address, is anybody's word. Twice: once remembered."""
    for _ in range(2):
        assert client(**{"for": chain}) == (address, port)


def test_a_unix_peer_that_is_not_trusted_ends_the_walk():
    """Its word about who was before it does not count."""
    environ = heeded(Trust(["127.0.0.1"]), **{"for": "192.0.2.1, unix:"})
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("http", "http"),
        ("https,https", "https"),
        ("https, https", "https"),
        ("http, https", "https"),
        ("https, http", "http"),
        ("gopher", "http"),
        ("", "http"),
        (",", "http"),
    ],
)
def test_the_scheme_is_the_proxys_to_tell(proto, scheme):
    """H9. Only the two that there are; of a list the nearest proxy's, for nothing says who is before it."""
    assert heeded(proto=proto)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    ("addresses", "proto", "scheme"),
    [
        ("192.0.2.1, 10.0.0.1", "https, http", "https"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.1", "http, https, http", "https"),
        ("6.6.6.6, 192.0.2.1", "https, http", "http"),
        ("192.0.2.1", "https, http", "http"),
        ("192.0.2.1, 10.0.0.2, 10.0.0.1", "https", "https"),
        ("192.0.2.1, 10.0.0.2, 10.0.0.1", "https, http", "https"),
    ],
)
def test_of_a_list_the_member_at_the_clients_place_counts(addresses, proto, scheme):
    """Each proxy has written its own; a shorter list was begun by a proxy nearer to us."""
    assert heeded(**{"for": addresses}, proto=proto)["wsgi.url_scheme"] == scheme


def server(environ):
    return environ["HTTP_HOST"], environ["SERVER_NAME"], environ["SERVER_PORT"]


def test_host_and_port_are_those_that_the_client_asked():
    """Without a port the scheme's; what is malformed as a Host changes nothing."""
    assert server(heeded(host="shop.example")) == ("shop.example", "shop.example", "80")
    assert server(heeded(host="shop.example", proto="https")) == ("shop.example", "shop.example", "443")
    assert server(heeded(host="shop.example:8443")) == ("shop.example:8443", "shop.example", "8443")
    assert server(heeded(host="[2001:db8::1]:81")) == ("[2001:db8::1]:81", "[2001:db8::1]", "81")
    assert server(heeded(host="[2001:db8::1]")) == ("[2001:db8::1]", "[2001:db8::1]", "80")
    assert server(heeded(host="evil, shop.example")) == ("shop.example", "shop.example", "80")
    assert server(heeded(port="8443")) == ("inner", "127.0.0.1", "8443")
    for host in ("", "a b", "a/b", "a:99999", "[::1", "a@b"):
        assert server(heeded(host=host)) == ("inner", "127.0.0.1", "8000")
    for port in ("", "0", "65536", "x", "80 ", "-1"):
        assert server(heeded(port=port))[2] == ("80" if port == "80 " else "8000")


@pytest.mark.parametrize(
    ("prefix", "script_name"),
    [
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("/a/b", "/a/b"),
        ("/", ""),
        ("//evil.example", "-"),
        ("shop", "-"),
        ("/a//b", "-"),
        ("/a?b", "-"),
        ("/a b", "-"),
        ("/a%2fb", "-"),
        ("http://a/", "-"),
    ],
)
def test_the_prefix_is_a_path(prefix, script_name):
    """SCRIPT_NAME never ends in a slash; what would be another site, or is not a plain path, changes nothing."""
    environ = {**BASE, "SCRIPT_NAME": "-", "HTTP_X_FORWARDED_PREFIX": prefix}
    TRUST.apply(environ)
    assert environ["SCRIPT_NAME"] == script_name


FORWARDED = [
    ("for=192.0.2.1", ("192.0.2.1", "", "http", "inner")),
    ('For="[2001:DB9::1]:4711";Proto=HTTPS;host=shop', ("2001:db9::1", "4711", "https", "shop")),
    ('for="192.0.2.1:47011" ; proto=https', ("192.0.2.1", "47011", "https", "inner")),
    ("for=6.6.6.6;host=evil, for=192.0.2.1;host=shop, for=10.0.0.1;host=near", ("192.0.2.1", "", "http", "shop")),
    ("for=192.0.2.1;proto=https,, ,for=10.0.0.1;proto=http,", ("192.0.2.1", "", "https", "inner")),
    ("for=192.0.2.1, for=unknown;proto=https", ("127.0.0.1", "50000", "https", "inner")),
    ("for=192.0.2.1, for=_gazonk", ("127.0.0.1", "50000", "http", "inner")),
    ("for=192.0.2.1, proto=https", ("127.0.0.1", "50000", "https", "inner")),
    ("for=_secret, for=10.0.0.1;proto=https", ("10.0.0.1", "", "http", "inner")),
    (r'for="192\.0.2.1"', ("192.0.2.1", "", "http", "inner")),
    ('for=", for=192.0.2.1', ("192.0.2.1", "", "http", "inner")),
    ('for=6.6.6.6;x=", for="[2001:db9::1]";proto=https', ("2001:db9::1", "", "https", "inner")),
    ('for=192.0.2.1;host="a, for=6.6.6.6"', ("192.0.2.1", "", "http", "inner")),
    ("for=6.6.6.6 x, for=10.0.0.1", ("10.0.0.1", "", "http", "inner")),
    ("for = 192.0.2.1", ("127.0.0.1", "50000", "http", "inner")),
    ("", ("127.0.0.1", "50000", "http", "inner")),
    (",;,", ("127.0.0.1", "50000", "http", "inner")),
    ("for=192.0.2.1;for=6.6.6.6", ("192.0.2.1", "", "http", "inner")),
]


@pytest.mark.parametrize(("text", "expected"), FORWARDED)
def test_forwarded_is_walked_as_the_others_are(text, expected):
    """RFC 7239 sections 4 to 6: the client's element has its scheme and host; nothing malformed reaches a later one."""
    environ = heeded(RFC7239, rfc7239=text)
    told = (environ["REMOTE_ADDR"], environ["REMOTE_PORT"], environ["wsgi.url_scheme"], environ["HTTP_HOST"])
    assert told == expected


EVERY = {"for": "192.0.2.1:1", "proto": "https", "host": "shop", "port": "81", "prefix": "/shop"}
CHANGED = {
    "for": {"REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "1"},
    "proto": {"wsgi.url_scheme": "https"},
    "host": {"HTTP_HOST": "shop", "SERVER_NAME": "shop", "SERVER_PORT": "80"},
    "port": {"SERVER_PORT": "81"},
    "prefix": {"SCRIPT_NAME": "/shop"},
}
CHOICES = [choice for count in range(6) for choice in itertools.combinations(EVERY, count)]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: "+".join(choice) or "none")
def test_what_is_not_named_changes_nothing(choice):
    """A proxy lets the fields that it does not write pass, as the client wrote them."""
    environ = heeded(Trust(["127.0.0.1", "unix:"], choice), rfc7239="for=6.6.6.6;proto=https;host=evil", **EVERY)
    expected = {key: value for name in choice for key, value in CHANGED[name].items()}
    if "host" in choice and "proto" in choice and "port" not in choice:
        expected["SERVER_PORT"] = "443"
    assert {key: environ[key] for key in BASE} == {**BASE, **expected}
    assert environ["HTTP_X_FORWARDED_HOST"] == "shop"


def test_forwarded_stands_for_its_own_parameters():
    """What stands for what else is said of the client belongs to its element."""
    trust = Trust(["127.0.0.1", "10.0.0.0/8"], ("forwarded", "port", "prefix"))
    environ = heeded(trust, rfc7239="for=192.0.2.7;host=a, for=10.0.0.1", **{**EVERY, "prefix": "/a, /b"})
    changed = {"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "", "HTTP_HOST": "a", "SERVER_NAME": "a"}
    assert {key: environ[key] for key in BASE} == {**BASE, **changed, "SERVER_PORT": "81", "SCRIPT_NAME": "/a"}
    assert heeded(trust, **{"for": "6.6.6.6", "proto": "https"})["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("fields", [(), ("proto",), ("forwarded",), ("for",)])
def test_a_list_of_schemes_counts_at_the_clients_place(fields):
    """Where nothing names the client, the nearest proxy's."""
    schemes = {"for": "192.0.2.1, 10.0.0.1", "proto": "https, http"}
    assert heeded(Trust(["10.0.0.0/8"], fields), **schemes)["wsgi.url_scheme"] == "http"
    assert (
        heeded(Trust(["10.0.0.0/8"], {*fields, "for", "proto"} - {"forwarded"}), **schemes)["wsgi.url_scheme"]
        == "https"
    )


@given(st.text("for=,:. 0123456789unix", max_size=30), st.text("https, HTP", max_size=15))
def test_the_usual_two_are_understood_as_every_choice_is(addresses, proto):
    """However the parser was chosen."""
    fields = {"for": addresses, "proto": proto}
    assert heeded(Trust(NETWORKS), **fields) == heeded(Trust(NETWORKS, ("for", "proto", "host")), **fields)


def test_without_fields_nobody_is_trusted():
    """So that a connection's requests do not even ask."""
    trust = Trust(NETWORKS, ())
    assert not trust.unix
    assert not trust.covers("127.0.0.1")


@given(st.text('for=,;"\\ []:.12ahosthttpsunknown_', max_size=60))
def test_nothing_that_is_written_there_fails_a_request(text):
    """And the address is always one."""
    for environ in (
        heeded(RFC7239, rfc7239=text),
        heeded(**{"for": text, "proto": text, "host": text, "prefix": text}),
    ):
        assert TRUST.covers(environ["REMOTE_ADDR"]) or set(environ["REMOTE_ADDR"]) <= set("0123456789abcdef.:")


@pytest.mark.parametrize(
    "text",
    [
        "for=192.0.2.1" + ";  " * 10_000 + "@",
        "for=192.0.2.1" + " " * 30_000 + "@",
        "for=192.0.2.1" + " ;a=b" * 6_000 + "@",
        "," * 30_000,
        " ," * 15_000 + "@",
        "for=127.0.0.1," * 2_000,
        'for="' + "," * 30_000 + '"',
        'for="' + ',b="x;y=z"' * 3_000,
    ],
    ids=["semicolons", "blanks", "pairs", "commas", "commas-and-blanks", "proxies", "quoted", "quotation-marks"],
)
def test_understanding_forwarded_is_linear(text):
    """A field that nobody can write by accident takes no worker away: it is understood in the time of a long one."""
    began = time.process_time()
    heeded(RFC7239, rfc7239=text)
    assert time.process_time() - began < 1


def test_what_is_remembered_is_bounded():
    """Whatever clients write, and however long."""
    trust = Trust(["127.0.0.1"])
    for number in range(forwarded.CACHE_SIZE * 2 + 1):
        heeded(trust, **{"for": f"192.0.{number // 256}.{number % 256}"})
    heeded(trust, **{"for": "1," * 1000})
    assert len(trust._clients) <= forwarded.CACHE_SIZE
    assert max(map(len, trust._clients)) <= forwarded.CACHED_LENGTH


def test_the_bounds_of_what_is_remembered():
    """To the entry, and to the character."""
    trust = Trust(["127.0.0.1"])
    for number in range(forwarded.CACHE_SIZE):
        heeded(trust, **{"for": f"192.0.{number // 256}.{number % 256}"})
    assert len(trust._clients) == forwarded.CACHE_SIZE == 1024
    heeded(trust, **{"for": "198.51.100.1"})
    assert list(trust._clients) == ["198.51.100.1"]
    for blanks, kept in ((forwarded.CACHED_LENGTH - 9, 2), (forwarded.CACHED_LENGTH - 8, 2)):
        assert heeded(trust, **{"for": " " * blanks + "192.0.2.1"})["REMOTE_ADDR"] == "192.0.2.1"
        assert len(trust._clients) == kept
    assert forwarded.CACHED_LENGTH == 256


@pytest.mark.parametrize("port", ["1", "65535"])
def test_the_first_and_the_last_port_are_ports(port):
    """Of a client, and of the service."""
    assert client(**{"for": f"192.0.2.1:{port}"}) == ("192.0.2.1", port)
    assert server(heeded(port=port))[2] == port


@pytest.mark.parametrize("port", ["0", "65536"])
def test_what_is_beside_them_is_not(port):
    """Of either."""
    assert client(**{"for": f"192.0.2.1:{port}"}) == ("192.0.2.1", "")
    assert server(heeded(port=port))[2] == "8000"


def test_the_place_of_an_only_address_is_the_last():
    """The nearest proxy's word counts, whoever is before it."""
    assert heeded(Trust(["127.0.0.1"]), **{"for": "192.0.2.1"}, proto="https, http")["wsgi.url_scheme"] == "http"
