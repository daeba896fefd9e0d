"""A connection without I/O: requests and bodies in order, the same however the bytes arrive."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.http.connection import Connection
from prefork.http.events import End, Request
from prefork.http.limits import Limits
from tests.unit.http.reading import head, outcome

GET = head(b"GET /a HTTP/1.1", b"Host: a")
POST = head(b"POST /b HTTP/1.1", b"Host: a", b"Content-Length: 5") + b"hello"
CHUNKED = (
    head(b"POST /c HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked")
    + b'3;x="q;\\""\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: 1\r\n\r\n'
)
UPGRADE = head(b"POST /u HTTP/1.1", b"Host: a", b"Connection: upgrade", b"Upgrade: x", b"Content-Length: 2") + b"ok"
BAD_LINE = head(b"GET /bad  HTTP/1.1", b"Host: a")
NO_HOST = head(b"GET /no-host HTTP/1.1")
BAD_CHUNK = head(b"POST /d HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked") + b"zz\r\n"
BARE_LF = b"GET /lf HTTP/1.1\nHost: a\n\n"
PARTS = (GET, POST, CHUNKED, UPGRADE, b"\r\n", BAD_LINE, NO_HOST, BAD_CHUNK, BARE_LF)


def split(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=12))
def test_the_same_bytes_mean_the_same_however_they_arrive(parts, places):
    """Whole, byte by byte, by line ends and at random places: the same requests, the same bodies, the same refusal."""
    data = b"".join(parts)
    whole = outcome([data])
    assert outcome([data[i : i + 1] for i in range(len(data))]) == whole
    assert outcome(data.splitlines(keepends=True)) == whole
    assert outcome(split(data, places)) == whole


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=6))
def test_no_bytes_whatsoever_raise_anything_but_a_refusal(noise, places):
    """Noise, alone and behind the start of a request, is refused or waits for more."""
    outcome(split(noise, places))
    outcome([GET[:-2] + noise])
    outcome([CHUNKED[:70] + noise])


def test_five_hundred_pipelined_requests_come_out_in_order():
    """Each request of a pipeline is given out, in the order it was sent."""
    data = b"".join(head(b"GET /%d HTTP/1.1" % n, b"Host: a") for n in range(500))
    assert [request[1] for request in outcome([data])] == [f"/{n}" for n in range(500)]


def test_a_bad_request_behind_a_good_one_does_not_displace_it():
    """What was complete before a fault is given out before the refusal."""
    good, status = outcome([GET + BAD_LINE])
    assert good[1] == "/a"
    assert status == 400


def test_trailers_never_reach_the_headers():
    """RFC 9112 section 7.1.2: fields behind a chunked body are dropped, whatever they are called."""
    data = CHUNKED.replace(b"X-Late: 1", b"Authorization: x\r\nHost: evil\r\nContent-Length: 9")
    (request,) = outcome([data])
    assert request[3] == {"HTTP_HOST": "a", "HTTP_TRANSFER_ENCODING": "chunked"}
    assert request[4] == b"abcde"


def test_an_upgrade_that_is_not_taken_leaves_body_and_next_request_readable():
    """RFC 9110 section 7.8: a server may ignore Upgrade; what follows is read as ever."""
    upgrade, following = outcome([UPGRADE + GET])
    assert upgrade[4] == b"ok"
    assert following[1] == "/a"


def test_empty_lines_before_a_request_are_ignored():
    """RFC 9112 section 2.2."""
    assert outcome([b"\r\n" * 1000 + GET]) == outcome([GET])


@pytest.mark.parametrize("start", [b"\n", b"\r\n\n", b"\r\r\n", b"\n\r\n"])
def test_a_bare_line_end_before_a_request_is_refused(start):
    """Only CRLF makes an empty line."""
    assert outcome([start + GET]) == [400]


def test_a_chunked_body_that_was_read_has_a_length():
    """RFC 9112 section 7.1.3: decoded, the request says how long its body is, and no longer how it came."""
    connection = Connection(Limits())
    connection.receive(CHUNKED)
    request = connection.next_event()
    assert isinstance(request, Request)
    assert connection.next_event() == b"abcde"
    assert connection.next_event() is End.OF_BODY
    request.decode(5)
    assert request.headers == {"HTTP_HOST": "a", "CONTENT_LENGTH": "5"}
    assert (request.chunked, request.length) == (False, 5)


def test_it_says_whether_it_is_within_a_message():
    """From the first byte of a request to the last of its body."""
    connection = Connection(Limits())
    assert not connection.in_message
    connection.receive(POST[:-1])
    connection.next_event()
    assert connection.in_message
    connection.next_event()
    connection.receive(POST[-1:])
    connection.next_event()
    connection.next_event()
    assert not connection.in_message


DRIPPING = {
    "request line": b"GET /" + b"a" * 8000,
    "fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Long: " + b"a" * 32000,
    "trailers": head(b"GET / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked") + b"0\r\nX-Long: " + b"a" * 32000,
    "body": head(b"PUT / HTTP/1.1", b"Host: a", b"Content-Length: 99999") + b"a" * 32000,
}


@pytest.mark.parametrize("part", DRIPPING)
def test_what_drips_in_costs_no_square(part):
    """Byte by byte, the last half of a message costs no more than some twice the first half."""
    connection = Connection(Limits())
    pieces = [DRIPPING[part][i : i + 1] for i in range(len(DRIPPING[part]))]
    connection.receive(b"")
    started = time.process_time()
    for piece in pieces:
        connection.receive(piece)
        connection.next_event()
    # Seconds when each piece makes everything before it be looked at again; some hundredths when it does not.
    assert time.process_time() - started < 1


HEADS = tuple(
    head(line, *fields)
    for line in (
        b"GET /a HTTP/1.1",
        b"GET /b HTTP/1.1",
        b"GET /a HTTP/1.0",
        b"GET http://b/ HTTP/1.1",
        b"HEAD /a HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    )
    for fields in (
        (b"Host: a",),
        (b"Host: a", b"Connection: keep-alive"),
        (b"Host: a", b"Connection: close"),
        (b"Host: a", b"Expect: 100-continue"),
        (b"Host: a", b"X_Y: 1", b"X-Y: 2", b"X-Y: 3"),
        (),
    )
)


@given(st.lists(st.sampled_from(HEADS), min_size=2, max_size=8))
def test_what_was_understood_before_changes_nothing(heads):
    """A connection remembers the fields of its last request; each request means what it means on a new connection."""
    alone = [outcome([one])[0] for one in heads]
    if 400 in alone:
        alone = alone[: alone.index(400) + 1]
    assert outcome(heads) == alone
    connection = Connection(Limits())
    for one in heads[: len(alone) - (400 in alone)]:
        connection.receive(one)
        request, fresh = connection.next_event(), Connection(Limits())
        fresh.receive(one)
        expected = fresh.next_event()
        assert isinstance(request, Request)
        assert isinstance(expected, Request)
        assert (request.keep_alive, request.expects_continue, request.headers) == (
            expected.keep_alive,
            expected.expects_continue,
            expected.headers,
        )


def test_a_short_request_behind_a_long_one_that_came_in_pieces_is_given_out():
    """How far the first was looked through says nothing of the second."""
    long = head(b"GET /long HTTP/1.1", b"Host: a", b"X: " + b"a" * 500)
    assert outcome([long[:-1], long[-1:] + GET]) == outcome([long + GET])


@pytest.mark.parametrize("octet", [b"\x00", b"\n", b"\x16"])
def test_a_first_octet_that_no_request_has_is_refused_at_once(octet):
    """Nothing behind it can mend it; also behind another request."""
    assert outcome([octet]) == [400]
    assert outcome([GET + octet])[1:] == [400]
    assert outcome([POST + octet])[1:] == [400]


def test_requests_with_the_same_fields_have_the_same_headers():
    """What an environ is made of by them is kept by the identity of the headers."""
    connection = Connection(Limits())
    connection.receive(GET + GET + GET.replace(b"Host: a", b"Host: b"))
    first, second, third = (connection.next_event() for _ in range(3))
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert isinstance(third, Request)
    assert second.headers is first.headers
    assert third.headers == {"HTTP_HOST": "b"}


SMALL = Limits(fields=3, field_bytes=100)


def test_of_several_faults_in_a_head_the_first_counts_to_its_last_octet():
    """As where it comes octet by octet: a NUL at the end of fields that are too long by one."""
    fields = b"\r\nHost: a\r\nX: "
    data = b"GET / HTTP/1.1" + fields + b"a" * (SMALL.field_bytes - len(fields)) + b"\x00" + b"\r\n\r\n"
    assert outcome([data], SMALL) == outcome([data[i : i + 1] for i in range(len(data))], SMALL) == [400]


def test_a_head_with_as_many_fields_as_there_may_be_is_refused_for_its_fault():
    """The empty line at its end is not one field more."""
    data = head(b"GET / HTTP/1.1", b"X: 1", b"X: 2", b"X: 3")
    assert outcome([data], SMALL) == outcome([data[i : i + 1] for i in range(len(data))], SMALL) == [400]


def test_of_several_faults_the_first_counts_before_the_head_is_complete():
    """As where it comes octet by octet: the version is refused before the NUL behind it has come."""
    assert outcome([b"GET / HTTP/2.0\r\nX: \x00"]) == [505]


@pytest.mark.parametrize("octet", [b"\x00", b"\n"])
def test_the_first_octet_behind_empty_lines_is_looked_at(octet):
    """As the first of all."""
    assert outcome([b"\r\n" + octet]) == [400]


@pytest.mark.parametrize("body", [POST, CHUNKED])
def test_a_body_behind_another_is_given_out(body):
    """The end of one is not the end of the next."""
    assert outcome([body + body]) == outcome([body]) * 2


def test_a_head_of_which_anything_has_come_is_a_message():
    """So is a body of which nothing is left to give out."""
    connection = Connection(Limits())
    connection.receive(b"G")
    assert connection.in_message
    connection.receive(POST[1:-5])
    connection.next_event()
    assert connection.buffer == b""
    assert connection.in_message


def test_a_refused_head_request_is_known_as_one():
    """RFC 9110 section 9.3.2: its answer has no content; a body that begins so is not a head."""
    connection = Connection(Limits())
    connection.receive(b"\r\nHEAD / HTTP/2.0\r\n")
    assert connection.refuses_head
    connection = Connection(Limits())
    connection.receive(b"GET / HTTP/2.0\r\n")
    assert not connection.refuses_head
    connection = Connection(Limits())
    connection.receive(head(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 9"))
    connection.next_event()
    connection.receive(b"HEAD ")
    assert not connection.refuses_head


def test_a_cr_that_comes_alone_is_remembered():
    """It is refused as soon as no LF follows it."""
    assert outcome([b"\r", b"G"]) == [400]
    assert outcome([b"G", b"\r", b"E"]) == [400]
    assert outcome([b"\r", b"\n", GET]) == outcome([GET])
