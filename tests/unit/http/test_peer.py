"""Addresses, and which of them are trusted proxies'."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.http.peer import Proxies, canonical, is_canonical, plain_address

GROUPS = st.sampled_from(["0", "0", "1", "10", "ffff", "a0", "0a", "abcd", "12345", "", "A", "192.0.2.1"])
OCTETS = st.sampled_from(["0", "1", "01", "99", "255", "256", "", "a", "\u0663"])
TEXTS = st.one_of(
    st.lists(GROUPS, min_size=2, max_size=9).map(":".join),
    st.lists(OCTETS, min_size=3, max_size=5).map(".".join),
    st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number))),
    st.text("0123456789abcdef:.% \n", max_size=20),
)


def by_ipaddress(text):
    if "%" in text:
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


@given(TEXTS)
def test_an_address_is_what_ipaddress_takes_it_for(text):
    """The oracle is the standard library's, which is too slow for every request."""
    assert canonical(text) == by_ipaddress(text)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_a_network_covers_its_addresses_and_no_others(number, prefix, other):
    """Its first and last, their neighbours, and any."""
    network = ip_network((number, prefix), strict=False)
    proxies = Proxies([str(network)])
    first, last = int(network[0]), int(network[-1])
    for value in (first, last, max(0, first - 1), min(2**32 - 1, last + 1), other):
        assert proxies.covers(str(IPv4Address(value))) == (first <= value <= last)


def test_a_network_of_ipv6_covers_its_addresses():
    """Also those that are written shorter than the network."""
    proxies = Proxies(["2001:db8::/32", "fd00::1"])
    assert proxies.covers("2001:db8::7")
    assert proxies.covers("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")
    assert proxies.covers("fd00::1")
    assert not proxies.covers("2001:db9::7")
    assert not proxies.covers("fd00::2")
    assert not proxies.covers("192.0.2.1")


def test_without_networks_nobody_is_trusted():
    """Of either family; unix peers are named by themselves."""
    assert not Proxies([]).covers("127.0.0.1")
    assert not Proxies([]).unix
    assert Proxies(["unix:"]).unix


@pytest.mark.parametrize(
    ("text", "plain"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1"), ("::ffff:1", "::ffff:1")],
)
def test_an_ipv4_client_of_a_dual_stack_socket_is_an_ipv4_client(text, plain):
    """And a zone says nothing to an application."""
    assert plain_address(text) == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", True),
        ("192.0.2.01", False),
        ("2001:db8::7", True),
        ("2001:db8::", True),
        ("1:2:3:4:5:6:7:8", True),
        ("1:2:3:4:5::8", True),
        ("1:2:3:4:5:6::8", False),  # one group is not shortened (RFC 5952 section 4.2.2)
        ("1:0::8", False),
        ("1::0:8", False),
        ("1:0:0:2::8", False),
        ("0::8", False),
        ("2001:DB8::7", False),
        ("1:2:3:4:5:6:7", False),
        ("1:2:3:4:5:6:7:8:9", False),
    ],
)
def test_an_address_that_is_written_as_nearly_all_are_is_taken_as_it_is(text, expected):
    """Understanding it would cost more than the rest of a request's addresses; every other one is understood."""
    assert is_canonical(text) is expected
    assert canonical(text) == by_ipaddress(text)


def test_each_network_is_trusted_for_itself():
    """An address need not be in all of them."""
    proxies = Proxies(["2001:db8::/32", "fd00::/8", "192.0.2.0/24", "198.51.100.0/24"])
    assert all(map(proxies.covers, ("2001:db8::7", "fd00::7", "192.0.2.7", "198.51.100.7")))
    assert not any(map(proxies.covers, ("2001:db9::7", "fe00::7", "192.0.3.7")))


@pytest.mark.parametrize("network", ["::/0", "2000::/3", "2001:db8::/33"])
def test_a_network_of_ipv6_covers_nobody_of_ipv4(network):
    """However short its prefix is."""
    proxies = Proxies([network])
    assert proxies.covers("2001:db8::7")
    assert not proxies.covers("192.0.2.1")
