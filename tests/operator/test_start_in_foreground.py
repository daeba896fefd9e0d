"""preforkd -c FILE, on a terminal or under a supervisor."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.operator.daemon import Preforkd, children, until


def test_it_serves_says_so_and_ends_with_status_0(daemon: Preforkd):
    """One file, one command: it serves, its log tells who it is, TERM ends it."""
    daemon.configure(workers=2)
    daemon.start()
    assert daemon.get() == (200, b"hello")
    assert daemon.expect("master_started")["pid"] == daemon.pid
    assert len({daemon.expect("worker_ready", worker=number)["pid"] for number in (1, 2)}) == 2
    assert daemon.stop() == 0
    daemon.events.join()
    assert daemon.events.text == []


def test_the_pidfile_names_the_master_while_it_runs(daemon: Preforkd):
    """The pidfile is there from ready to the end, and no longer."""
    daemon.configure()
    daemon.start()
    assert daemon.pidfile.read_text() == f"{daemon.pid}\n"
    daemon.stop()
    assert not daemon.pidfile.exists()


def test_ps_tells_who_is_who(daemon: Preforkd):
    """Process titles name the master's file, and each worker's pool, number and generation."""
    daemon.configure(workers=2)
    daemon.start()
    titles = sorted(title_of(pid) for pid in daemon.workers())
    assert title_of(daemon.pid) == f"prefork: master [{daemon.file}]"
    assert titles == ["prefork: worker web 1 gen 1", "prefork: worker web 2 gen 1"]


def test_int_from_the_terminal_stops_everybody(daemon: Preforkd):
    """Ctrl-C reaches the whole process group; it is a quick shutdown, not a crash of each."""
    daemon.configure(workers=2)
    daemon.start(start_new_session=True)
    import os

    os.killpg(daemon.pid, signal.SIGINT)
    assert daemon.wait() == 0
    daemon.events.join()
    assert daemon.events.named("worker_died") == []


def test_it_starts_with_its_standard_streams_closed(daemon: Preforkd):
    """As under a supervisor that is careless with them: no socket and no log gets the number of one."""
    import subprocess

    daemon.log = str(daemon.home / "prefork.log")
    daemon.configure(master="daemonize = true")
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    done = subprocess.run([*shell, *daemon.command()], env=daemon.environment(), check=False)
    assert done.returncode == 0
    master = int(daemon.pidfile.read_text())
    assert {Path(f"/proc/{master}/fd/{stream}").readlink().name for stream in (0, 1, 2)} == {"null"}
    daemon.file.write_text(daemon.file.read_text().replace("true", "false").replace(daemon.pidfile.name, "second.pid"))
    foreground = subprocess.Popen([*shell, *daemon.command()], env=daemon.environment())
    try:
        second = daemon.home / "second.pid"
        until(lambda: second.exists() and children(foreground.pid), "the second one")
        assert {Path(f"/proc/{foreground.pid}/fd/{stream}").readlink().name for stream in (0, 1, 2)} == {"null"}
    finally:
        foreground.terminate()
        assert foreground.wait() == 0


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def test_nothing_is_imported_from_the_directory_of_the_start(daemon: Preforkd):
    """M15. A module of somebody else's directory is not run by a master that is started in there with -m."""
    place = daemon.home / "theirs"
    place.mkdir()
    for name in ("pydantic", "tomli", "tempfile", "fcntl", "setproctitle"):
        (place / f"{name}.py").write_text(f"open({str(daemon.home / 'taken')!r}, 'w')\nraise SystemExit(3)\n")
    daemon.configure()
    daemon.start(cwd=place)
    assert not (daemon.home / "taken").exists()
    assert daemon.stop() == 0


def test_what_all_workers_fail_by_is_told_once(daemon: Preforkd):
    """U4. The traceback of one, headed by its last line; then one sentence."""
    (daemon.home / "broken.py").write_text("raise RuntimeError('there is no database')\n")
    daemon.configure(workers=4, app="broken:application")
    daemon.start(ready=False)
    assert daemon.wait() == 70
    daemon.events.join()
    [died] = daemon.events.named("worker_died")
    assert died["cause"] == "RuntimeError: there is no database"
    assert "broken.py" in died["traceback"]
    assert daemon.events.text == [
        "preforkd: pool web: a worker ended before it was ready: RuntimeError: there is no database\n"
    ]


def test_where_it_listens_can_be_opened_in_a_browser(daemon: Preforkd):
    """U4. The log names the URL."""
    daemon.configure()
    daemon.start()
    assert daemon.events.named("listener_opened")[0]["url"] == f"http://127.0.0.1:{daemon.port}"
