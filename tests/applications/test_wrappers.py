"""P1, P2. Agents in front of preforkd, as their users run them: each request is measured, and each report arrives.

coverage and OpenTelemetry come with the extra ``test``; ``test_large_agents.py`` has others.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.applications.conftest import Make, launch
from tests.applications.wrapped import FLASK, SCRIPTS, SOME_WAYS

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
    targets = launch(daemon, mode, daemonize=daemonize).live()
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
    launch(daemon, mode, daemonize=daemonize).live()
    for task in (["combine", "-q"], ["json", "-q", "-o", str(daemon.home / "report.json")]):
        command = [sys.executable, "-m", "coverage", *task]
        subprocess.run(command, check=True, cwd=daemon.home, env=daemon.environment(), timeout=60)
    report = json.loads((daemon.home / "report.json").read_text())
    assert report["files"]["measured.py"]["missing_lines"] == MISSED
