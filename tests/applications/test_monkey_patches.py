"""P10. An application that monkey-patches the standard library at the top of its module, as gevent asks for."""

from __future__ import annotations

import pytest

from tests.applications.wrapped import MODES
from tests.operator.daemon import Preforkd, serving

pytest.importorskip("gevent", reason="pip install gevent")

PATCHED = """
from gevent import monkey
monkey.patch_all()
import os, threading, time
from pathlib import Path

def later():
    time.sleep(0.2)
    with open(Path(__file__).parent / "later", "a") as file:
        file.write("later\\n")

def application(environ, start_response):
    time.sleep(0.01)
    threading.Thread(target=later).start()
    start_response("200 OK", [])
    return [b"patched"]
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_patched_application_is_served(tmp_path, mode: str):
    """Boot, requests, reload and stop: nothing hangs, with a template or without; its threads are waited for."""
    (tmp_path / "patched.py").write_text(PATCHED)
    with serving(tmp_path, app="patched:application", workers=2, pool=MODES[mode]) as daemon:
        for _ in range(10):
            assert daemon.get() == (200, b"patched")
        reload(daemon)
        for _ in range(10):
            assert daemon.get() == (200, b"patched")
        assert daemon.stop() == 0
        daemon.events.join()
        assert "worker_stuck" not in "".join(daemon.events.text)
    assert (tmp_path / "later").read_text() == "later\n" * 20


def reload(daemon: Preforkd) -> None:
    """HUP, and wait until it is done."""
    import signal

    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
