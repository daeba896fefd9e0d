"""Applications that fail or break PEP 3333: what the client gets, and that the worker lives."""

from __future__ import annotations

from tests.conformance.case import (
    ABSENT,
    MAYBE_NEXT,
    NEXT,
    NEXT_REQUEST,
    Answer,
    Ending,
    fails,
    get,
    post,
    served,
    status,
)

FAILS = "PEP 3333 (Error Handling), HTTP.md: an exception before the first piece is a 500 with nothing of the half-made answer"
MIDDLE = "PEP 3333, HTTP.md: an exception in the middle leaves no last chunk and closes the connection"
TYPES = (
    "PEP 3333: status and fields are native texts, pieces are bytes; anything else is a 500, and never a dead worker"
)
EXC_INFO = "PEP 3333: exc_info replaces the fields as long as none were sent, and is raised again after that"


CASES = (
    # Failures.
    *(
        fails(FAILS, f"raises-{place}", get(path=f"/raises?{place}"), closes=closes)
        for place, closes in (("before", None), ("after-start", None), ("first-step", 1), ("after-empty", None))
    ),
    fails(
        "HTTP.md: an application that calls sys.exit fails its request, and the worker lives",
        "raises-exit",
        get(path="/raises?exit"),
    ),
    fails(
        "HTTP.md: whatever the application raises, the worker lives",
        "raises-generator-exit",
        get(path="/raises?generator-exit"),
    ),
    fails(FAILS, "raises-with-body", post("Content-Length: 5", body="hello", path="/raises?before")),
    served(
        MIDDLE,
        "raises-middle",
        get(path="/raises?middle") + NEXT_REQUEST,
        Answer(body=b"first", complete=False, closes=1),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    served(
        MIDDLE,
        "raises-middle-length",
        get(path="/raises?middle-length") + NEXT_REQUEST,
        Answer(body=b"first", complete=False, closes=1),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    served(
        MIDDLE,
        "raises-after-write",
        get(path="/writes?written=5&raise=1") + NEXT_REQUEST,
        Answer(body=b"wwwww", complete=False),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    served(
        "PEP 3333: an error in close() comes after the whole answer and is only logged",
        "raises-close",
        get(path="/raises?close") + NEXT_REQUEST,
        Answer(body=b"first", closes=1),
        MAYBE_NEXT,
        ending=Ending.IN_STEP,
        logged="request_failed",
    ),
    fails("PEP 3333: start_response comes before the first piece", "unstarted", get(path="/unstarted"), closes=1),
    fails(
        "PEP 3333: start_response is called, even for no content",
        "unstarted-empty",
        get(path="/unstarted-empty"),
        closes=1,
    ),
    fails("PEP 3333: start_response is called twice only with exc_info", "start-twice", get(path="/start-twice")),
    served(
        EXC_INFO,
        "exc-info",
        get(path="/exc-info") + NEXT_REQUEST,
        Answer(
            status=status(503),
            body=b"sorry",
            fields={"x-half-made": ABSENT, "x-replaced": "yes", "content-length": "5"},
        ),
        NEXT,
    ),
    served(
        EXC_INFO,
        "exc-info-late",
        get(path="/exc-info?late") + NEXT_REQUEST,
        Answer(body=b"first", complete=False, fields={"x-replaced": ABSENT}),
        ending=Ending.CLOSED,
        logged="request_failed",
    ),
    # Types.
    *(
        fails(TYPES, f"type-{label}", get(path=f"/odd?{label}"))
        for label in [
            "status-none",
            "status-bytes",
            "status-int",
            "status-latin",
            "fields-none",
            "field-value-int",
            "field-value-none",
            "field-value-bytes",
            "field-name-bytes",
            "field-value-wide",
            "field-triple",
            "body-none",
            "body-int",
            "piece-text",
            "piece-none",
            "piece-int",
            "body-text",
        ]
    ),
)
