"""Upgrades that the server does not take (RFC 9110 7.8): the request is an ordinary one."""

from __future__ import annotations

from tests.conformance.case import NEXT, NEXT_REQUEST, Answer, chunked, get, head, post, served

CASES = (
    *(
        served(
            "RFC 9110 7.8, HTTP.md: an Upgrade that is not taken is ignored, and the body and the next request are read",
            f"upgrade-{label}",
            send + NEXT_REQUEST,
            Answer(read=read),
            NEXT,
        )
        for label, send, read in (
            (
                "h2c",
                get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
                b"",
            ),
            (
                "websocket",
                get(
                    "Connection: Upgrade",
                    "Upgrade: websocket",
                    "Sec-WebSocket-Version: 13",
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                ),
                b"",
            ),
            ("unknown", get("Connection: upgrade", "Upgrade: xyz/1"), b""),
            ("without-connection", get("Upgrade: websocket"), b""),
            ("connection-alone", get("Connection: Upgrade"), b""),
            ("post", post("Connection: upgrade", "Upgrade: h2c", "Content-Length: 5", body="hello"), b"hello"),
            (
                "post-request-looking",
                post(
                    "Connection: upgrade", "Upgrade: h2c", f"Content-Length: {len(get(path='/x'))}", body=get(path="/x")
                ),
                get(path="/x"),
            ),
            ("chunked", chunked("5\r\nhello\r\n0\r\n\r\n", "Connection: upgrade", "Upgrade: h2c"), b"hello"),
            (
                "chunked-trailers",
                chunked("5\r\nhello\r\n0\r\nX: a\r\n\r\n", "Connection: upgrade", "Upgrade: h2c"),
                b"hello",
            ),
            (
                "websocket-post",
                post("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5", body="hello"),
                b"hello",
            ),
            (
                "upgrade-first",
                head(
                    "POST / HTTP/1.1",
                    "Upgrade: tls/1.0",
                    "Connection: upgrade",
                    "Host: a",
                    "Content-Length: 5",
                    body="hello",
                ),
                b"hello",
            ),
            (
                "put-large",
                head(
                    "PUT / HTTP/1.1",
                    "Host: a",
                    "Connection: upgrade",
                    "Upgrade: h2c",
                    "Content-Length: 70000",
                    body=b"u" * 70000,
                ),
                b"u" * 70000,
            ),
        )
    ),
    served(
        "HTTP.md: an Upgrade that is not taken leaves keep-alive and order as they are",
        "upgrade-twice",
        (
            get("Connection: upgrade", "Upgrade: h2c", path="/tiny?a")
            + post("Connection: upgrade", "Upgrade: h2c", "Content-Length: 1", body="b", path="/echo")
        )
        * 2,
        *(Answer(body=word) for word in (b"a", b"b", b"a", b"b")),
    ),
)
