"""One field line: what is remembered of it, and within which bounds; what is refused is in ``test_head``."""

from __future__ import annotations

import pytest

from prefork.errors import RequestError
from prefork.http import fields
from prefork.http.fields import CACHE_SIZE, CACHED_LENGTH, check_host, parse
from prefork.http.limits import CHUNK_EXTENSIONS, CHUNK_LINE, Limits


@pytest.fixture(autouse=True)
def _nothing_is_remembered():
    fields._lines.clear()
    fields._keys.clear()


def test_a_line_is_remembered_with_its_name():
    """What came of it is looked up the next time."""
    assert parse(b"X-A: b") == ("HTTP_X_A", "b")
    assert fields.cached(b"X-A: b") == ("HTTP_X_A", "b")
    assert fields._keys == {b"X-A": "HTTP_X_A"}


def test_a_name_that_is_remembered_is_not_checked_again(monkeypatch):
    """Names are few, and values many."""
    parse(b"X-A: b")
    monkeypatch.setattr(fields, "_parse_name", None)
    assert parse(b"X-A: c") == ("HTTP_X_A", "c")


@pytest.mark.parametrize("line", [b"Cookie: a=b", b"Content-Length: 7", b"If-None-Match: x"])
def test_what_varies_by_nature_is_not_remembered(line):
    """It would displace what comes again."""
    parse(line)
    assert fields._lines == {}


def test_what_is_long_is_not_remembered():
    """A line or a name, to the octet."""
    for length, kept in ((CACHED_LENGTH, 1), (CACHED_LENGTH + 1, 0)):
        fields._lines.clear()
        parse(b"X:" + b"a" * (length - 2))
        assert len(fields._lines) == kept
        fields._keys.clear()
        parse(b"X" * length + b":")
        assert len(fields._keys) == kept


def test_the_memory_is_bounded():
    """When it is full it begins anew."""
    for number in range(CACHE_SIZE):
        parse(b"X-%d: a" % number)
    assert (len(fields._lines), len(fields._keys)) == (CACHE_SIZE, CACHE_SIZE)
    parse(b"Y: a")
    assert (fields._lines, fields._keys) == ({b"Y: a": ("HTTP_Y", "a")}, {b"Y": "HTTP_Y"})
    parse(b"Z: a")
    assert (len(fields._lines), len(fields._keys)) == (2, 2)
    assert (CACHE_SIZE, CACHED_LENGTH) == (512, 256)


@pytest.mark.parametrize("octet", [*range(9), *range(10, 0x20), 0x7F])
def test_a_value_holds_no_control_character_but_the_tab(octet):
    """RFC 9110 section 5.5; in a trailer nothing else looks at it."""
    with pytest.raises(RequestError):
        parse(b"X: a%cb" % octet)


@pytest.mark.parametrize("octet", [9, 0x20, 0x7E, 0x80, 0xFF])
def test_a_value_holds_everything_else(octet):
    """Octets past ASCII are latin-1."""
    assert parse(b"X: a%cb" % octet) == ("HTTP_X", f"a{chr(octet)}b")


@pytest.mark.parametrize("host", ["a:0", "a:65535", "a:", "[::1]:65535", "[::1]", "%41"])
def test_a_host_with_any_port_there_is(host):
    """Or none."""
    check_host(host)


@pytest.mark.parametrize("host", ["a:65536", "[::1]:65536", "a:000080", "[1]", "[::g]", "", "%4"])
def test_a_host_that_is_none(host):
    """A port past the last, an address that is none."""
    with pytest.raises(RequestError) as caught:
        check_host(host)
    assert caught.value.status == 400


def test_the_limits_are_those_of_the_manual():
    """prefork.toml(5), ``[pool.*.http]``; those of chunks are not to be set."""
    assert Limits() == Limits(request_line=8192, fields=100, field_bytes=32768, body=104857600)
    assert (CHUNK_LINE, CHUNK_EXTENSIONS) == (1024, 16384)
