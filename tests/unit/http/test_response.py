"""The answers that the server gives by itself."""

from __future__ import annotations

import pytest

from prefork.http.response import error_response


@pytest.mark.parametrize("code", [400, 408, 413, 414, 417, 431, 500, 501, 505, 507])
def test_a_refusal_is_short_has_a_length_and_closes(code):
    """Nothing of the request is in it."""
    head, _, body = error_response(code, b"Server: s\r\n", b"Date: d\r\n").partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % code)
    assert {b"Server: s", b"Date: d", b"Connection: close", b"Content-Length: %d" % len(body)} <= set(lines)
    assert body.startswith(b"%d " % code)


def test_head_has_no_body():
    """RFC 9110 section 9.3.2: the length of what GET would get."""
    whole, head = error_response(500, b"", b""), error_response(500, b"", b"", head_only=True)
    assert whole.startswith(head)
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("code", "phrase"), [(413, b"Content Too Large"), (414, b"URI Too Long"), (417, b"Expectation Failed")]
)
def test_a_refusal_has_the_phrase_of_rfc_9110(code, phrase):
    """Older versions of Python have older ones."""
    assert error_response(code, b"", b"").startswith(b"HTTP/1.1 %d %b\r\n" % (code, phrase))
    assert error_response(code, b"", b"").endswith(b"\r\n\r\n%d %b\n" % (code, phrase))
