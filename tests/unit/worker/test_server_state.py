"""What all connections of a worker share."""

from __future__ import annotations

import locale
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest

from prefork.worker import server_state
from prefork.worker.server_state import Errors
from tests.unit.worker.live import Log


def test_what_is_written_to_wsgi_errors_outside_of_a_request_is_logged_as_it_comes():
    """PEP 3333, error stream: text, in any pieces; flush gives out what has no end yet."""
    log = Log()
    errors = Errors(log)
    errors.write("one\ntw")
    errors.writelines(["o\n", "three"])
    assert [fields["text"] for _, fields in log.events] == ["one\ntwo"]
    errors.flush()
    errors.flush()
    assert [fields["text"] for _, fields in log.events] == ["one\ntwo", "three"]


def test_wsgi_errors_takes_text_alone():
    """Also of a subclass; nothing else waits to be joined with it."""
    errors = Errors(Log())
    with pytest.raises(TypeError):
        errors.write(b"x")
    assert errors.waiting == []


def test_what_waits_in_wsgi_errors_is_bounded():
    """An application that writes without end and without a flush fills no memory."""
    log, exchange = Log(), SimpleNamespace(request=SimpleNamespace(line=SimpleNamespace(method="GET", target="/")))
    errors = Errors(log, lambda: exchange)
    for _ in range(100):
        errors.write("x" * 10_000)
    assert sum(map(len, errors.waiting)) <= server_state.ERRORS_MOST
    errors.flush()
    assert sum(len(fields["text"]) for _, fields in log.events) == 1_000_000


def test_print_writes_to_wsgi_errors():
    """As applications do."""
    log = Log()
    print("a", 1, file=Errors(log))
    assert log.events == [("application_stderr", {"text": "a 1"})]


@pytest.mark.parametrize("second", [0, 951_782_400, 1_763_877_780, 4_102_444_799])
def test_the_date_is_that_of_http_in_any_locale(second):
    """RFC 9110 section 5.6.7: IMF-fixdate, in English."""
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, "")
        line = server_state._date_line(second).decode()
    finally:
        locale.setlocale(locale.LC_TIME, before)
    assert line.startswith("Date: ")
    assert line.endswith(" GMT\r\n")
    assert parsedate_to_datetime(line[6:].strip()).timestamp() == second
