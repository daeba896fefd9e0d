"""P1, P2. Agents in front of preforkd, as their users run them: each request is measured, and each report arrives.

coverage and OpenTelemetry come with the extra ``test``. Agents that are large run where they are installed: see
``OTHERS``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.applications.collector import Collector
from tests.applications.wrapped import MODES, RECYCLE, SCRIPTS, SOME_WAYS, Wrapped

FLASK = """
from flask import Flask
application = Flask(__name__)

@application.route("/<name>")
def index(name):
    return name
"""
COVERED = """
import atexit

def at_exit():
    return "the last line"

atexit.register(at_exit)

def zero():
    return b"served by one worker"

def seven():
    return b"served by another"

def never():
    return b"not served"

def application(environ, start_response):
    start_response("200 OK", [])
    return [{"/0": zero, "/7": seven, "/never": never}.get(environ["PATH_INFO"], bytes)()]
"""
MISSED = [16]  # never()
# An exporter that keeps its file open, and is found as those of packages are.
EXPORTER = """
import os
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

class FileExporter(ConsoleSpanExporter):
    def __init__(self):
        file = open(os.environ["HOME_OF_TEST"] + "/spans", "a")
        super().__init__(out=file, formatter=lambda span: span.attributes["http.target"] + os.linesep)
"""
ENTRY = "[opentelemetry_traces_exporter]\nfile = file_exporter:FileExporter\n"
OTEL = {"OTEL_TRACES_EXPORTER": "file", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
NEW_RELIC = (
    "[newrelic]\nlicense_key = {key}\napp_name = test\ndeveloper_mode = true\nlog_level = debug\nlog_file = {log}\n"
)
NEW_RELIC_REPORTED = re.compile(r"\((\d+)/NR-Harvest-Thread\) .* Commencing final harvest")
OTHERS = [name for name in ("ddtrace", "newrelic") if find_spec(name)]

Make = Callable[..., Wrapped]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make the daemon of a test, which ends with the test."""
    made: list[Wrapped] = []

    def one(app: str, runner: tuple[str, ...], **variables: str) -> Wrapped:
        (tmp_path / "measured.py").write_text(app)
        made.append(Wrapped(tmp_path, runner=runner, **variables))
        return made[0]

    try:
        yield one
    finally:
        made[0].end()


def live(daemon: Wrapped, mode: str, *, daemonize: bool) -> list[str]:
    daemon.launch(daemonize=daemonize, app="measured:application", pool=MODES[mode], more=RECYCLE)
    return daemon.live()


@pytest.mark.parametrize(("mode", "daemonize"), SOME_WAYS)
def test_each_span_of_opentelemetry_arrives(make: Make, mode: str, daemonize: bool):  # noqa: FBT001
    """``opentelemetry-instrument preforkd``: spans wait for a thread of each worker, and are flushed at its end."""
    pytest.importorskip("opentelemetry.instrumentation.flask", reason="pip install prefork[test]")
    daemon = make(FLASK, ("opentelemetry-instrument", str(SCRIPTS / "preforkd")), **OTEL)
    (daemon.home / "agent" / "file_exporter.py").write_text(EXPORTER)
    entry = daemon.home / "agent" / "file_exporter-1.dist-info"
    entry.mkdir()
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: file-exporter\nVersion: 1\n")
    (entry / "entry_points.txt").write_text(ENTRY)
    targets = live(daemon, mode, daemonize=daemonize)
    assert sorted((daemon.home / "spans").read_text().splitlines()) == targets


COVERAGE = {
    "run": (("coverage", "run", "-m", "prefork"), "patch = fork,subprocess", {}),
    "start-up": (("preforkd",), "", {"COVERAGE_PROCESS_START": "coveragerc"}),
}


@pytest.mark.parametrize("way", COVERAGE)
@pytest.mark.parametrize(("mode", "daemonize"), SOME_WAYS)
def test_coverage_has_the_lines_of_each_worker(make: Make, mode: str, daemonize: bool, way: str):  # noqa: FBT001
    """``coverage run -m prefork``, or its start-up file: also what ran in workers that were recycled, and at exit."""
    runner, patch, variables = COVERAGE[way]
    daemon = make(COVERED, runner, **variables)
    daemon.variables |= {name: str(daemon.home / value) for name, value in variables.items()}
    daemon.variables |= {"COVERAGE_RCFILE": str(daemon.home / "coveragerc")}
    settings = (
        f"[run]\nparallel = true\nsigterm = true\nsource = {daemon.home}\ndata_file = {daemon.home}/data\n{patch}\n"
    )
    (daemon.home / "coveragerc").write_text(settings)
    live(daemon, mode, daemonize=daemonize)
    for task in (["combine", "-q"], ["json", "-q", "-o", str(daemon.home / "report.json")]):
        command = [sys.executable, "-m", "coverage", *task]
        subprocess.run(command, check=True, cwd=daemon.home, env=daemon.environment(), timeout=60)
    report = json.loads((daemon.home / "report.json").read_text())
    assert report["files"]["measured.py"]["missing_lines"] == MISSED


@pytest.mark.skipif("ddtrace" not in OTHERS, reason="pip install ddtrace")
@pytest.mark.parametrize(("mode", "daemonize"), [SOME_WAYS[0], SOME_WAYS[-1]])
def test_each_trace_of_datadog_arrives(make: Make, mode: str, daemonize: bool):  # noqa: FBT001
    """``ddtrace-run preforkd``, with a collector of the test's on this machine."""
    with Collector() as collector:
        daemon = make(FLASK, ("ddtrace-run", str(SCRIPTS / "preforkd")), **collector.variables)
        targets = live(daemon, mode, daemonize=daemonize)
        assert sorted(collector.found(rb"http://[\d.]+:\d+(/\d)")) == targets


@pytest.mark.skipif("newrelic" not in OTHERS, reason="pip install newrelic")
@pytest.mark.parametrize(("mode", "daemonize"), [SOME_WAYS[0], SOME_WAYS[-1]])
def test_each_worker_reports_to_new_relic_at_its_end(make: Make, mode: str, daemonize: bool):  # noqa: FBT001
    """``newrelic-admin run-program preforkd``, in the agent's mode for developers, which asks no network."""
    daemon = make(FLASK, ("newrelic-admin", "run-program", str(SCRIPTS / "preforkd")))
    file, log = daemon.home / "newrelic.ini", daemon.home / "newrelic.log"
    file.write_text(NEW_RELIC.format(key="0" * 40, log=log))
    daemon.variables["NEW_RELIC_CONFIG_FILE"] = str(file)
    live(daemon, mode, daemonize=daemonize)
    served = {entry["pid"] for entry in daemon.events_named("worker_retired") if entry["served"]}
    assert len(served) == 2
    assert served <= {int(pid) for pid in NEW_RELIC_REPORTED.findall(log.read_text())}
