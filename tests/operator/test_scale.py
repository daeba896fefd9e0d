"""preforkctl scale: answered at once, in batches, and not beyond what there is memory for."""

from __future__ import annotations

import os
import time
from itertools import accumulate

import pytest

from prefork.system import room
from tests.operator.control import asked, ctl, section
from tests.operator.daemon import Preforkd, until

SLOW = "import time\nfrom site_of_test import application\ntime.sleep(0.3)\n"


def test_it_is_answered_before_anybody_has_booted(daemon: Preforkd):
    """M12. The control socket and the service are there all the time, and no more boot at a time than there are cores."""
    (daemon.home / "slow_to_boot.py").write_text(SLOW)
    daemon.configure(app="slow_to_boot:application", more=section(daemon))
    daemon.start()
    began = time.monotonic()
    assert asked(daemon, "scale", "web", "20")["workers"] == 20
    answered = time.monotonic() - began
    until(lambda: asked(daemon, "status")["pools"]["web"]["ready"] == 20, "all of them")
    daemon.expect("pool_scaled", workers=20)
    steps = [event["event"] for event in daemon.events.all if event["event"] in ("worker_spawned", "worker_ready")]
    booting = list(accumulate(1 if step == "worker_spawned" else -1 for step in steps))
    most = max(booting)
    assert answered < 20 * 0.3 / 2  # that many boots, one after the other on two cores, take longer
    assert 0 < most <= max(5, len(os.sched_getaffinity(0)))  # the surge is a quarter
    assert daemon.get() == (200, b"hello")
    assert daemon.stop() == 0


def test_more_than_there_is_memory_for_is_refused_with_the_figures(daemon: Preforkd):
    """M12. Nothing of it happens."""
    (daemon.home / "large.py").write_text(
        "from site_of_test import application\nHELD = bytearray(b'x') * (128 << 20)\n"
    )
    if room.available() > 900 * (128 << 20):
        pytest.skip("this machine has memory for all of them")
    daemon.configure(app="large:application", more=section(daemon))
    daemon.start()
    refused = ctl(daemon, "scale", "web", "900")
    assert refused.returncode != 0
    said = daemon.expect("scale_refused")["reason"]
    assert "MiB are available, a worker has 1" in said
    assert said in refused.stderr
    assert len(daemon.workers()) == 1
    assert daemon.stop() == 0


def test_a_start_with_many_workers_serves_before_all_have_booted(daemon: Preforkd):
    """M12. They boot in batches, and the master goes on hearing meanwhile."""
    (daemon.home / "slow_to_boot.py").write_text(SLOW)
    daemon.configure(app="slow_to_boot:application", workers=16, more=section(daemon))
    daemon.start(ready=False)
    daemon.port = int(daemon.expect("listener_opened")["address"].rpartition(":")[2])
    daemon.expect("worker_ready")
    assert daemon.get() == (200, b"hello")
    assert asked(daemon, "status")["state"] == "starting"
    daemon.expect("service_ready", workers=16)
    until(lambda: len(daemon.workers()) == 16, "all of them")
    assert daemon.stop() == 0
