"""From an event and its fields to a line."""

from __future__ import annotations

import json
import logging
import os
import pty
import re

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from prefork.observe import lines, logs
from prefork.observe.sink import Sink

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.text(min_size=1), VALUES, max_size=5)


class Hostile:
    """A value of an application that fails at everything."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


@pytest.fixture
def log_to(tmp_path):
    """Configure the log to a file; reading gives its text."""
    path = tmp_path / "prefork.log"
    sink = Sink.open(str(path), name="log")

    def configure(form="json", level="info", **static):
        logs.configure(sink, level=level, format=form, static=static)
        return path.read_text

    yield configure
    logs._output.sink = None
    sink.close()


def test_json_is_an_object_a_line(log_to):
    """Time, level and event first, then the static fields, the bound ones, and the event's own, as they came."""
    read = log_to(pid=7)
    logs.get(pool="web").info("worker_ready", worker=3, generation=1)
    line = json.loads(read())
    assert list(line) == ["time", "level", "event", "pid", "pool", "worker", "generation"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])  # RFC 3339, UTC
    assert (line["level"], line["event"], line["pid"], line["pool"], line["worker"]) == (
        "info",
        "worker_ready",
        7,
        "web",
        3,
    )


def test_logfmt_quotes_what_needs_it(log_to):
    """Plain values stand as they are; others are quoted as in JSON."""
    read = log_to("logfmt")
    logs.get().warning("x", plain="a/b:c", empty="", spaced="a b", quoted='"', equals="a=b", yes=True, none=None, n=1.5)
    assert read().partition(" level=")[2] == (
        'warning event=x plain=a/b:c empty="" spaced="a b" quoted="\\"" equals="a=b" yes=true none=null n=1.5\n'
    )


def test_console_is_for_people(log_to):
    """Time of the day, level, event and fields; no colours where there is no terminal."""
    read = log_to("console")
    logs.get(pool="web").info("worker_ready", worker=3)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} info    worker_ready pool=web worker=3\n", read())


@pytest.mark.parametrize("form", ["json", "logfmt"])
def test_a_traceback_is_a_field(log_to, form):
    """It stays within its line."""
    read = log_to(form)
    try:
        raise ValueError("why")  # noqa: TRY301
    except ValueError:
        logs.get().exception("request_failed")
    assert read().count("\n") == 1
    assert "traceback" in read()
    assert "ValueError: why" in read()
    assert "level=error" in read() or '"level": "error"' in read()


def test_a_traceback_on_the_console_is_readable(log_to):
    """On lines of its own, each indented: no text in it can pass for a line of the log."""
    read = log_to("console")
    try:
        raise ValueError("why\n12:00:00.000 info    forged\x1b[2J")  # noqa: TRY301
    except ValueError as error:
        logs.get().error("request_failed", exc_info=error)
    first, *rest = read().splitlines()
    assert first.endswith("request_failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    12:00:00.000 info    forged\\x1b[2J"
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize("form", ["exception", "triple", "true", "nonsense"])
def test_every_form_of_exc_info(log_to, form):
    """What structlog and logging allow; and what they do not is no traceback."""
    read = log_to()
    try:
        raise ValueError("why")  # noqa: TRY301
    except ValueError as error:
        forms = {"exception": error, "triple": (ValueError, error, None), "true": True, "nonsense": (1, 2)}
        logs.get().info("x", exc_info=forms[form])
    assert "ValueError: why" in json.loads(read())["traceback"]


def test_an_exception_that_cannot_be_written(log_to):
    """Its kind is named, and nothing is raised."""

    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    read = log_to()
    logs.get().error("x", exc_info=OddError())
    assert "OddError" in json.loads(read())["traceback"]


@pytest.mark.parametrize("form", ["json", "logfmt", "console"])
def test_hostile_values_do_not_raise(log_to, form):
    """An object without a text, a cycle, a NaN, a key that is no text: each costs itself at most."""
    read = log_to(form)
    cycle: list[object] = []
    cycle.append(cycle)
    logs.get().info("x", odd=Hostile(), cycle=cycle, nan=float("nan"), keys={Hostile(): 1}, kept="kept")
    assert "kept" in read()
    assert "Hostile" in read()
    assert read().count("\n") == 1


def test_bytes_are_read_as_text(log_to):
    """Where they are none, their numbers stand."""
    read = log_to()
    logs.get().info("x", text=b"caf\xc3\xa9", binary=b"\xff", path=os.fsdecode(b"/\xff"))
    line = json.loads(read())
    assert (line["text"], line["binary"], line["path"]) == ("café", "\\xff", "/\udcff")


def test_a_field_may_not_pass_for_another(log_to):
    """What is named like a part of every line gets a name of its own."""
    read = log_to()
    logs.get().info("x", time=1, level="error")
    line = json.loads(read())
    assert (line["level"], line["level_"], line["time_"]) == ("info", "error", 1)


@pytest.mark.parametrize("render", [lines.as_json, lines.as_logfmt, lines.plain_console])
@given(fields=FIELDS)
def test_no_value_forges_a_line(render, fields):
    """Whatever the fields are, the result is one line of printable ASCII."""
    text = render({"time": "", "level": "info", "event": "x", **{k: v for k, v in fields.items() if k != "traceback"}})
    assert text.endswith(b"\n")
    assert re.fullmatch(rb"[ -~]+", text[:-1])


@given(fields=FIELDS)
def test_json_is_always_json(fields):
    """Strictly so: a reader in any language takes every line."""

    def no_constant(_name):
        raise AssertionError

    assert set(json.loads(lines.as_json(fields), parse_constant=no_constant)) == set(fields)


def test_the_level_filters_at_once(log_to):
    """A reload changes it for loggers that exist already."""
    read = log_to(level="warning")
    log = logs.get()
    log.info("one")
    log.warning("two")
    logs.set_level("debug")
    log.debug("three")
    logs.set_level("error")
    log.warning("four")
    assert [json.loads(line)["event"] for line in read().splitlines()] == ["two", "three"]


def test_a_logger_made_before_the_configuration(tmp_path, log_to):
    """It logs to nowhere until there is a log, and then there."""
    log = logs.get()
    log.info("nowhere")
    read = log_to()
    log.info("here")
    assert "nowhere" not in read()
    assert "here" in read()


def test_applications_and_we_do_not_meet(log_to):
    """An application that configures structlog or logging neither changes our log nor gets into it."""
    read = log_to()
    log = logs.get()
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    try:
        structlog.get_logger().info("theirs")
        logging.getLogger("theirs").warning("theirs")
        log.info("ours")
        assert [json.loads(line)["event"] for line in read().splitlines()] == ["ours"]
    finally:
        structlog.reset_defaults()


def test_lost_lines_are_told_when_writing_works_again(tmp_path):
    """One line says how many there were."""
    sink = Sink.open("/dev/full", name="log")
    logs.configure(sink, level="info", format="json", static={"pid": 7})
    log = logs.get()
    log.info("one")
    log.info("two")
    path = tmp_path / "log"
    sink.adopt(os.open(path, os.O_WRONLY | os.O_CREAT))
    log.info("three")
    log.info("four")
    logs._output.sink = None
    sink.close()
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in told] == ["three", "log_lines_lost", "four"]
    assert (told[1]["count"], told[1]["level"], told[1]["pid"]) == (2, "warning", 7)


class TestTerminal:
    @pytest.fixture
    def terminal(self):
        ours, theirs = pty.openpty()
        yield theirs
        os.close(ours)
        os.close(theirs)

    def test_console_is_the_default_on_a_terminal(self, terminal, monkeypatch):
        """In colours, unless they are not wanted (no-color.org)."""
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert lines.renderer(None, terminal) is lines.coloured_console
        assert lines.renderer("json", terminal) is lines.as_json
        monkeypatch.setenv("NO_COLOR", "1")
        assert lines.renderer(None, terminal) is lines.plain_console

    def test_json_is_the_default_elsewhere(self, tmp_path):
        """For machines."""
        with (tmp_path / "log").open("w") as file:
            assert lines.renderer(None, file.fileno()) is lines.as_json
            assert lines.renderer("console", file.fileno()) is lines.plain_console

    def test_colours_change_no_text(self):
        """Without the escape sequences the line is the plain one."""
        fields = {"time": "2026-01-01T12:00:00.000Z", "level": "error", "event": "x", "pool": "a b"}
        plain = re.sub(rb"\x1b\[\d*m", b"", lines.coloured_console(fields))
        assert plain == lines.plain_console(fields)
