"""The access log: one line a request, and no client can forge one."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.http.connection import Connection
from prefork.http.limits import Limits
from prefork.observe.access import MOST, AccessLog


class Sink:
    def __init__(self, limit=0):
        self.limit = limit
        self.writes = []

    def write(self, data):
        self.writes.append(data)

    @property
    def lines(self):
        return b"".join(self.writes).decode("ascii").splitlines()


def asked(target=b"/a?b=c", *fields, minor=b"1"):
    connection = Connection(Limits())
    connection.receive(b"\r\n".join([b"GET " + target + b" HTTP/1." + minor, b"Host: a", *fields, b"", b""]))
    return connection.next_event()


def logged(form, *visits, fields=None, limit=0):
    sink = Sink(limit)
    log = AccessLog(sink, form, fields or {})
    for visit in visits:
        log.add(visit)
    log.flush()
    return sink


REFERER, AGENT = b"Referer: https://r.example/", b"User-Agent: Mozilla/5.0 (X11)"


def test_a_json_line_says_it_all():
    """RFC 3339 in UTC with milliseconds, bytes of the body, milliseconds of the application, the worker's fields."""
    visit = (asked(b"/a?b=c", REFERER, AGENT), "192.0.2.1", 200, 14, 1_234_567, 0)
    (line,) = logged("json", visit, fields={"pool": "web", "worker": 3}).lines
    record = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert record == {
        "event": "request",
        "remote": "192.0.2.1",
        "method": "GET",
        "target": "/a?b=c",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 14,
        "duration_ms": 1.235,
        "referer": "https://r.example/",
        "user_agent": "Mozilla/5.0 (X11)",
        "pool": "web",
        "worker": 3,
    }


CLF_TIME = r"\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def test_a_combined_line_is_as_every_tool_reads_it():
    """Apache's combined log format."""
    visit = (asked(b"/a", REFERER, AGENT, minor=b"0"), "192.0.2.1", 404, 7, 0, 0)
    (line,) = logged("combined", visit).lines
    expected = rf'192\.0\.2\.1 - - {CLF_TIME} "GET /a HTTP/1\.0" 404 7 "https://r\.example/" "Mozilla/5\.0 \(X11\)"'
    assert re.fullmatch(expected, line)


def test_a_common_line_is_its_beginning():
    """The Common Log Format; nothing sent is a hyphen."""
    (line,) = logged("common", (asked(b"/a"), "", 204, 0, 0, 0)).lines
    assert re.fullmatch(rf'- - - {CLF_TIME} "GET /a HTTP/1\.1" 204 -', line)


@pytest.mark.parametrize("form", ["json", "combined", "common"])
def test_a_request_that_was_not_understood_has_a_line(form):
    """What was refused before there was a request is told by address and status."""
    (line,) = logged(form, (None, "192.0.2.1", 400, 0, 0, 0)).lines
    if form == "json":
        assert json.loads(line)["method"] == ""
    else:
        assert re.match(rf'192\.0\.2\.1 - - {CLF_TIME} "-" 400 -', line)


# A target with a fragment is refused.
OCTETS = st.lists(st.sampled_from([*range(0x21, 0x23), *range(0x24, 0x7F), *range(0x80, 0x100)]), max_size=30).map(
    bytes
)
VALUES = st.lists(st.sampled_from([9, *range(0x20, 0x7F), *range(0x80, 0x100)]), max_size=30).map(bytes)


@given(target=OCTETS, agent=VALUES, referer=VALUES)
def test_whatever_a_client_sends_is_one_line_with_its_fields(target, agent, referer):
    """Quotation marks, backslashes, control characters and other octets are escaped: no line, no field is forged."""
    request = asked(b"/" + target, b"User-Agent: " + agent, b"Referer: " + referer)
    visit = (request, "192.0.2.1", 200, 1, 0, 0)
    (line,) = logged("json", visit).lines
    record = json.loads(line)
    assert record["target"] == "/" + target.decode("latin-1")
    assert record["user_agent"] == agent.strip(b" \t").decode("latin-1")
    (line,) = logged("combined", visit).lines
    match = re.fullmatch(rf'192\.0\.2\.1 - - {CLF_TIME} "([^"]*)" 200 1 "([^"]*)" "([^"]*)"', line)
    assert match
    texts = [text.encode().decode("unicode_escape") for text in match.groups()]
    plain = [b"GET /" + target + b" HTTP/1.1", referer.strip(b" \t") or b"-", agent.strip(b" \t") or b"-"]
    assert texts == [text.decode("latin-1") for text in plain]


def test_waiting_in_the_queue_is_told_where_it_was():
    """In milliseconds, of the first request of a connection; whoever did not wait has no such field."""
    (line,) = logged("json", (asked(), "192.0.2.1", 200, 1, 0, 37_000_000)).lines
    assert json.loads(line)["queue_ms"] == 37
    (line,) = logged("json", (asked(), "192.0.2.1", 200, 1, 0, 0)).lines
    assert "queue_ms" not in json.loads(line)


def test_a_turn_is_one_write():
    """What gathered is written in one go, and nothing is written when nothing has."""
    sink = logged("json", *[(asked(), "192.0.2.1", 200, 1, 0, 0)] * 20)
    assert len(sink.writes) == 1
    assert len(sink.lines) == 20
    assert logged("json").writes == []


def test_a_long_turn_does_not_gather_without_end():
    """At most so many lines wait."""
    assert len(logged("common", *[(asked(), "192.0.2.1", 200, 1, 0, 0)] * (MOST + 1)).writes) == 2


@pytest.mark.parametrize("form", ["json", "common", "combined"])
@pytest.mark.parametrize("text", [b"x", b"\xff", b'"', b"\\"])
def test_a_line_that_is_too_long_is_cut_where_a_client_chose(form, text):
    """P5: a log on a pipe takes 4096 bytes at once; the line is whole, and the others are left as they are."""
    long = asked(b"/" + b"y" * 7000, b"Referer: " + text * 6000, b"User-Agent: " + text * 3000)
    short = (asked(), "192.0.2.1", 200, 1, 1, 0)
    first, second = logged(form, (long, "192.0.2.1", 404, 77, 1, 0), short, limit=4096, fields={"pool": "web"}).lines
    assert 800 < len(first) < 4096
    assert "..." in first
    if form == "json":
        assert json.loads(first)["status"] == 404
        assert json.loads(first)["pool"] == "web"
    else:
        assert " 404 77" in first
    assert "/a?b=c" in second
