"""Starting what runs already."""

from __future__ import annotations

from tests.operator.daemon import Preforkd


def test_a_second_daemon_is_refused_by_name_and_pid(daemon: Preforkd):
    """It says who runs, exits 75, and the first one is untouched."""
    daemon.configure()
    daemon.start()
    second = daemon.run()
    assert second.returncode == 75
    assert str(daemon.pid) in second.stderr
    assert str(daemon.pidfile) in second.stderr
    assert daemon.get()[0] == 200
    assert daemon.pidfile.read_text() == f"{daemon.pid}\n"


def test_a_stale_pidfile_is_no_obstacle(daemon: Preforkd):
    """PEERS fault 17: after kill -9 the number in the file may be anybody's by now: the lock tells."""
    import os

    daemon.pidfile.write_text(f"{os.getpid()}\n")
    daemon.configure()
    daemon.start()
    assert daemon.pidfile.read_text() == f"{daemon.pid}\n"
