"""The body of a request: what belongs to it, and what is no body (RFC 9112 section 7.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.errors import RequestError
from prefork.http.framing import ChunkedReader, LengthReader
from prefork.http.limits import CHUNK_EXTENSIONS, CHUNK_LINE, Limits

BAD = {
    "no size": b"\r\n",
    "a size that is no number": b"g\r\n",
    "a size with a sign": b"+1\r\na\r\n",
    "a size with 0x": b"0x1\r\na\r\n",
    "a size with an underscore": b"1_0\r\n",
    "a size with a space before it": b" 1\r\na\r\n",
    "a size with a space behind it": b"1 \r\na\r\n",
    "a size past 64 bits": b"1" * 17 + b"\r\n",
    "a bare LF for a size": b"\n",
    "a bare CR for a size": b"\rx",
    "a bare LF behind the size": b"1\na\r\n",
    "a bare CR behind the size": b"1\ra\r\n",
    "a chunk longer than its size": b"1\r\nab\r\n",
    "a chunk shorter than its size": b"3\r\nab\r\n0\r\n\r\n",
    "a bare LF behind the data": b"1\r\na\n0\r\n\r\n",
    "other octets behind the data": b"1\r\naXX0\r\n\r\n",
    "another octet behind the data": b"1\r\naX",
    "an extension without a name": b"1;\r\na\r\n",
    "an extension with a control character": b"1;a=\x01\r\na\r\n",
    "an open quotation": b'1;a="b\r\na\r\n',
    "a trailer without a colon": b"0\r\nX\r\n\r\n",
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "a bare LF in the trailers": b"0\r\nX: a\n\r\n",
    "a long chunk-size line": b"1;a=" + b"b" * 2000 + b"\r\na\r\n",
    "a long beginning of a chunk-size line": b"1;a=" + b"b" * 2000,
}


@pytest.mark.parametrize("case", BAD)
def test_a_chunked_body_that_is_none_is_refused(case):
    """400: what it is cannot be told, so nothing of it may look whole."""
    with pytest.raises(RequestError) as caught:
        ChunkedReader(Limits()).feed(BAD[case])
    assert caught.value.status == 400


def test_many_extensions_are_refused():
    """Nobody sends them but those who look for a gap: they are counted over the message."""
    with pytest.raises(RequestError) as caught:
        ChunkedReader(Limits()).feed((b"1;" + b"a" * 900 + b"\r\na\r\n") * 30)
    assert caught.value.status == 413


CHUNK = st.tuples(
    st.binary(min_size=1, max_size=50),
    st.sampled_from([b"", b";a", b' ; a = "q;\\"\r\n"'.replace(b"\r\n", b""), b";a=b;c", b"\t;a=\tb"]),
    st.booleans(),
)


@given(st.lists(CHUNK, max_size=6), st.sampled_from([b"", b"X: a\r\n", b"X: a\r\nY:\r\n"]), st.integers(1, 40))
def test_a_chunked_body_comes_out_as_it_was(chunks, trailers, size):
    """Whatever the extensions and trailers, in pieces of any size, and no further than its end."""
    data = b"".join(
        (b"%X" if capital else b"00%x") % len(data) + extension + b"\r\n" + data + b"\r\n"
        for data, extension, capital in chunks
    )
    data += b"0\r\n" + trailers + b"\r\n"
    reader, body, rest = ChunkedReader(Limits()), b"", b""
    for place in range(0, len(data), size):
        fed = reader.feed(rest + data[place : place + size])
        body, rest = body + fed.body, fed.rest
        assert fed.complete == (place + size >= len(data))
    assert body == b"".join(data for data, _, _ in chunks)
    assert rest == b""


def test_what_follows_a_body_is_left():
    """It is the next request's."""
    assert LengthReader(3).feed(b"abcGET") == (b"abc", b"GET", True)
    assert ChunkedReader(Limits()).feed(b"1\r\na\r\n0\r\n\r\nGET") == (b"a", b"GET", True)


def test_a_body_of_known_length_may_come_in_pieces():
    """Each piece is given out as it comes."""
    reader = LengthReader(5)
    assert reader.feed(b"abc") == (b"abc", b"", False)
    assert reader.feed(b"") == (b"", b"", False)
    assert reader.feed(b"defg") == (b"de", b"fg", True)


SMALL = Limits(fields=5, field_bytes=100)


def status_of(data, limits, *, pieces=False):
    """Of the refusal of a chunked body; 0: it is taken, whole or octet by octet."""
    reader, rest = ChunkedReader(limits), b""
    try:
        for piece in [data[i : i + 1] for i in range(len(data))] if pieces else [data]:
            rest = reader.feed(rest + piece).rest
    except RequestError as error:
        return error.status
    return 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"X: " + b"a" * 97 + b"\r\n\r\n", 0),
        (b"X: " + b"a" * 97 + b"\r\n", 0),
        (b"X: " + b"a" * 98 + b"\r\n\r\n", 431),
        (b"X: " + b"a" * 47 + b"\r\nY: " + b"a" * 47 + b"\r\n\r\n", 0),
        (b"X: " + b"a" * 47 + b"\r\nY: " + b"a" * 48 + b"\r\n\r\n", 431),
        (b"X: " + b"a" * 47 + b"\r\nY: " + b"a" * 47, 0),
        (b"X: " + b"a" * 47 + b"\r\nY: " + b"a" * 48, 431),
        (b"X: a\r\n" * 5 + b"\r\n", 0),
        (b"X: a\r\n" * 6, 431),
        (b"X\x00: " + b"a" * 95 + b"\r\n\r\n", 400),
        (b"X\x00: " + b"a" * 98 + b"\r\n\r\n", 431),
        (b"X: " + b"a" * 96 + b"\n", 400),
        (b"X: " + b"a" * 97 + b"\n", 400),
        (b"X: " + b"a" * 98 + b"\n", 431),
        (b"X: " + b"a" * 96 + b"\rb", 400),
        (b"X: " + b"a" * 97 + b"\rb", 400),
        (b"X: " + b"a" * 98 + b"\rb", 431),
    ],
)
@pytest.mark.parametrize("pieces", [False, True])
def test_trailers_are_held_to_the_limits_of_fields(data, status, pieces):
    """All of them together, to the octet; of two faults the first counts, however they arrive."""
    assert status_of(b"0\r\n" + data, SMALL, pieces=pieces) == status


@pytest.mark.parametrize("pieces", [False, True])
def test_the_line_of_a_chunk_is_bounded(pieces):
    """To the octet, its end not counted."""
    for size, status in ((CHUNK_LINE, 0), (CHUNK_LINE + 1, 400)):
        line = b"1;" + b"a" * (size - 2)
        assert status_of(line + b"\r\na\r\n0\r\n\r\n", Limits(), pieces=pieces) == status


def test_extensions_and_data_are_bounded_over_the_message():
    """To the octet."""
    extension = b";" + b"a" * 511
    for more, status in ((0, 0), (1, 413)):
        chunks = [b"1" + extension + b"\r\na\r\n"] * (CHUNK_EXTENSIONS // 512 - 1)
        chunks.append(b"1" + extension + b"a" * more + b"\r\na\r\n")
        assert status_of(b"".join(chunks), Limits()) == status
    assert status_of(b"5\r\nhello\r\n5\r\nworld\r\n", Limits(body=10)) == 0
    assert status_of(b"5\r\nhello\r\n6\r\nworld!\r\n", Limits(body=10)) == 413
