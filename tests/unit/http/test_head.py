"""The head of a request: what is a request, what is refused and with which status (RFC 9112 sections 2 to 6)."""

from __future__ import annotations

import pytest

from prefork.errors import RequestError
from prefork.http import head as module
from prefork.http.fields import CACHE_SIZE, CACHED_LENGTH
from prefork.http.head import parse_line
from prefork.http.limits import Limits
from tests.unit.http.reading import head, outcome, request_of, status_of


def get(*fields, line=b"GET / HTTP/1.1", host=True):
    return head(line, *([b"Host: a"] if host else []), *fields)


REFUSED = {
    # the request line
    "version 0.9": (head(b"GET /"), 400),
    "version 2.0": (get(line=b"GET / HTTP/2.0"), 505),
    "version 1.2": (get(line=b"GET / HTTP/1.2"), 505),
    "version 0.9 by name": (get(line=b"GET / HTTP/0.9"), 505),
    "another protocol": (get(line=b"GET / RTSP/1.0"), 400),
    "lower-case protocol": (get(line=b"GET / http/1.1"), 400),
    "two spaces": (get(line=b"GET  / HTTP/1.1"), 400),
    "a tab": (get(line=b"GET\t/ HTTP/1.1"), 400),
    "a space behind": (get(line=b"GET / HTTP/1.1 "), 400),
    "a space in the target": (get(line=b"GET /a b HTTP/1.1"), 400),
    "a fragment in the target": (get(line=b"GET /a#b HTTP/1.1"), 400),
    "a fragment in an absolute target": (get(line=b"GET http://a/b#c HTTP/1.1"), 400),
    "a control character in the target": (get(line=b"GET /\x07 HTTP/1.1"), 400),
    "a NUL in the target": (get(line=b"GET /\x00 HTTP/1.1"), 400),
    "a delete character in the target": (get(line=b"GET /\x7f HTTP/1.1"), 400),
    "a method that is no token": (get(line=b"G@T / HTTP/1.1"), 400),
    "a relative target": (get(line=b"GET a HTTP/1.1"), 400),
    "an authority": (get(line=b"GET a:80 HTTP/1.1"), 400),
    "a star": (get(line=b"GET * HTTP/1.1"), 400),
    "CONNECT": (get(line=b"CONNECT a:80 HTTP/1.1"), 400),
    "CONNECT of a path": (get(line=b"CONNECT / HTTP/1.1"), 400),
    "another scheme": (get(line=b"GET ftp://a/ HTTP/1.1"), 400),
    "an absolute form without authority": (get(line=b"GET http:///a HTTP/1.1"), 400),
    "an absolute form with user information": (get(line=b"GET http://u@a/ HTTP/1.1"), 400),
    "a PROXY line": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(), 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    # Host
    "no Host": (get(host=False), 400),
    "no Host beside an absolute form": (get(line=b"GET http://a/ HTTP/1.1", host=False), 400),
    "two Hosts": (get(b"Host: a"), 400),
    "two Hosts in 1.0": (get(b"Host: b", line=b"GET / HTTP/1.0"), 400),
    "an empty Host": (get(b"Host:", host=False), 400),
    "a Host with a path": (get(b"Host: a/b", host=False), 400),
    "a Host with user information": (get(b"Host: u@a", host=False), 400),
    "a Host with a space": (get(b"Host: a b", host=False), 400),
    "a list of Hosts": (get(b"Host: a, b:c", host=False), 400),
    "a Host with a port that is none": (get(b"Host: a:b", host=False), 400),
    "a Host with a port too large": (get(b"Host: a:65536", host=False), 400),
    "a Host with an open bracket": (get(b"Host: [::1", host=False), 400),
    "a Host with brackets round no address": (get(b"Host: [1::2::3]", host=False), 400),
    # the shape of fields
    "a folded line": (get(b"X: a", b" b"), 400),
    "a folded first line": (head(b"GET / HTTP/1.1", b" Host: a"), 400),
    "a space before the colon": (get(b"X : a"), 400),
    "no colon": (get(b"X"), 400),
    "no name": (get(b": a"), 400),
    "a name that is no token": (get(b"X[]: a"), 400),
    "a NUL in a value": (get(b"X: a\x00b"), 400),
    "a control character in a value": (get(b"X: a\x0bb"), 400),
    "a bare CR in a value": (get(b"X: a\rb"), 400),
    "a bare LF in a value": (get(b"X: a\nY: b"), 400),
    # lengths
    "two lengths": (get(b"Content-Length: 1", b"Content-Length: 2"), 400),
    "the same length twice": (get(b"Content-Length: 1", b"Content-Length: 1"), 400),
    "a list of lengths": (get(b"Content-Length: 1, 1"), 400),
    "a signed length": (get(b"Content-Length: +1"), 400),
    "a negative length": (get(b"Content-Length: -1"), 400),
    "a hexadecimal length": (get(b"Content-Length: 0x1"), 400),
    "an empty length": (get(b"Content-Length:"), 400),
    "a length with an underscore": (get(b"Content-Length: 1_0"), 400),
    "a length of other digits": (get("Content-Length: ²".encode("latin-1")), 400),
    "a length past every bound": (get(b"Content-Length: " + b"9" * 30), 400),
    "a large length": (get(b"Content-Length: 9999999999999"), 413),
    # transfer codings
    "length and coding": (get(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
    "coding and length": (get(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
    "a coding in 1.0": (get(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"), 400),
    "an unknown coding": (get(b"Transfer-Encoding: gzip"), 400),
    "an empty coding": (get(b"Transfer-Encoding:"), 400),
    "identity": (get(b"Transfer-Encoding: identity"), 400),
    "chunked twice": (get(b"Transfer-Encoding: chunked, chunked"), 400),
    "chunked on two lines": (get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "chunked that is not last": (get(b"Transfer-Encoding: chunked, gzip"), 400),
    "chunked in quotation marks": (get(b'Transfer-Encoding: "chunked"'), 400),
    "chunked with a vertical tab": (get(b"Transfer-Encoding: \x0bchunked"), 400),
    "a coding that is not implemented": (get(b"Transfer-Encoding: gzip, chunked"), 501),
    # expectations
    "another expectation": (get(b"Expect: 200-ok"), 417),
    "an expectation more": (get(b"Expect: 100-continue, 200-ok"), 417),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    """With this status, before an application sees it."""
    data, status = REFUSED[case]
    assert outcome([data])[-1] == status


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_single_bytes_too(case):
    """However it arrives."""
    data, status = REFUSED[case]
    assert outcome([data[i : i + 1] for i in range(len(data))])[-1] == status


TAKEN = {
    "tabs and spaces round a value": get(b"X:\t a \t"),
    "an empty value": get(b"X:"),
    "octets past ASCII in a value": get(b"X: \xff\x80"),
    "octets past ASCII in the target": get(line=b"GET /\xff HTTP/1.1"),
    "an odd method": get(line=b"M-SEARCH /x HTTP/1.1"),
    "a Host with a port": get(b"Host: a:8000", host=False),
    "a Host with an empty port": get(b"Host: a:", host=False),
    "an IPv6 Host": get(b"Host: [::1]:80", host=False),
    "chunked in capitals": get(b"Transfer-Encoding: CHUNKED"),
    "chunked with a tab": get(b"Transfer-Encoding:\tchunked\t"),
    "1.0 without Host": head(b"GET / HTTP/1.0"),
    "OPTIONS of everything": get(line=b"OPTIONS * HTTP/1.1"),
    "an expectation in 1.0": get(b"Expect: whatever", line=b"GET / HTTP/1.0"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case):
    """Legitimate, if seldom."""
    assert status_of(TAKEN[case]) == 0


TARGETS = {
    b"/a/b?c=d&e": ("/a/b", "c=d&e"),
    b"//a": ("//a", ""),
    b"/a%2Fb%20c": ("/a/b c", ""),
    b"/%ff%zz?%41": ("/\xff%zz", "%41"),
    b"/a?b?c": ("/a", "b?c"),
    b"http://h:80/x%20?y": ("/x ", "y"),
    b"http://h": ("/", ""),
    b"http://h?y": ("/", "y"),
    b"/a//../b;c=d": ("/a//../b;c=d", ""),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_becomes_path_and_query(target):
    """The path is decoded, the query is not, the raw target is kept; nothing is normalized."""
    line = request_of(get(line=b"GET " + target + b" HTTP/1.1")).line
    assert (line.path, line.query) == TARGETS[target]
    assert line.target == target.decode("latin-1")


def test_the_authority_of_an_absolute_form_replaces_host():
    """RFC 9112 section 3.2.2."""
    assert request_of(get(line=b"GET http://other:81/ HTTP/1.1")).headers["HTTP_HOST"] == "other:81"


def test_several_lines_of_a_field_are_one_list():
    """RFC 9110 section 5.3; Cookie has a separator of its own (RFC 6265 section 5.4)."""
    headers = request_of(get(b"X: a", b"Cookie: c=1", b"x: b", b"Cookie: d=2")).headers
    assert headers["HTTP_X"] == "a,b"
    assert headers["HTTP_COOKIE"] == "c=1; d=2"


@pytest.mark.parametrize(
    "line", [b"X_Forwarded_For: 1", b"X-Forwarded_For: 1", b"Proxy: x", b"PROXY: x", b"Content_Length: 5"]
)
def test_names_that_would_collide_never_come_through(line):
    """``_`` and ``-`` become one in an environ, and HTTP_PROXY is a variable of its own: they are dropped."""
    assert set(request_of(get(line)).headers) == {"HTTP_HOST"}


PERSISTENCE = {
    (b"1", ()): True,
    (b"0", ()): False,
    (b"1", (b"close",)): False,
    (b"0", (b"keep-alive",)): True,
    (b"1", (b"x, Close",)): False,
    (b"1", (b"keep-alive", b"close")): False,
    (b"0", (b"Keep-Alive , close",)): False,
    (b"1", (b"closed",)): True,
}


@pytest.mark.parametrize(("version", "lines"), PERSISTENCE)
def test_connection_is_a_list_of_tokens(version, lines):
    """RFC 9112 section 9.3: on several lines, in any case, ``close`` outranks."""
    request = request_of(get(*(b"Connection: " + line for line in lines), line=b"GET / HTTP/1." + version))
    assert request.keep_alive is PERSISTENCE[version, lines]


SMALL = Limits(request_line=30, fields=5, field_bytes=100, body=10)
LIMITED = {
    "a long request line": (get(line=b"GET /" + b"a" * 30 + b" HTTP/1.1"), 414),
    "many fields": (get(*[b"X: a"] * 5), 431),
    "long fields": (get(b"X: " + b"a" * 100), 431),
    "a long body": (get(b"Content-Length: 11"), 413),
    "long chunks": (get(b"Transfer-Encoding: chunked") + b"6\r\naaaaaa\r\n5\r\n", 413),
    "many trailers": (get(b"Transfer-Encoding: chunked") + b"0\r\n" + b"X: a\r\n" * 7, 431),
    "long trailers": (get(b"Transfer-Encoding: chunked") + b"0\r\nX: " + b"a" * 101, 431),
}


@pytest.mark.parametrize("case", LIMITED)
def test_over_a_limit(case):
    """Counted from the beginning of the message; the end of the head need not have come."""
    data, status = LIMITED[case]
    assert status_of(data, SMALL) == status
    if status in (414, 431):
        assert status_of(data.removesuffix(b"\r\n")[:300], SMALL) == status


def test_at_a_limit():
    """What is exactly as large as it may be is taken."""
    line = b"GET /" + b"a" * 16 + b" HTTP/1.1"
    assert len(line) == SMALL.request_line
    assert status_of(get(b"A: a", b"B: b", b"C: c", b"D: d", line=line), SMALL) == 0
    assert status_of(get(b"Content-Length: 10"), SMALL) == 0


def test_the_limits_of_the_defaults_hold_what_clients_send():
    """RFC 9110 section 4.1 recommends 8000 octets for a request line."""
    assert status_of(get(line=b"GET /" + b"a" * 7990 + b" HTTP/1.1")) == 0
    assert status_of(get(*[b"X-%d: a" % n for n in range(99)])) == 0


def dripping(data):
    return [data[i : i + 1] for i in range(len(data))]


def test_a_request_line_that_does_not_end_is_refused_when_it_is_too_long():
    """Nobody waits for its end; a CR may yet be a part of that."""
    assert outcome([b"GET /" + b"a" * 25], SMALL) == []
    assert outcome([b"GET /" + b"a" * 25 + b"\r"], SMALL) == []
    assert outcome([b"GET /" + b"a" * 26], SMALL) == [414]


def test_a_long_request_line_leaves_the_fields_their_room():
    """Each has its own limit, however they arrive."""
    line = b"GET /" + b"a" * 16 + b" HTTP/1.1"
    start = b"\r\nHost: a\r\nX: "
    data = line + start + b"a" * (SMALL.field_bytes - len(start)) + b"\r\n\r\n"
    assert len(outcome([data], SMALL)) == len(outcome(dripping(data), SMALL)) == 1
    assert outcome([data], SMALL) == outcome(dripping(data), SMALL) != [431]
    longer = data.replace(b"X: a", b"X: aa")
    assert outcome([longer], SMALL) == outcome(dripping(longer), SMALL) == [431]


@pytest.mark.parametrize("path", range(9))
def test_the_first_of_several_faults_is_found_wherever_it_is(path):
    """By halves, to the last octet."""
    line = b"GET /" + b"a" * path + b" HTTP/2.0"
    for noise in range(9):
        assert outcome([line + b"\r\n" + b"\x00" * noise]) == [505]
        assert outcome([line + b"\x01" * (noise + 1) + b"\r\n\x00"]) == [400]


def test_a_line_that_was_understood_is_held_to_the_limit_of_this_pool():
    """Whoever remembers it has had a larger one."""
    line = b"GET /" + b"b" * 30 + b" HTTP/1.1"
    assert parse_line(line, Limits()).path == "/" + "b" * 30
    with pytest.raises(RequestError) as caught:
        parse_line(line, SMALL)
    assert caught.value.status == 414


def test_the_memory_of_request_lines_is_bounded():
    """When it is full it begins anew, and what is long is not remembered."""
    module._lines.clear()
    for number in range(CACHE_SIZE):
        parse_line(b"GET /%d HTTP/1.1" % number, Limits())
    assert len(module._lines) == CACHE_SIZE
    last = b"GET /last HTTP/1.1"
    parse_line(last, Limits())
    assert list(module._lines) == [last]
    parse_line(b"GET / HTTP/1.1", Limits())
    assert len(module._lines) == 2
    for length, kept in ((CACHED_LENGTH, 3), (CACHED_LENGTH + 1, 3)):
        parse_line(b"GET /".ljust(length - 9, b"a") + b" HTTP/1.1", Limits())
        assert len(module._lines) == kept


def test_fields_that_do_not_end_are_refused_when_they_are_too_long():
    """Some octets past the limit, which the end of the head may have."""
    start = b"GET / HTTP/1.1"
    fields = b"\r\nX: ".ljust(SMALL.field_bytes + 6, b"a")
    assert outcome([start + fields], SMALL) == []
    assert outcome([start + fields + b"a"], SMALL) == [431]
