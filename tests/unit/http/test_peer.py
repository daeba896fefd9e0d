"""Whose word about a client counts."""

from __future__ import annotations

import pytest

from prefork.http.peer import Trust, plain_address

TRUST = Trust(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix:"])


def heeded(**fields):
    environ = {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http"}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": text for name, text in fields.items()}
    TRUST.apply(environ)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


def test_addresses_and_networks_are_trusted():
    """Of either family; what is no address is nobody's."""
    assert TRUST.unix
    assert not Trust(["127.0.0.1"]).unix
    assert TRUST.covers("127.0.0.1")
    assert TRUST.covers("10.1.2.3")
    assert TRUST.covers("2001:db8::7")
    assert not TRUST.covers("127.0.0.2")
    assert not TRUST.covers("")


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ("198.51.100.9, 192.0.2.1 ,10.0.0.1,10.0.0.2", "192.0.2.1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("2001:db9::1", "2001:db9::1"),
        ("198.51.100.9, 192.0.2.1, ::ffff:10.0.0.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown, 10.0.0.1", "10.0.0.1"),
        ("192.0.2.1, unknown", "127.0.0.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db9::1]:4711, 10.0.0.1:80", "2001:db9::1"),
        ("[2001:db9::1]", "2001:db9::1"),
        ("192.0.2.1:", "192.0.2.1"),
        ("", "127.0.0.1"),
        ("192.0.2.1, ", "127.0.0.1"),
        ('fe80::1%"} forged', "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxys(chain, client):
    """What stands before it, and before anything that is no address, is anybody's word."""
    assert heeded(**{"for": chain})[0] == client


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("gopher", "http"), ("", "http")]
)
def test_the_scheme_is_the_proxys_to_tell(proto, scheme):
    """Only the two that there are."""
    assert heeded(proto=proto)[1] == scheme


def test_an_ipv4_client_of_a_dual_stack_socket_is_an_ipv4_client():
    """And a zone says nothing to an application."""
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("::1") == "::1"
