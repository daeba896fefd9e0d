"""Lines that are longer than their log takes at once (P5)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.observe import lines
from prefork.observe.shorten import cut, fitted

BASE = {"time": "2026-01-01T00:00:00.000Z", "level": "error", "event": "request_failed"}
TRACE = "\n".join(f"  File {number}, in function" for number in range(1000))


def test_a_line_that_fits_is_left_as_it_is():
    """Byte by byte."""
    fields = {**BASE, "path": "/x"}
    assert fitted(fields, lines.as_json, 4096) == lines.as_json(fields)


def test_without_a_limit_nothing_is_cut():
    """A file takes every line."""
    fields = {**BASE, "traceback": TRACE}
    assert fitted(fields, lines.as_json, 0) == lines.as_json(fields)


def test_the_middle_of_the_longest_text_goes():
    """The others stay; what was cut is told, and most of the room is used."""
    line = fitted({**BASE, "path": "/x", "traceback": TRACE}, lines.as_json, 4096)
    assert 3600 < len(line) <= 4096
    found = json.loads(line)
    assert (found["event"], found["path"]) == ("request_failed", "/x")
    assert found["traceback"].startswith("  File 0,")
    assert found["traceback"].endswith("File 999, in function")
    assert " bytes cut..." in found["traceback"]


def test_what_is_no_text_is_cut_as_text():
    """A list of many faults, for one."""
    found = json.loads(fitted({**BASE, "faults": ["x" * 100] * 100}, lines.as_json, 4096))
    assert found["faults"].startswith("['xxx")


@pytest.mark.parametrize("render", [lines.as_json, lines.as_logfmt, lines.plain_console, lines.coloured_console])
@given(
    texts=st.dictionaries(
        st.text("abcdefgh", min_size=1), st.text(max_size=200) | st.just("\U0001f600" * 3000) | st.just(TRACE)
    )
)
def test_every_line_is_whole_and_fits(render, texts):
    """Whatever escapes make of the text: it is of the format, and its event is found."""
    line = fitted({**BASE, **texts}, render, 4096)
    assert len(line) <= 4096
    assert line.endswith(b"\n")
    if render is lines.as_json:
        assert json.loads(line)["event"] == "request_failed"


def test_fields_without_number():
    """Where no text is long, the event is left, and how many fields there were."""
    found = json.loads(fitted({**BASE, **{f"f{number}": "x" for number in range(2000)}}, lines.as_json, 4096))
    assert found == {**BASE, "fields_cut": 2003}


def test_a_cut_keeps_more_of_the_end():
    """The mark counts bytes."""
    assert cut("abcdefghij", 4) == "a...6 bytes cut...hij"
    assert cut("äbc", 0) == "...4 bytes cut..."
