"""The application behind the cases: it records what it saw, and has a path for every way to misbehave.

Rules. It runs in the worker and imports the standard library only. Every call but those of ``/_calls`` leaves a
record: the environ as text, what was read of the body or the error of reading it, and how often its iterable was
closed. ``GET /_calls`` hands the records out and forgets them.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Record = dict[str, Any]
Behaviour = Callable[[Environ, StartResponse, Record], Any]

RECORDS: list[Record] = []
TEXT = [("Content-Type", "text/plain")]


class ApplicationError(Exception):
    """What the application raises where a case asks for it; its text must never reach a client."""


class Closing:
    """An iterable that counts its ``close()``."""

    def __init__(self, record: Record, pieces: Iterable[bytes], *, fail: bool = False) -> None:
        self._record = record
        self._pieces = iter(pieces)
        self._fail = fail

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._record["closes"] += 1
        if self._fail:
            raise ApplicationError("xyzzy in close")


def application(environ: Environ, start_response: StartResponse) -> Any:
    """PEP 3333; see BEHAVIOURS for the paths. Any other path reads its body and answers with the record as JSON."""
    path = environ["PATH_INFO"]
    if path == "/_calls":
        data = json.dumps(RECORDS).encode()
        RECORDS.clear()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]
    record: Record = {"environ": _texts(environ), "faults": _faults(environ), "closes": 0, "body": None, "error": None}
    RECORDS.append(record)
    behave = BEHAVIOURS.get(path, report)
    return behave(environ, start_response, record)


def _texts(environ: Environ) -> dict[str, Any]:
    return {key: value if isinstance(value, (str, bool, int)) else repr(value) for key, value in environ.items()}


def _faults(environ: Environ) -> list[str]:
    """What PEP 3333 says of every environ: keys that must be there, CGI values that must be native texts."""
    wanted = "REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING SERVER_NAME SERVER_PORT SERVER_PROTOCOL"
    faults = [f"no {key}" for key in wanted.split() if key not in environ]
    faults += [f"{key} is not a str" for key, value in environ.items() if "." not in key and type(value) is not str]
    faults += [
        f"{key} is not Latin-1"
        for key, value in environ.items()
        if isinstance(value, str) and any(ord(letter) > 255 for letter in value)
    ]
    faults += [f"{key} is empty" for key in ("REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT") if not environ.get(key)]
    if type(environ) is not dict:
        faults.append("environ is not a dict")
    if environ.get("wsgi.version") != (1, 0):
        faults.append("wsgi.version is not (1, 0)")
    faults += [f"no {name}" for name in ("wsgi.input", "wsgi.errors", "wsgi.url_scheme") if name not in environ]
    return faults


def _query(environ: Environ) -> dict[str, str]:
    return dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True, encoding="latin-1"))


def _whole(environ: Environ, record: Record) -> bytes:
    """Read the whole body and record it; the error of reading is recorded and raised."""
    try:
        body: bytes = environ["wsgi.input"].read()
    except Exception as error:
        record["error"] = type(error).__name__
        raise
    record["body"] = body.decode("latin-1") if len(body) <= 1 << 20 else f"{len(body)} bytes"
    return body


def report(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """Read the body, answer with the record but for the body."""
    _whole(environ, record)
    data = json.dumps({**record, "body": None}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def tiny(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """Answer with the query string, and do not touch the body."""
    data = environ["QUERY_STRING"].encode("latin-1")
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(data)))])
    return [data]


def echo(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """Answer with the body."""
    data = _whole(environ, record)
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(data)))])
    return [data]


def reading(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """Read by the methods that the query names, in order (``do=readline:3,read``); answer with the pieces as JSON."""
    stream, pieces = environ["wsgi.input"], []
    for step in _query(environ)["do"].split(","):
        method, _, size = step.partition(":")
        arguments = [int(size)] if size else []
        result = list(stream) if method == "iter" else getattr(stream, method)(*arguments)
        pieces.append(
            [line.decode("latin-1") for line in result] if isinstance(result, list) else result.decode("latin-1")
        )
    start_response("200 OK", TEXT)
    return [json.dumps(pieces).encode()]


def sized(environ: Environ, start_response: StartResponse, record: Record) -> Iterable[bytes]:
    """``length`` is declared, ``pieces`` (sizes, comma) are sent, by a counted iterable."""
    query = _query(environ)
    fields = [("Content-Length", query["length"])] if "length" in query else []
    start_response(query.get("status", "200 OK"), TEXT + fields)
    sizes = [int(size) for size in query.get("pieces", "").split(",") if size]
    return Closing(record, (b"x" * size for size in sizes))


def listed(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """A list of pieces without a Content-Length."""
    start_response("200 OK", TEXT)
    return [piece.encode("latin-1") for piece in _query(environ)["pieces"].split(",")]


def raw_response(environ: Environ, start_response: StartResponse, record: Record) -> Iterable[bytes]:
    """A status and fields straight from the query, percent-decoded: ``status=...&Name=value``."""
    status, fields = "200 OK", []
    for part in environ["QUERY_STRING"].split("&"):
        name, _, value = (unquote_to_bytes(half.replace("+", " ")).decode("latin-1") for half in part.partition("="))
        if name == "status":
            status = value
        else:
            fields.append((name, value))
    start_response(status, fields)
    return Closing(record, [b"raw"])


def odd_types(environ: Environ, start_response: StartResponse, record: Record) -> Any:
    """Arguments and results of types that PEP 3333 does not allow."""
    kind = environ["QUERY_STRING"]
    statuses = {"status-none": None, "status-bytes": b"200 OK", "status-int": 200, "status-latin": "200 \u20ac"}
    fields = {
        "fields-none": None,
        "field-value-int": [("X-A", 1)],
        "field-value-none": [("X-A", None)],
        "field-value-bytes": [("X-A", b"v")],
        "field-name-bytes": [(b"X-A", "v")],
        "field-value-wide": [("X-A", "\u20ac")],
        "field-triple": [("X-A", "v", "w")],
    }
    bodies = {
        "body-none": None,
        "body-int": 7,
        "body-text": "text",
        "piece-text": ["text"],
        "piece-none": [None],
        "piece-int": [7],
    }
    start_response(statuses.get(kind, "200 OK"), fields.get(kind, list(TEXT)))
    return bodies.get(kind, [b"x"])


def unstarted(environ: Environ, start_response: StartResponse, record: Record) -> Any:
    """Never calls start_response."""
    return Closing(record, [b"xyzzy", b"more"])


def unstarted_empty(environ: Environ, start_response: StartResponse, record: Record) -> Any:
    return Closing(record, [])


def late_start(environ: Environ, start_response: StartResponse, record: Record) -> Iterator[bytes]:
    """A generator that calls start_response at its first step, as PEP 3333 allows."""
    start_response("200 OK", TEXT)
    yield b"late"


def start_twice(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    start_response("200 OK", [("X-First", "xyzzy")])
    start_response("200 OK", [("X-Second", "xyzzy")])
    return [b"xyzzy"]


def raises(environ: Environ, start_response: StartResponse, record: Record) -> Any:
    """Fails at the place that the query names."""
    place = environ["QUERY_STRING"]
    if place == "before":
        raise ApplicationError("xyzzy before")
    if place == "exit":
        sys.exit("xyzzy")
    if place == "generator-exit":
        raise GeneratorExit
    length = [("Content-Length", "9")] if place == "middle-length" else []
    marked = [] if place.startswith("middle") or place == "close" else [("X-Half-Made", "xyzzy")]
    start_response("200 OK", [*TEXT, *marked, *length])
    if place == "after-start":
        raise ApplicationError("xyzzy after start")

    def pieces() -> Iterator[bytes]:
        if place == "first-step":
            raise ApplicationError("xyzzy at the first step")
        if place == "after-empty":
            yield b""
            raise ApplicationError("xyzzy after an empty piece")
        yield b"first"
        if place.startswith("middle"):
            raise ApplicationError("xyzzy in the middle")

    return Closing(record, pieces(), fail=place == "close")


def exc_info(environ: Environ, start_response: StartResponse, record: Record) -> Any:
    """Uses the third argument of start_response before or after the head was sent."""
    late = environ["QUERY_STRING"] == "late"
    marked = [] if late else [("X-Half-Made", "xyzzy")]
    write = start_response("200 OK", [*TEXT, *marked, ("Content-Length", "9")])
    if late:
        write(b"first")
    try:
        raise ApplicationError("xyzzy replaced")  # noqa: TRY301 - there must be something in flight
    except ApplicationError:
        start_response("503 Sorry", [*TEXT, ("X-Replaced", "yes"), ("Content-Length", "5")], sys.exc_info())
    return [b"sorry"]


def writes(environ: Environ, start_response: StartResponse, record: Record) -> Iterable[bytes]:
    """``write()``, then an iterable: ``written=3,2&pieces=4&length=9``."""
    query = _query(environ)
    fields = [("Content-Length", query["length"])] if "length" in query else []
    write = start_response(query.get("status", "200 OK"), TEXT + fields)
    for size in query.get("written", "").split(","):
        write(b"w" * int(size or 0))
    if query.get("raise"):
        raise ApplicationError("xyzzy after write")
    return Closing(record, [b"x" * int(size) for size in query.get("pieces", "").split(",") if size])


def wrapped(environ: Environ, start_response: StartResponse, record: Record) -> Iterable[bytes]:
    """``wsgi.file_wrapper`` over something file-like: ``kind=bytes|file|noclose&length=..&size=..&seek=..``."""
    query = _query(environ)
    size, length = int(query.get("size", "10")), query.get("length")
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    stream = tempfile.TemporaryFile() if query.get("kind") == "file" else io.BytesIO()  # noqa: SIM115 - the server closes it
    stream.write(data)
    stream.seek(int(query.get("seek", "0")))
    filelike = _ReadOnly(stream) if query.get("kind") == "read-only" else _Counted(stream, record)
    start_response("200 OK", [*TEXT, *([("Content-Length", length)] if length else [])])
    result: Iterable[bytes] = environ["wsgi.file_wrapper"](filelike, int(query.get("block", "8192")))
    return result


class _ReadOnly:
    """A file-like object with ``read`` and nothing else: all that PEP 3333 asks of one."""

    def __init__(self, stream: Any) -> None:
        self.read = stream.read


class _Counted:
    """A file whose ``close`` is counted, with the real descriptor behind it, if there is one."""

    def __init__(self, stream: Any, record: Record) -> None:
        self._record, self._close = record, stream.close
        self.read = stream.read
        self.fileno = stream.fileno
        self.tell = stream.tell
        self.seek = stream.seek

    def close(self) -> None:
        self._record["closes"] += 1
        self._close()


def stream_forever(environ: Environ, start_response: StartResponse, record: Record) -> Iterable[bytes]:
    """Pieces of 64 KiB, ``mib`` of them 16 times; ``sent`` in the record counts what the server took."""
    query = _query(environ)
    total = int(query["mib"]) * 16
    record["sent"] = 0

    def pieces() -> Iterator[bytes]:
        for _ in range(total):
            record["sent"] += 1
            yield b"s" * 65536

    start_response("200 OK", TEXT + ([("Content-Length", str(total * 65536))] if "sized" in query else []))
    return Closing(record, pieces())


def peek(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """The records so far, as ``/_calls`` has them, without forgetting."""
    RECORDS.remove(record)
    data = json.dumps(RECORDS).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(data)))])
    return [data]


def errors(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """Every method that PEP 3333 asks of wsgi.errors."""
    stream = environ["wsgi.errors"]
    stream.write("conformance: one line\n")
    stream.writelines(["conformance: two\n", "conformance: \u20ac three\n"])
    stream.flush()
    start_response("200 OK", TEXT)
    return [b"written"]


def mutating(environ: Environ, start_response: StartResponse, record: Record) -> list[bytes]:
    """Changes environ and its own list of fields, which are its to change."""
    fields = [("Content-Type", "text/plain")]
    environ["HTTP_X_LEAK"] = environ["wsgi.url_scheme"] = "xyzzy"
    environ.pop("SERVER_NAME")
    start_response("200 OK", fields)
    fields.append(("X-Too-Late", "xyzzy"))
    return [b"mutated"]


BEHAVIOURS: Mapping[str, Behaviour] = {
    "/tiny": tiny,
    "/echo": echo,
    "/reading": reading,
    "/sized": sized,
    "/listed": listed,
    "/raw": raw_response,
    "/odd": odd_types,
    "/unstarted": unstarted,
    "/unstarted-empty": unstarted_empty,
    "/late-start": late_start,
    "/start-twice": start_twice,
    "/raises": raises,
    "/exc-info": exc_info,
    "/writes": writes,
    "/wrapped": wrapped,
    "/stream": stream_forever,
    "/_peek": peek,
    "/errors": errors,
    "/mutating": mutating,
}
