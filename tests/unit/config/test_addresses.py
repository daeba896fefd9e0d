"""Addresses of listeners."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.config.addresses import FdAddress, SystemdAddress, TcpAddress, UnixAddress, parse

GOOD = [
    ("127.0.0.1:8000", TcpAddress("127.0.0.1", 8000), "127.0.0.1:8000"),
    ("0.0.0.0:0", TcpAddress("0.0.0.0", 0), "0.0.0.0:0"),
    ("[::]:8443", TcpAddress("::", 8443), "[::]:8443"),
    ("[0:0::1]:80", TcpAddress("::1", 80), "[::1]:80"),
    ("[fe80::1%eth0]:80", TcpAddress("fe80::1%eth0", 80), "[fe80::1%eth0]:80"),
    ("Localhost:080", TcpAddress("localhost", 80), "localhost:80"),
    ("my-host.example.:80", TcpAddress("my-host.example.", 80), "my-host.example.:80"),
    ("unix:/run/web.sock", UnixAddress("/run/web.sock"), "unix:/run/web.sock"),
    ("unix:/run/a:b c", UnixAddress("/run/a:b c"), "unix:/run/a:b c"),
    ("unix:@web", UnixAddress("@web"), "unix:@web"),
    ("fd:3", FdAddress(3), "fd:3"),
    ("fd:007", FdAddress(7), "fd:7"),
    ("systemd:web.socket", SystemdAddress("web.socket"), "systemd:web.socket"),
]

BAD = [
    ("", 'must be host:port, [v6]:port, unix:/path, fd:N or systemd:NAME, not ""'),
    ("8000", 'write "127.0.0.1:8000", or "0.0.0.0:8000" for every interface'),
    ("/run/web.sock", 'write "unix:/run/web.sock"'),
    ("unix:web.sock", "must be absolute"),
    ("unix://run/x/", "does not name a socket"),
    ("unix:", "must be absolute"),
    ("unix:@", "does not name a socket"),
    ("unix:/" + "x" * 107, "at most 107 bytes, not 108"),
    ("unix:/a\0b", "NUL"),
    ("::1:8000", 'in brackets: "[::1]:8000"'),
    ("[::1]", "must be"),
    ("[::g]:80", '"::g" is not an IPv6 address'),
    (":8000", '"0.0.0.0:8000" for every IPv4 one, "[::]:8000" for every one'),
    ("*:8000", "name the interface"),
    ("127.0.0.1", "must be host:port"),
    ("127.0.0.1:http", "must be host:port"),
    ("127.0.0.1:-1", "must be host:port"),
    ("127.0.0.1:65536", "at most 65535"),
    ("127.0.0.256:80", "not an IPv4 address"),
    ("1.2.3:80", "not an IPv4 address"),
    ("bad host:80", "neither a host name nor an IP address"),
    ("-x:80", "neither a host name"),
    ("http://localhost:80", "in brackets"),
    ("fd:2", "descriptor 2 is standard input, output or error"),
    ("fd:x", "number of an open descriptor"),
    ("systemd:", "FileDescriptorName="),
    ("systemd:a:b", "FileDescriptorName="),
]


@pytest.mark.parametrize(("text", "address", "canonical"), GOOD)
def test_an_address_is_read_and_written(text: str, address: object, canonical: str):
    """host:port, [v6]:port, unix:/path, unix:@name, fd:N and systemd:NAME; each has one canonical text."""
    assert parse(text) == address
    assert str(parse(text)) == canonical
    assert parse(canonical) == address


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_what_is_no_address_is_explained(text: str, problem: str):
    """The sentence says what to write instead."""
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert problem in str(caught.value)


def test_the_abstract_namespace_is_recognised():
    """``unix:@name`` has no file."""
    assert UnixAddress("@web").abstract
    assert not UnixAddress("/web").abstract


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_explained(text: str):
    """Nothing but a ValueError ever comes of a text, and a canonical text is its own."""
    try:
        address = parse(text)
    except ValueError:
        return
    assert parse(str(address)) == address
    assert str(parse(str(address))) == str(address)
