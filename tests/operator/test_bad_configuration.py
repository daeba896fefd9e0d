"""A file with faults: at the start, on HUP, and for -t."""

from __future__ import annotations

import signal

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, until

FAULTS = 'colour = "red"\nworkres = 3\n'


def test_at_start_every_fault_is_printed_with_its_place(daemon: Preforkd):
    """Exit 78, all faults at once, nothing touched: no pidfile, no socket, no traceback."""
    daemon.configure(pool=FAULTS, listen=f'[listen.http]\naddress = "unix:{daemon.home}/web.sock"')
    done = daemon.run()
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    number = daemon.file.read_text().splitlines().index('colour = "red"') + 1
    assert lines[0].startswith(f"{daemon.file}:{number}:1: pool.web.colour: ")
    assert "workers" in lines[1]
    assert {path.name for path in daemon.home.iterdir()} == {"prefork.toml", "site_of_test.py"}


def test_on_hup_the_faults_are_logged_and_everything_stays(daemon: Preforkd):
    """PEERS: elsewhere a bad file on HUP kills the master."""
    daemon.configure()
    daemon.start()
    workers = daemon.workers()
    daemon.configure(pool=FAULTS)
    daemon.signal(signal.SIGHUP)
    reasons = {daemon.expect("reload_refused")["reason"] for _ in range(2)}
    assert any("pool.web.colour" in reason for reason in reasons)
    assert any("pool.web.workres" in reason for reason in reasons)
    assert daemon.get()[0] == 200
    assert daemon.workers() == workers
    daemon.configure()
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done", generation=2)


def test_on_hup_a_file_that_has_gone_is_a_fault_like_any_other(daemon: Preforkd):
    """The master serves on with what it has."""
    daemon.configure()
    daemon.start()
    daemon.file.unlink()
    daemon.signal(signal.SIGHUP)
    assert str(daemon.file) in daemon.expect("reload_refused")["reason"]
    assert daemon.get()[0] == 200


def test_check_says_ok_and_starts_nothing(daemon: Preforkd):
    """preforkd -t: exit 0 only when all is well, the application's import included."""
    daemon.configure()
    done = daemon.run("-t")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "ok")
    assert not daemon.pidfile.exists()


def test_check_finds_an_application_that_cannot_be_imported(daemon: Preforkd):
    """It is imported in a child process as the pool's workers would, and the fault stands at the key."""
    daemon.configure(app="site_of_test:appliaction")
    done = daemon.run("-t")
    assert done.returncode == 70  # as a start would have
    assert "pool.web.app" in done.stderr
    assert "application" in done.stderr  # did you mean


def test_a_check_that_is_interrupted_leaves_nothing(daemon: Preforkd):
    """INT ends the import as well, with status 130 and without a traceback."""
    import os
    import subprocess

    (daemon.home / "slow.py").write_text(
        "import os, pathlib, time\npathlib.Path('importing').write_text(str(os.getpid()))\ntime.sleep(50)\n"
    )
    daemon.configure(app="slow:application")
    check = subprocess.Popen(daemon.command("-t"), stderr=subprocess.PIPE, text=True, env=daemon.environment())
    importing = daemon.home / "importing"
    until(lambda: importing.exists() and importing.read_text(), "the import to begin")
    check.send_signal(signal.SIGINT)
    assert (check.communicate(timeout=PATIENCE)[1], check.returncode) == ("", 130)
    with pytest.raises(ProcessLookupError):
        os.kill(int(importing.read_text()), 0)


def test_the_effective_configuration_is_a_configuration(daemon: Preforkd):
    """--print-config prints TOML with every default; --set overrides one key."""
    daemon.configure()
    done = daemon.run("--print-config", "--set", "pool.web.workers=7")
    assert done.returncode == 0
    (daemon.home / "effective.toml").write_text(done.stdout)
    daemon.file = daemon.home / "effective.toml"
    again = daemon.run("--print-config")
    assert again.stdout == done.stdout
    assert "workers = 7" in again.stdout


def test_without_a_file_it_says_what_it_looked_for(daemon: Preforkd):
    """No -c: /etc/prefork.toml, by name."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "prefork"], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "/etc/prefork.toml" in done.stderr


def test_faults_name_the_file_as_it_was_named(daemon: Preforkd):
    """A path that was given in short is not printed in full, by the check and by a start."""
    import subprocess

    daemon.configure(pool=FAULTS)
    for more in (["-t"], []):
        command = [daemon.interpreter, "-m", "prefork", "-c", daemon.file.name, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=daemon.home)
        assert done.returncode == 78
        assert all(line.startswith(f"{daemon.file.name}:") for line in done.stderr.splitlines())
