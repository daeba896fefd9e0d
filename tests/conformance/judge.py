"""Sends a case, watches what comes of it, and says what is not as it must be.

Rules. A case goes out whole, byte by byte, line by line, and in the middle of a pipeline; the same answers are due
every time. Pieces go over a unix socket, where the kernel tells when the server has read the last one, so that the
server sees exactly these pieces and nothing sleeps.
"""

from __future__ import annotations

import array
import email.utils
import fcntl
import json
import os
import re
import socket
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.case import ABSENT, PRESENT, Answer, Case, Ending, Mark, OneOf, Reach
from tests.conformance.client import EndedError, MalformedError, Response, Source, read_interim, read_response
from tests.conformance.servers import Server

PATIENCE = 10.0
"""Seconds that a server may be silent where an answer is due."""

FIRST = b"GET /tiny?first HTTP/1.1\r\nHost: first\r\n\r\n"
PROBE = b"GET /tiny?probe HTTP/1.1\r\nHost: probe\r\n\r\n"
_OURS = frozenset({"first", "probe", "well"})
_BYTEWISE = 2048  # bytes of a case that go out one by one; longer ones go on in larger pieces
_LARGER = 509
_IMF_FIXDATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT")


def connect(server: Server, *, unix: bool = False) -> socket.socket:
    """A connection to the server, with the patience of the suite."""
    if unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        try:
            sock.connect(server.unix)
        except OSError:
            sock.close()
            raise
        return sock
    sock = socket.create_connection(server.tcp, timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Conversation:
    """One connection to the server: what we send, and its answers."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.source = Source(self._recv)
        self.interim: list[int] = []  # those read on their own, before their final answer
        self.deaf = False  # the server no longer takes what we send
        self.may_reset = False  # an end of the connection need not be a clean one
        self.stuck = False  # it does not read for now: it waits for us to read, or has closed

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def _recv(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except TimeoutError:
            raise AssertionError(f"the server is silent for {PATIENCE} s") from None
        except ConnectionResetError:
            if self.may_reset:
                return b""
            raise AssertionError("the server reset the connection instead of closing it") from None

    def send(self, data: bytes) -> None:
        """Send, unless the server has stopped listening, which the answers will tell."""
        if self.deaf:
            return
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.deaf = True
        except TimeoutError:
            raise AssertionError(f"the server did not read for {PATIENCE} s") from None

    def send_alone(self, piece: bytes) -> None:
        """Send one piece and wait until the server has read it (unix sockets), or evidently will not."""
        self.send(piece)
        waiting, until = array.array("i", [0]), time.monotonic() + 0.05
        while not self.deaf and not self.stuck:
            fcntl.ioctl(self.sock, termios.TIOCOUTQ, waiting)
            if waiting[0] == 0:
                return
            self.stuck = time.monotonic() > until
            os.sched_yield()

    def half_close(self) -> None:
        """End our direction; a server that has gone already does not mind."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.deaf = True

    def answer(self, *, head: bool = False) -> Response:
        """The next final answer; raises EndedError, MalformedError or AssertionError."""
        return read_response(self.source, head=head)

    def ask(self, data: bytes, *, head: bool = False) -> Response:
        """Send and read one answer."""
        self.send(data)
        return self.answer(head=head)


def pieces(data: bytes, mode: str) -> Iterator[bytes]:
    """How a mode cuts bytes up."""
    if mode == "lines":
        yield from re.findall(rb"(?s).*?\r\n|.+", data)
        return
    for index in range(min(len(data), _BYTEWISE)):
        yield data[index : index + 1]
    for start in range(_BYTEWISE, len(data), _LARGER):
        yield data[start : start + _LARGER]


@dataclass
class Outcome:
    """What came of a case."""

    answers: list[Response | None] = field(default_factory=list)  # None: the connection ended instead
    open: bool | None = None
    records: list[dict[str, Any]] = field(default_factory=list)


def records(server: Server) -> list[dict[str, Any]]:
    """What the application saw since the last time, without our own probes."""
    with Conversation(connect(server)) as talk:
        response = talk.ask(b"GET /_calls HTTP/1.1\r\nHost: calls\r\nConnection: close\r\n\r\n")
    found: list[dict[str, Any]] = json.loads(response.body)
    return [record for record in found if record["environ"].get("QUERY_STRING") not in _OURS]


def play(case: Case, server: Server, mode: str) -> Outcome:
    """Send the case in this mode and gather what comes of it."""
    outcome = Outcome()
    try:
        _converse(case, server, mode, outcome)
        _await_closes(case, server)
    finally:
        outcome.records = records(server)
    return outcome


def _converse(case: Case, server: Server, mode: str, outcome: Outcome) -> None:
    piecewise = mode in ("bytes", "lines")
    with Conversation(connect(server, unix=piecewise)) as talk:
        _send(talk, case, mode, outcome)
        if mode == "pipelined":
            _is_ours(talk, "first")
        while len(outcome.answers) < len(case.answers) and None not in outcome.answers:
            _read_next(talk, case, outcome)
        outcome.open = _is_open(talk, case, mode)


def _read_next(talk: Conversation, case: Case, outcome: Outcome) -> None:
    head = case.answers[len(outcome.answers)].head
    try:
        response = talk.answer(head=head)
    except EndedError:
        outcome.answers.append(None)
        return
    if talk.interim:
        response = replace(response, interim=(*talk.interim, *response.interim))
        talk.interim.clear()
    outcome.answers.append(response)


def _await_closes(case: Case, server: Server) -> None:
    """Let the server come to its ``close()`` after the last byte was sent; what never comes is judged."""
    wanted = sum(answer.closes or 0 for answer in case.answers)
    if not wanted:
        return
    until = time.monotonic() + 2
    with Conversation(connect(server)) as talk:
        while time.monotonic() < until:
            response = talk.ask(b"GET /_peek HTTP/1.1\r\nHost: peek\r\n\r\n")
            if sum(record["closes"] for record in json.loads(response.body)) >= wanted:
                return


def _send(talk: Conversation, case: Case, mode: str, outcome: Outcome) -> None:
    parts = list(case.send)
    if mode == "pipelined":
        whole = b"".join(part for part in parts if isinstance(part, bytes))
        parts = [FIRST + whole + (PROBE if case.ending in (Ending.OPEN, Ending.IN_STEP) else b"")]
        if Mark.HALF_CLOSE in case.send:
            parts.append(Mark.HALF_CLOSE)
    for part in parts:
        if part is Mark.INTERIM:
            talk.interim.append(read_interim(talk.source))
        elif part is Mark.ANSWER:
            _read_next(talk, case, outcome)
        elif part is Mark.HALF_CLOSE:
            talk.half_close()
        elif mode in ("bytes", "lines"):
            for piece in pieces(part, mode):
                talk.send_alone(piece)
        else:
            talk.send(part)


def _is_ours(talk: Conversation, name: str) -> None:
    response = talk.answer()
    assert (response.status, response.body) == (200, name.encode()), f"the good request got {response}"


def _is_open(talk: Conversation, case: Case, mode: str) -> bool | None:
    """Whether the connection answers our probe; closed is an end of file with nothing before it."""
    if case.ending is Ending.UNASKED:
        return None
    if case.ending in (Ending.CLOSED, Ending.GONE):
        talk.may_reset = case.ending is Ending.GONE
        left = talk.source.take(4096)
        assert not left, f"after the last answer came {left!r}"
        return False
    if mode != "pipelined":
        talk.send(PROBE)
    try:
        _is_ours(talk, "probe")
    except EndedError:
        return False
    return True


def judge(case: Case, outcome: Outcome) -> None:
    """Raise AssertionError for the first thing that is not as the case and the invariants have it."""
    left = list(outcome.records)
    for number, answer in enumerate(case.answers):
        response = outcome.answers[number] if number < len(outcome.answers) else None
        if response is None:
            assert answer.optional, f"no answer {number + 1}: the connection was closed; the application saw {left}"
        else:
            _judge_response(answer, response)
        _judge_call(answer, left)
    assert not left, f"the application was called for {[_line(record) for record in left]}"
    if case.ending is Ending.OPEN:
        assert outcome.open, "the connection was closed"


def _judge_response(answer: Answer, response: Response) -> None:
    assert response.status in answer.status, (
        f"{response.status} instead of {sorted(answer.status)}: {response.body[:200]!r}"
    )
    _judge_invariants(response)
    assert answer.complete in (None, response.complete), f"complete: {response.complete}, body {response.body[:80]!r}"
    if answer.interim is not None:
        assert response.interim == answer.interim, f"interim answers {response.interim}"
    for name, wanted in answer.fields.items():
        values = response.values(name)
        _judge_value(f"field {name}", "\n".join(values) if values else ABSENT, wanted)
    if callable(answer.body):
        assert answer.body(response.body), f"the body is {response.body[:400]!r}"
    elif answer.body is not None:
        assert response.body == answer.body, f"the body is {response.body[:400]!r}, {len(response.body)} bytes"


def _judge_invariants(response: Response) -> None:
    """What holds of every final answer (RFC 9110 6.6.1, 10.2.4; RFC 9112 6.3): one Date, one Server, known framing."""
    dates = response.values("date")
    assert len(dates) == 1, f"Date: {dates}"
    assert _IMF_FIXDATE.fullmatch(dates[0]), dates
    assert email.utils.parsedate_to_datetime(dates[0])
    assert len(response.values("server")) == 1, response.values("server")
    assert b"Traceback" not in response.body
    assert b"xyzzy" not in response.raw_head + response.body, "something that must not reach the client did"


def _judge_call(answer: Answer, left: list[dict[str, Any]]) -> None:
    """Take the answer's record from those left and hold it to the answer."""
    if answer.reach is Reach.NEVER or (not left and answer.reach is not Reach.CALLED):
        return
    assert left, "the application was never called"
    record = left.pop(0)
    assert not record["faults"], f"environ: {record['faults']}"
    if answer.reach is Reach.NEVER_WHOLE:
        assert record["body"] is None, f"a broken body was read as whole: {record['body']!r}"
    for key, wanted in answer.environ.items():
        _judge_value(f"environ[{key!r}]", record["environ"].get(key, ABSENT), wanted)
    if answer.read is not None:
        assert record["body"] == answer.read.decode("latin-1"), f"the application read {record['body']!r:.200}"
    if answer.closes is not None:
        assert record["closes"] == answer.closes, f"close() was called {record['closes']} times"
    if answer.calls is not None:
        assert answer.calls(record), f"the record is {record}"


def _judge_value(what: str, value: object, wanted: Any) -> None:
    shown = "absent" if value is ABSENT else repr(value)
    if wanted is PRESENT:
        assert value is not ABSENT, f"{what} is absent"
    elif isinstance(wanted, OneOf):
        assert value in wanted.values, f"{what} is {shown}, not one of {wanted.values}"
    elif callable(wanted):
        assert wanted(value), f"{what} is {shown}"
    else:
        assert value is wanted or value == wanted, (
            f"{what} is {shown} instead of {'absent' if wanted is ABSENT else repr(wanted)}"
        )


def _line(record: Mapping[str, Any]) -> str:
    environ = record["environ"]
    return f"{environ.get('REQUEST_METHOD')} {environ.get('RAW_URI', environ.get('PATH_INFO'))}"


__all__ = ["Conversation", "EndedError", "MalformedError", "Outcome", "connect", "judge", "pieces", "play", "records"]
