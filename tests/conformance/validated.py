"""The application of ``test_wsgiref_validate.py``: correct in every way, behind the validator of wsgiref."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import WSGIWarning, validator

warnings.simplefilter("error", WSGIWarning)

TEXT = [("Content-Type", "text/plain")]


def correct(environ: dict[str, Any], start_response: Callable[..., Callable[[bytes], object]]) -> Iterable[bytes]:
    """PEP 3333 by the letter; the validator wants sizes for ``read``."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if path == "/stream":
        return _stream(start_response)
    if path == "/write":
        start_response("200 OK", TEXT)(b"written")
        return [b""]
    if path == "/exc-info":
        start_response("200 OK", TEXT)
        try:
            raise ValueError  # noqa: TRY301 - there must be something in flight
        except ValueError:
            start_response("503 Sorry", TEXT, sys.exc_info())
        return [b"sorry"]
    if path == "/no-content":
        start_response("204 No Content", [])
        return []
    if path == "/errors":
        environ["wsgi.errors"].write("a line\n")
        environ["wsgi.errors"].flush()
        body = b"told"
    elif path == "/lines":
        body = b"%d" % sum(1 for _ in environ["wsgi.input"])
    else:
        body = b"%b %d" % (method.encode(), _size(environ["wsgi.input"]))
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body if method != "HEAD" else b""]


def _size(stream: Any) -> int:
    size = 0
    while piece := stream.read(3):
        size += len(piece)
    return size


def _stream(start_response: Callable[..., object]) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield from (b"one", b"two", b"three")


application = validator(correct)
