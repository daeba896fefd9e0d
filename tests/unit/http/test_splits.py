"""H9. What is wrong with a stream is the same wherever it is split: mutated streams, whole, by bytes and at random."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from prefork.http.limits import CHUNK_LINE, Limits
from tests.unit.http.reading import head, outcome

SMALL = Limits(request_line=40, fields=4, field_bytes=60, body=30)
CHUNKED = head(b"POST /c HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked")
STREAMS = (
    head(b"GET /a HTTP/1.1", b"Host: a"),
    head(b"GET /a HTTP/1.1", b"Host: a", b"A: b", b"C: d"),
    head(b"GET /" + b"x" * 26 + b" HTTP/1.1", b"Host: a"),
    head(b"GET /a HTTP/2.0", b"Host: a"),
    head(b"GET /a HTTP/1.0", b"X: " + b"y" * 54),
    head(b"POST /b HTTP/1.1", b"Host: a", b"Content-Length: 5") + b"hello",
    CHUNKED + b'3;x="q;"\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: 1\r\n\r\n',
    CHUNKED + b"0\r\nX: " + b"y" * 57 + b"\r\n\r\n",
    CHUNKED + b"0\r\nA: b\r\nC: " + b"d" * 50 + b"\r\nE: f\r\n\r\n",
    CHUNKED + b"1f\r\n",
    b"\r\n",
)
ODD = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"\x00", b" ", b":", b"z", b"HTTP/2.0", b"\xff", b"x" * 30, b"\r\n\r\n", b""]
)


@st.composite
def mutated(draw):
    """A few good streams in a row, with some of their bytes replaced, removed or doubled."""
    data = b"".join(draw(st.lists(st.sampled_from(STREAMS), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(ODD) + data[place + draw(st.integers(0, 4)) :]
    return data


def told(pieces, limits=SMALL):
    """What was complete, and the refusal; of a body that was not, only that it was not."""
    return [
        request if isinstance(request, int) or request[-1] else [*request[:4], None, False]
        for request in outcome(pieces, limits)
    ]


def split(data, places):
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@settings(max_examples=600)
@given(mutated(), st.lists(st.integers(0, 500), max_size=6))
@example(b"GET /a HTTP/2.0\r\n\x00\r\n\r\n", [])
@example(b"GET /" + b"x" * 40 + b"\x00 HTTP/1.1\r\n\r\n", [])
@example(b"G\x00T /" + b"x" * 40 + b" HTTP/1.1\r\n\r\n", [])
@example(CHUNKED + b"0\r\nX" + b"\x00" + b"y" * 70 + b"\r\n\r\n", [])
def test_a_refusal_does_not_depend_on_where_the_bytes_were_split(data, places):
    """The first fault of the stream is told, whichever came to be looked at first."""
    whole = told([data])
    assert told([data[place : place + 1] for place in range(len(data))]) == whole
    assert told(split(data, places)) == whole


def test_the_longest_line_is_taken_wherever_it_is_split():
    """A limit counts neither CR nor LF, also when they come apart."""
    line = b"1;a=" + b"b" * (CHUNK_LINE - 4)
    data = CHUNKED + line + b"\r\nx\r\n0\r\n\r\n"
    assert told([data], Limits()) == told([data[i : i + 1] for i in range(len(data))], Limits())
    assert told([data], Limits())[0][4] == b"x"
