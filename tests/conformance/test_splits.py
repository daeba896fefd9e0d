"""However valid requests are cut into segments, their answers are the same."""

from __future__ import annotations

import itertools
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance import conftest
from tests.conformance.judge import Conversation, connect, records
from tests.conformance.servers import Server

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
BODY = st.binary(max_size=300)


def _get(word: str) -> tuple[bytes, bytes]:
    return f"GET /tiny?{word} HTTP/1.1\r\nHost: a\r\nX-Word: {word}\r\n\r\n".encode(), word.encode()


def _post(body: bytes) -> tuple[bytes, bytes]:
    return b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), body


def _chunked(pieces: list[bytes], *, trailer: bool) -> tuple[bytes, bytes]:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    end = b"0\r\nX-Sum: 1\r\n\r\n" if trailer else b"0\r\n\r\n"
    return b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + end, b"".join(pieces)


def _streamed(sizes: list[int]) -> tuple[bytes, bytes]:
    pieces = ",".join(str(size) for size in sizes)
    return f"GET /sized?pieces={pieces} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), b"x" * sum(sizes)


REQUESTS = st.one_of(
    st.builds(_get, WORD),
    st.builds(_post, BODY),
    st.builds(_chunked, st.lists(BODY, max_size=4), trailer=st.booleans()),
    st.builds(_streamed, st.lists(st.integers(0, 2000), max_size=4)),
)


@st.composite
def cut(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """A pipeline in random segments, and the bodies that it must be answered with."""
    requests = draw(st.lists(REQUESTS, min_size=1, max_size=6))
    data = b"".join(request for request, _ in requests)
    places = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12)))
    edges = [0, *places, len(data)]
    segments = [data[start:end] for start, end in itertools.pairwise(edges) if start < end]
    return segments, [body for _, body in requests]


def _answered(server: Server, segments: list[bytes], count: int) -> list[bytes]:
    with Conversation(connect(server, unix=True)) as talk:
        for segment in segments:
            talk.send_alone(segment)
        found = []
        for _ in range(count):
            response = talk.answer()
            assert response.status == 200
            assert response.complete
            found.append(response.body)
        return found


def test_random_splits_of_valid_pipelines_are_answered_alike(started: conftest.Started) -> None:
    """RFC 9112 2.2, 9.3.2: messages are octet sequences; how they are cut into segments means nothing."""
    server = started("default")

    @settings(max_examples=300, database=None, suppress_health_check=list(HealthCheck))
    @given(cut())
    def holds(example: tuple[list[bytes], list[bytes]]) -> None:
        segments, bodies = example
        assert _answered(server, segments, len(bodies)) == bodies

    holds()
    records(server)


def test_random_noise_never_harms_the_server(started: conftest.Started) -> None:
    """HTTP.md: whatever bytes come, others are served as before and the answer, if any, is well formed."""
    server = started("default")
    alphabet = st.sampled_from(
        [
            b"GET",
            b" ",
            b"/",
            b"HTTP/1.1",
            b"\r\n",
            b"\n",
            b"\r",
            b"Host: a",
            b":",
            b"\x00",
            b"\xff",
            b"5",
            b"0",
            b";",
            b"Transfer-Encoding: chunked",
            b"Content-Length: 5",
            b"POST",
        ]
    )

    @settings(max_examples=200, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(alphabet, min_size=1, max_size=30).map(b"".join))
    def holds(noise: bytes) -> None:
        with Conversation(connect(server)) as talk:
            talk.send(noise)
            talk.half_close()
            left = talk.source.rest()
            assert not left or left.startswith(b"HTTP/1.1 ")
        with Conversation(connect(server)) as talk:
            assert talk.ask(b"GET /tiny?alive HTTP/1.1\r\nHost: a\r\n\r\n").body == b"alive"

    holds()
    with Conversation(connect(server)) as talk:
        response = talk.ask(b"GET /_calls HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(json.loads(response.body), list)
