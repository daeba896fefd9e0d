"""``probe``: a worker is ready only when the application has answered."""

from __future__ import annotations

import json
import signal

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd

FAILING = """
def application(environ, start_response):
    start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"the database is away"]
"""


def test_an_application_that_answers_is_ready(daemon: Preforkd):
    """And the question is in no access log, and counts as no request."""
    log = daemon.home / "access.log"
    daemon.configure(pool='probe = "/healthz"', more=f'[log.access]\nfile = "{log}"')
    daemon.start()
    assert daemon.get("/real")[0] == 200
    daemon.stop()
    assert [json.loads(line)["target"] for line in log.read_text().splitlines()] == ["/real"]
    assert daemon.events.named("worker_retired")[0]["served"] == 1


def test_one_that_cannot_answer_refuses_the_reload(daemon: Preforkd):
    """The old one serves on, and the log has what the new one said."""
    daemon.configure(pool='probe = "/healthz"')
    daemon.start()
    (daemon.home / "failing.py").write_text(FAILING)
    daemon.configure(app="failing:application", pool='probe = "/healthz"')
    with load(daemon.port) as clients:
        daemon.signal(signal.SIGHUP)
        reason = daemon.expect("reload_refused")["reason"]
    assert "the probe of /healthz was answered 500 Internal Server Error" in reason
    assert "the database is away" in reason
    assert clients.problems == []


def test_one_that_cannot_answer_ends_the_start(daemon: Preforkd):
    """With status 70, and what it said on the terminal."""
    (daemon.home / "failing.py").write_text(FAILING)
    daemon.configure(app="failing:application", pool='probe = "/"')
    started = daemon.run()
    assert started.returncode == 70
    assert "the database is away" in started.stderr


def test_one_that_hangs_is_explained(daemon: Preforkd):
    """By its stacks, at the boot timeout."""
    daemon.configure(pool='probe = "/hang"', timeout='boot = "3s"')  # loaded cores take their time to get there
    daemon.start(ready=False)
    assert "probe.py" in daemon.expect("worker_stuck", cause="boot timeout")["stacks"]
    assert daemon.wait() == 70
