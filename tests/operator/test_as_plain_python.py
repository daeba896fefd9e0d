"""P12. Where a worker is like any Python process, though a server has made it."""

from __future__ import annotations

import pytest

from tests.operator.daemon import Preforkd

PLAIN = """
import ctypes, faulthandler, time
print("text of the import")
faulthandler.enable()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/crash":
        faulthandler.enable(open("/dev/null", "w"))
        faulthandler.disable()
        faulthandler.enable()
        ctypes.string_at(8)
    start_response("200 OK", [])
    return [time.strftime("%H:%M %Z", time.localtime(0)).encode()]
"""
WAYS = ["", "preload = true"]


@pytest.mark.parametrize("pool", WAYS)
def test_the_time_zone_of_the_environment_is_in_force(daemon: Preforkd, pool: str):
    """``environment = { TZ = ... }``: what localtime says, not only what os.environ has."""
    (daemon.home / "plain.py").write_text(PLAIN)
    daemon.configure(app="plain:application", pool=f'{pool}\nenvironment = {{ TZ = "NPT-5:45" }}')
    daemon.start()
    assert daemon.get() == (200, b"05:45 NPT")


@pytest.mark.parametrize("pool", WAYS)
def test_faulthandler_of_the_application_leaves_the_death_certificate_its_stacks(daemon: Preforkd, pool: str):
    """Enabled at the import or in a request, to wherever: a crash is explained in the log."""
    (daemon.home / "plain.py").write_text(PLAIN)
    daemon.configure(app="plain:application", pool=pool)
    daemon.start()
    with daemon.connect() as client:
        client.sendall(b"GET /crash HTTP/1.1\r\nHost: a\r\n\r\n")
        died = daemon.expect("worker_died")
    assert died["ending"] == "signal SIGSEGV"
    assert "plain.py" in died["stacks"]


def test_what_a_preload_prints_is_printed_once(daemon: Preforkd):
    """Buffers are written before a fork, or each worker would write them again."""
    (daemon.home / "plain.py").write_text(PLAIN)
    daemon.configure(app="plain:application", pool="preload = true", workers=3)
    output = daemon.home / "output"
    with output.open("wb") as file:
        daemon.start(stdout=file)
    for number in (1, 2, 3):
        daemon.expect("worker_ready", worker=number)
    assert daemon.stop() == 0
    assert output.read_text() == "text of the import\n"
