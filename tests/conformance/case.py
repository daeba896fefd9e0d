"""Pure. A conformance case: a rule with its source, the bytes that are sent, and what must come of them.

Rules. A case is data and is readable without the runner. Where a rule leaves the server a choice, every conforming
outcome is listed. What a case does not mention is still held to the invariants in ``judge.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Ending(Enum):
    """What must have become of the connection once the case's answers were read."""

    OPEN = "kept: another request on it is answered"
    CLOSED = "closed by the server, with an end of file and no reset"
    GONE = "closed by the server, with an end of file or, as we went on sending after `close`, a reset"
    IN_STEP = "closed, or kept and in step: the next answer is that of the next request"
    UNASKED = "the rule leaves it to the server, and the client has nothing more to send"


class Mark(Enum):
    """What a sequence of bytes to send may be interleaved with."""

    INTERIM = "wait for one interim (1xx) answer before sending on"
    ANSWER = "wait for one final answer before sending on"
    HALF_CLOSE = "close our sending direction"


class Reach(Enum):
    """Whether the request reached the application."""

    CALLED = "the application was called"
    NEVER = "the application was never called"
    NEVER_WHOLE = "never called, or its reading of the body failed: a short body never looks whole"
    EITHER = "the rule leaves it to the server"


ABSENT = object()
"""As a field's or an environ key's expected value: it must not be there."""

PRESENT = object()
"""It must be there, whatever its value."""


@dataclass(frozen=True)
class OneOf:
    """Any of these values is conforming."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Answer:
    """One final answer in its turn, and what its request looked like to the application."""

    status: frozenset[int] = frozenset({200})
    reach: Reach = Reach.CALLED
    environ: Mapping[str, Any] = field(default_factory=dict)  # key -> value, ABSENT, PRESENT, OneOf or a predicate
    read: bytes | None = None  # what the application read as the whole body
    body: bytes | Callable[[bytes], bool] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  # lower-case name -> as in environ; lines joined by LF
    interim: tuple[int, ...] | None = ()  # the 1xx answers before it; None: any
    complete: bool | None = True  # False: the connection ends within the body; None: either
    head: bool = False  # the request was HEAD: framing fields, and no body
    optional: bool = False  # the connection may end without it
    closes: int | None = None  # how often the application's iterable was closed
    calls: Callable[[Mapping[str, Any]], bool] | None = None  # a predicate on the application's record


@dataclass(frozen=True)
class Case:
    """What is sent to which variant of the server, and what is expected."""

    id: str
    rule: str
    send: tuple[bytes | Mark, ...]
    answers: tuple[Answer, ...]
    ending: Ending
    variant: str = "default"
    modes: tuple[str, ...] = ("whole", "bytes", "lines", "pipelined")
    logged: str = ""  # an event that the server's log must hold afterwards


def head(*lines: str, body: str | bytes = b"") -> bytes:
    """A request head of these lines with CRLF after each, the empty line, and the body; texts are Latin-1."""
    raw = "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"
    return raw + (body if isinstance(body, bytes) else body.encode("latin-1"))


def get(*lines: str, path: str = "/") -> bytes:
    """A GET in HTTP/1.1 with a Host and these further lines."""
    return head(f"GET {path} HTTP/1.1", "Host: a", *lines)


def post(*lines: str, body: str | bytes = b"", path: str = "/") -> bytes:
    """A POST in HTTP/1.1 with a Host, these further lines and this body, which they must frame."""
    return head(f"POST {path} HTTP/1.1", "Host: a", *lines, body=body)


def chunked(body: str | bytes, *lines: str, path: str = "/") -> bytes:
    """A POST with ``Transfer-Encoding: chunked``; ``body`` is raw, with its chunk sizes."""
    return post("Transfer-Encoding: chunked", *lines, body=body, path=path)


NEXT_REQUEST = get(path="/tiny?next")
"""What many cases send last: its answer shows where the one before ended."""

NEXT = Answer(body=b"next")
MAYBE_NEXT = Answer(body=b"next", optional=True, reach=Reach.EITHER)


def _sent(send: bytes | tuple[bytes | Mark, ...]) -> tuple[bytes | Mark, ...]:
    return (send,) if isinstance(send, bytes) else send


def status(*allowed: int) -> frozenset[int]:
    """A set of statuses, for ``Answer(status=...)``."""
    return frozenset(allowed)


def served(
    rule: str,
    label: str,
    send: bytes | tuple[bytes | Mark, ...],
    *answers: Answer,
    ending: Ending = Ending.OPEN,
    **more: Any,
) -> Case:
    """A case that is answered; without ``answers``, with one 200."""
    if isinstance(send, tuple) and (Mark.INTERIM in send or Mark.ANSWER in send):
        more.setdefault("modes", ("whole", "bytes", "lines"))
    return Case(label, rule, _sent(send), answers or (Answer(),), ending, **more)


def refused(
    rule: str,
    label: str,
    send: bytes | tuple[bytes | Mark, ...],
    *allowed: int,
    before: tuple[Answer, ...] = (),
    **more: Any,
) -> Case:
    """A request that must be refused, with 400 unless said otherwise, and that the application never sees.

    The connection is closed, and the page has a length and announces the closing.
    """
    refusal = Answer(
        status=status(*(allowed or (400,))),
        reach=Reach.NEVER,
        fields={"content-length": PRESENT, "connection": "close", "transfer-encoding": ABSENT},
        interim=(),
    )
    return Case(label, rule, _sent(send), (*before, refusal), Ending.CLOSED, **more)


def broken(rule: str, label: str, send: bytes | tuple[bytes | Mark, ...], *allowed: int, **more: Any) -> Case:
    """A request with a good head whose body is broken: no application ever takes what came of it for the whole."""
    answer = Answer(status=status(*(allowed or (400,))), reach=Reach.NEVER_WHOLE, interim=None, optional=True)
    return Case(label, rule, _sent(send), (answer,), Ending.CLOSED, **more)


def table(make: Callable[..., Case], rule: str, rows: Mapping[str, bytes], *args: Any, **more: Any) -> Iterable[Case]:
    """One rule, many requests: label -> bytes."""
    return [make(rule, label, send, *args, **more) for label, send in rows.items()]


def tolerated(rule: str, label: str, send: bytes, *allowed: int, **more: Any) -> Case:
    """A request that a server may serve or refuse (200 and 400 unless said otherwise), and survives."""
    answer = Answer(status=status(*(allowed or (200, 400))), reach=Reach.EITHER, interim=None)
    return Case(label, rule, _sent(send), (answer,), Ending.IN_STEP, **more)


def fails(rule: str, label: str, send: bytes, *, closes: int | None = None) -> Case:
    """The application fails before its first piece: a 500 that is logged; the worker and, perhaps, the connection go on."""
    answer = Answer(status=status(500), fields={"x-half-made": ABSENT}, closes=closes)
    more = (answer, MAYBE_NEXT)
    return served(rule, label, send + NEXT_REQUEST, *more, ending=Ending.IN_STEP, logged="request_failed")
