"""What a refused client is told (RFC 9110 15.5, HTTP.md)."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance.case import ABSENT, PRESENT, Answer, Case, Ending, Reach, get, head, post, served, status

RULE = "HTTP.md, RFC 9110 15.5, 8.6: an error page is short, has a length and `Connection: close`, and does not echo the request"
FAILURE = (
    "HTTP.md: the page of a failed application is short, and shows nothing of the request, the answer or the traceback"
)
EVIL = "<script>xyzzy</script>"


def short(body: bytes) -> bool:
    """At most a kibibyte."""
    return 0 < len(body) <= 1024


def page(label: str, send: bytes, code: int) -> Case:
    """A refusal with this one status."""
    fields: dict[str, object | Callable[[object], bool]] = {
        "content-length": PRESENT,
        "content-type": PRESENT,
        "connection": "close",
        "transfer-encoding": ABSENT,
    }
    answer = Answer(status=status(code), reach=Reach.NEVER, fields=fields, body=short)
    return served(RULE, label, send, answer, ending=Ending.CLOSED)


CASES = (
    page("no-host", head("GET /xyzzy HTTP/1.1"), 400),
    page("target", get(path=EVIL), 400),
    page("bad-host", head("GET / HTTP/1.1", f"Host: {EVIL}"), 400),
    page("method", head("xyz(zy / HTTP/1.1", "Host: a"), 400),
    page("field-name", get(f"{EVIL}: a"), 400),
    page("field-value", get(f"X: {EVIL}\x00"), 400),
    page("length", post(f"Content-Length: {EVIL}"), 400),
    page("coding", post("Transfer-Encoding: xyzzy, chunked"), 501),
    page("version", head("GET /xyzzy HTTP/3.0", "Host: a"), 505),
    page("expectation", post("Expect: xyzzy", "Content-Length: 5"), 417),
    page("long-line", get(path="/" + "xyzzy" * 2000), 414),
    page("many-fields", get(*["X: xyzzy"] * 200), 431),
    page("large-body", post("X: xyzzy", f"Content-Length: {1 << 40}"), 413),
    *(
        served(
            FAILURE,
            f"failure-{label}",
            send,
            Answer(status=status(500), body=short, fields={"content-length": PRESENT}),
            ending=Ending.IN_STEP,
        )
        for label, send in {
            "before": get("X-Secret: xyzzy", path="/raises?before"),
            "after-start": get(path="/raises?after-start"),
            "first-step": get(path="/raises?first-step"),
            "unstarted": get(path="/unstarted"),
            "bad-field": get(path="/raw?X-A=xyzzy%0D%0AB"),
            "with-body": post("Content-Length: 5", body="xyzzy", path="/raises?before"),
        }.items()
    ),
)
