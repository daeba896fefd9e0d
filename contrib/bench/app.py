"""The application that every server serves: three answers, as little Python as an honest application can have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

HELLO = b"Hello, World!\n"
LARGE = b"0123456789abcdef" * 65536  # 1 MiB
PIECE = 64 * 1024


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/`` a greeting, ``/large`` one MiB, ``/post`` how many bytes the body had."""
    path = environ["PATH_INFO"]
    if path == "/large":
        body = LARGE
    elif path == "/post":
        body = b"%d\n" % _drain(environ["wsgi.input"], int(environ["CONTENT_LENGTH"]))
    else:
        body = HELLO
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def _drain(body: Any, length: int) -> int:
    """Read as the oldest servers ask for: never past Content-Length (PEP 3333, "Input and Error Streams")."""
    read = 0
    while read < length and (piece := body.read(min(PIECE, length - read))):
        read += len(piece)
    return read
