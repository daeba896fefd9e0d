"""The standard library's judge of PEP 3333, ``wsgiref.validate``, finds nothing to say about the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance import servers
from tests.conformance.judge import Conversation, connect

VALIDATED = "tests.conformance.validated:application"


@pytest.fixture(scope="module", params=servers.KINDS)
def validated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server whose application is wrapped in the validator, which raises at the first breach."""
    directory: Path = tmp_path_factory.mktemp("validated")
    server = servers.start(request.param, "default", directory, app=VALIDATED)
    yield server
    server.stop()


REQUESTS: dict[str, tuple[bytes, bool, Callable[[bytes], bool]]] = {
    "get": (b"GET /?a=b HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b"GET 0"),
    "head": (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", True, lambda body: body == b""),
    "post": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello",
        False,
        lambda body: body == b"POST 5",
    ),
    "post-empty": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", False, lambda body: body == b"POST 0"),
    "post-chunked": (
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        False,
        lambda body: body == b"PUT 5",
    ),
    "lines": (
        b"POST /lines HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\na\nb\nc\n",
        False,
        lambda body: body == b"3",
    ),
    "stream": (b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b"onetwothree"),
    "head-stream": (b"HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n", True, lambda body: body == b""),
    "write": (b"GET /write HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b"written"),
    "exc-info": (b"GET /exc-info HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b"sorry"),
    "errors": (b"GET /errors HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b"told"),
    "no-content": (b"GET /no-content HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b""),
    "old": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False, lambda body: body == b"GET 0"),
    "absolute": (b"GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n", False, lambda body: body == b"GET 0"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_validator_is_content(name: str, validated: servers.Server) -> None:
    """PEP 3333, as wsgiref.validate checks it: types, required keys, the order of calls, close()."""
    send, head, wanted = REQUESTS[name]
    with Conversation(connect(validated)) as talk:
        for _ in range(2):  # the second one on the same connection
            response = talk.ask(send, head=head)
            assert response.status in (200, 204, 503), response.body
            assert response.complete
            assert wanted(response.body), response.body
    if validated.log is not None:
        assert not [event for event in validated.log.events if event.get("event") == "request_failed"]
