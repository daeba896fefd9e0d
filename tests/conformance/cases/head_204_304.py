"""Answers without a body: HEAD, 204, 304 (RFC 9110 6.4.1, 9.3.2, 15.3.5, 15.4.5; RFC 9112 6.3)."""

from __future__ import annotations

from tests.conformance.case import (
    ABSENT,
    MAYBE_NEXT,
    NEXT,
    NEXT_REQUEST,
    Answer,
    Ending,
    get,
    head,
    post,
    served,
    status,
)

HEAD = "RFC 9110 9.3.2: the answer to HEAD has the fields of GET and no content"
NO_CONTENT = "RFC 9110 15.3.5, 8.6, RFC 9112 6.1: 204 has neither content nor Content-Length nor Transfer-Encoding"
UNMODIFIED = "RFC 9110 15.4.5: 304 has no content"
BARE = {"content-length": ABSENT, "transfer-encoding": ABSENT}


def asked(path: str, *lines: str) -> bytes:
    """A HEAD, with a request after it that shows where the answer ended."""
    return head(f"HEAD {path} HTTP/1.1", "Host: a", *lines) + NEXT_REQUEST


CASES = (
    *(
        served(HEAD, f"head-{label}", asked(path), Answer(head=True, status=status(*statuses), fields=fields), NEXT)
        for label, path, statuses, fields in (
            ("report", "/", (200,), {"content-type": "application/json"}),
            ("length", "/sized?length=5&pieces=5", (200,), {"content-length": "5"}),
            ("length-without-body", "/sized?length=5", (200,), {"content-length": "5"}),
            ("length-zero", "/sized?length=0", (200,), {"content-length": "0"}),
            ("length-too-long-body", "/sized?length=5&pieces=50", (200,), {"content-length": "5"}),
            ("large", "/sized?length=1000000&pieces=1000000", (200,), {"content-length": "1000000"}),
            ("stream", "/sized?pieces=3,4", (200,), {}),
            ("stream-empty", "/sized", (200,), {}),
            ("list", "/listed?pieces=ab,c", (200,), {}),
            ("write", "/writes?written=3&pieces=2", (200,), {}),
            ("write-length", "/writes?written=3&pieces=2&length=5", (200,), {"content-length": "5"}),
            ("late-start", "/late-start", (200,), {}),
            ("wrapper", "/wrapped?size=10&length=10", (200,), {"content-length": "10"}),
            ("wrapper-file", "/wrapped?kind=file&size=10&length=10", (200,), {"content-length": "10"}),
            ("404", "/sized?status=404+No&length=5&pieces=5", (404,), {"content-length": "5"}),
            ("204", "/sized?status=204+No&length=5&pieces=5", (204,), BARE),
            ("304", "/sized?status=304+No&length=5&pieces=5", (304,), {"transfer-encoding": ABSENT}),
            ("replaced", "/exc-info", (503,), {"x-replaced": "yes"}),
        )
    ),
    *(
        served(
            "RFC 9110 9.3.2: a failing HEAD has no content either",
            f"head-{label}",
            asked(path),
            Answer(head=True, status=status(500)),
            MAYBE_NEXT,
            ending=Ending.IN_STEP,
        )
        for label, path in {
            "raises": "/raises?before",
            "raises-after-start": "/raises?after-start",
            "unstarted": "/unstarted",
            "bad-field": "/raw?X=a%0D%0AY:+b",
        }.items()
    ),
    served(
        "PEP 3333: HEAD reaches the application as HEAD",
        "head-method",
        asked("/"),
        Answer(head=True, environ={"REQUEST_METHOD": "HEAD"}),
        NEXT,
    ),
    served(
        "PEP 3333: close() is called on HEAD too",
        "head-close",
        asked("/sized?pieces=3,4"),
        Answer(head=True, closes=1),
        NEXT,
    ),
    served(
        HEAD,
        "head-twice",
        asked("/sized?length=5&pieces=5") + asked("/sized?pieces=5"),
        Answer(head=True),
        NEXT,
        Answer(head=True),
        NEXT,
    ),
    *(
        served(
            NO_CONTENT,
            f"204-{label}",
            get(path=path) + NEXT_REQUEST,
            Answer(status=status(204), body=b"", fields=BARE, closes=closes),
            NEXT,
        )
        for label, path, closes in (
            ("plain", "/sized?status=204+No+Content", 1),
            ("length-zero", "/sized?status=204+No+Content&length=0", 1),
            ("length", "/sized?status=204+No+Content&length=5", 1),
            ("body", "/sized?status=204+No+Content&pieces=5", 1),
            ("body-and-length", "/sized?status=204+No+Content&pieces=5&length=5", 1),
            ("large-body", "/sized?status=204+No+Content&pieces=300000", 1),
            ("write", "/writes?status=204+No+Content&written=5", 1),
            ("write-length", "/writes?status=204+No+Content&written=5&length=5", 1),
        )
    ),
    *(
        served(
            UNMODIFIED,
            f"304-{label}",
            get(path=path) + NEXT_REQUEST,
            Answer(status=status(304), body=b"", fields={"transfer-encoding": ABSENT, **fields}, closes=1),
            NEXT,
        )
        for label, path, fields in (
            ("plain", "/sized?status=304+Not+Modified", {}),
            ("length", "/sized?status=304+Not+Modified&length=5", {}),
            ("body", "/sized?status=304+Not+Modified&pieces=5", {}),
            ("body-and-length", "/sized?status=304+Not+Modified&pieces=5&length=5", {}),
            ("write", "/writes?status=304+Not+Modified&written=5", {}),
        )
    ),
    served(
        UNMODIFIED,
        "304-etag-kept",
        get(path="/raw?status=304+Not+Modified&ETag=%22a%22") + NEXT_REQUEST,
        Answer(status=status(304), body=b"", fields={"etag": '"a"'}),
        NEXT,
    ),
    served(
        NO_CONTENT,
        "204-to-post",
        post("Content-Length: 5", body="hello", path="/sized?status=204+No") + NEXT_REQUEST,
        Answer(status=status(204), body=b"", fields=BARE),
        NEXT,
    ),
    *(
        served(
            "RFC 9110 8.6, RFC 9112 6.3: every other answer without content is framed as empty",
            f"empty-{code}",
            get(path=f"/sized?status={code}+X") + NEXT_REQUEST,
            Answer(status=status(code), body=b""),
            NEXT,
        )
        for code in (
            200,
            201,
            202,
            301,
            302,
            303,
            307,
            308,
            400,
            401,
            403,
            404,
            405,
            409,
            410,
            412,
            416,
            422,
            429,
            500,
            502,
            503,
            504,
        )
    ),
)
