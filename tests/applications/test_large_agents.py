"""P1, P2. Agents that are too large for the extra ``test``: they run where they are installed.

``pip install ddtrace newrelic``. Where neither is, the file is left out.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from tests.applications.collector import Collector
from tests.applications.conftest import Make, launch
from tests.applications.wrapped import FLASK, SCRIPTS, SOME_WAYS

if not find_spec("ddtrace") and not find_spec("newrelic"):
    pytest.skip("pip install ddtrace newrelic", allow_module_level=True)

NEW_RELIC = (
    "[newrelic]\nlicense_key = {key}\napp_name = test\ndeveloper_mode = true\nlog_level = debug\nlog_file = {log}\n"
)
NEW_RELIC_ENDED = re.compile(r"\((\d+)/MainThread\) .* New Relic Python Agent Shutdown")
WAYS = [SOME_WAYS[0], SOME_WAYS[-1]]


@pytest.mark.skipif(not find_spec("ddtrace"), reason="pip install ddtrace")
@pytest.mark.parametrize(("mode", "daemonize"), WAYS)
def test_each_trace_of_datadog_arrives(make: Make, mode: str, daemonize: bool):  # noqa: FBT001
    """``ddtrace-run preforkd``, with a collector of the test's on this machine."""
    with Collector() as collector:
        daemon = make(FLASK, ("ddtrace-run", str(SCRIPTS / "preforkd")), **collector.variables)
        targets = launch(daemon, mode, daemonize=daemonize).live()
        assert sorted(collector.found(rb"http://[\d.]+:\d+(/\d)")) == targets


@pytest.mark.skipif(not find_spec("newrelic"), reason="pip install newrelic")
@pytest.mark.parametrize(("mode", "daemonize"), WAYS)
def test_new_relic_is_shut_down_in_each_worker(make: Make, mode: str, daemonize: bool):  # noqa: FBT001
    """``newrelic-admin run-program preforkd``, in its mode without a network: each has its last harvest."""
    daemon = make(FLASK, ("newrelic-admin", "run-program", str(SCRIPTS / "preforkd")))
    file, log = daemon.home / "newrelic.ini", daemon.home / "newrelic.log"
    file.write_text(NEW_RELIC.format(key="0" * 40, log=log))
    daemon.variables["NEW_RELIC_CONFIG_FILE"] = str(file)
    launch(daemon, mode, daemonize=daemonize).live()
    served = {entry["pid"] for entry in daemon.events_named("worker_retired") if entry["served"]}
    assert len(served) == 2
    assert served <= {int(pid) for pid in NEW_RELIC_ENDED.findall(log.read_text())}
