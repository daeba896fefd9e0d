"""What a Connection makes of bytes, as plain values that can be compared."""

from __future__ import annotations

from prefork.errors import RequestError
from prefork.http.connection import Connection
from prefork.http.events import End, Request
from prefork.http.limits import Limits

DEFAULT = Limits()


def outcome(pieces, limits=DEFAULT):
    """(method, target, minor, headers, body, complete) of each request, then the status of a refusal if there is one."""
    connection = Connection(limits)
    got = []
    try:
        for piece in pieces:
            connection.receive(piece)
            while (event := connection.next_event()) is not None:
                _note(got, event)
    except RequestError as error:
        got.append(error.status)
    return got


def _note(got, event):
    if isinstance(event, Request):
        line = event.line
        expects_body = event.chunked or event.length > 0
        got.append([line.method, line.target, line.minor, dict(event.headers), b"", not expects_body])
    elif event is End.OF_BODY:
        got[-1][5] = True
    else:
        got[-1][4] += event


def status_of(data, limits=DEFAULT):
    """The status of the refusal that these bytes end in; 0: they are taken."""
    got = outcome([data], limits)
    return got[-1] if got and isinstance(got[-1], int) else 0


def request_of(data, limits=DEFAULT):
    """The only request in these bytes, which must be a good one."""
    connection = Connection(limits)
    connection.receive(data)
    request = connection.next_event()
    assert isinstance(request, Request)
    return request


def head(*lines):
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"
