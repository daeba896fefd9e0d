"""Asking the application once before its worker is ready (``probe = "/healthz"``).

An application that imports but cannot answer, for want of its database say, must not replace one that can. The
question is an ordinary request that comes over no connection: it is in no access log, and counts as none.
In the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from prefork.errors import BootError
from prefork.http.connection import Connection
from prefork.http.events import Request
from prefork.http.limits import Limits
from prefork.http.wsgi import EnvironBuilder, base_environ
from prefork.worker.protocol import WsgiApp

HINT = "pool.*.probe: a worker is ready only when the application answers this path without a 5xx"
SHOWN = 500  # bytes of a refusal's body that go to the log


def ask(application: WsgiApp, path: str, errors: object) -> None:
    """Raises BootError if the answer is a 5xx or none, and whatever the application raises.

    ``errors`` is its ``wsgi.errors``.
    """
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, _exc_info: Any = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return written.append

    written: list[bytes] = []
    result = application({**_environ(path), "wsgi.errors": errors}, start_response)
    try:
        written.extend(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    if not statuses:
        raise BootError(f"the probe of {path} got no response status", hint=HINT)
    if statuses[-1].startswith("5"):
        body = b"".join(written)[:SHOWN].decode(errors="replace")
        raise BootError(f"the probe of {path} was answered {statuses[-1]}\n{body}".rstrip(), hint=HINT)


def _environ(path: str) -> dict[str, Any]:
    connection = Connection(Limits())
    connection.receive(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: prefork-probe\r\n\r\n".encode())
    request = connection.next_event()
    assert isinstance(request, Request)
    base = base_environ(server=("localhost", "80"), peer=("127.0.0.1", "0"), multiprocess=True)
    environ = EnvironBuilder(base, None).of(request)
    environ["wsgi.input"] = BytesIO()
    return environ
