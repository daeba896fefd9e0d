"""daemonize = true: the shell gets its prompt back when the service is up, or the reason why it is not."""

from __future__ import annotations

import os
import signal

from tests.operator.daemon import Preforkd, children, gone, until


def test_the_command_returns_when_the_workers_are_ready(daemon: Preforkd):
    """Exit status 0 means that it serves: the very next request is answered."""
    address = f"unix:{daemon.home}/web.sock"
    daemon.log = str(daemon.home / "prefork.log")
    daemon.configure(workers=2, master="daemonize = true", listen=f'[listen.http]\naddress = "{address}"')
    done = daemon.run()
    assert (done.returncode, done.stderr) == (0, "")
    pid = int(daemon.pidfile.read_text())
    assert len(children(pid)) == 2
    assert os.getsid(pid) != os.getsid(0)
    assert (daemon.home / "web.sock").is_socket()
    os.kill(pid, signal.SIGTERM)
    assert gone(pid)
    assert not daemon.pidfile.exists()


def test_the_daemon_holds_nothing_of_its_terminal(daemon: Preforkd):
    """Its standard streams are /dev/null, in the master and in every worker."""
    daemon.log = str(daemon.home / "prefork.log")
    daemon.configure(master="daemonize = true")
    assert daemon.run().returncode == 0
    pid = int(daemon.pidfile.read_text())
    for process in {pid, *children(pid)}:
        assert {os.readlink(f"/proc/{process}/fd/{stream}") for stream in (0, 1, 2)} == {"/dev/null"}


def test_an_application_that_cannot_boot_is_told_on_the_terminal(daemon: Preforkd):
    """The launching shell sees the traceback and a status other than 0; nothing is left running."""
    daemon.log = str(daemon.home / "prefork.log")
    daemon.configure(app="broken:application", master="daemonize = true")
    (daemon.home / "broken.py").write_text("import the_module_that_is_missing\n")
    done = daemon.run()
    assert done.returncode == 70
    assert "No module named 'the_module_that_is_missing'" in done.stderr
    assert "broken.py" in done.stderr
    until(lambda: not daemon.pidfile.exists(), "the pidfile to go")


def test_an_address_in_use_is_told_on_the_terminal(daemon: Preforkd):
    """What fails after the fork is told where the command was typed."""
    import socket

    daemon.log = str(daemon.home / "prefork.log")
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon.address = f"127.0.0.1:{other.getsockname()[1]}"
        daemon.configure(master="daemonize = true")
        done = daemon.run()
    assert done.returncode == 71
    assert daemon.address in done.stderr
    assert "Traceback" not in done.stderr


def test_a_descriptor_that_was_passed_is_served(daemon: Preforkd):
    """fd:N survives the detaching."""
    import socket
    import subprocess

    daemon.log = str(daemon.home / "prefork.log")
    with socket.create_server(("127.0.0.1", 0)) as web:
        daemon.configure(master="daemonize = true", listen=f'[listen.web]\naddress = "fd:{web.fileno()}"')
        done = subprocess.run(daemon.command(), pass_fds=[web.fileno()], env=daemon.environment(), check=False)
        assert done.returncode == 0
        daemon.port = web.getsockname()[1]
        assert daemon.get() == (200, b"hello")


def test_a_log_on_standard_error_is_refused(daemon: Preforkd):
    """It would be lost: a fault of the file, before anything is touched."""
    daemon.configure(master="daemonize = true")
    done = daemon.run()
    assert done.returncode == 78
    assert 'master.daemonize: log.file = "stderr" would be lost' in done.stderr


def test_options_override_the_file(daemon: Preforkd):
    """--daemon detaches whatever the file says."""
    daemon.log = str(daemon.home / "prefork.log")
    daemon.configure()
    assert daemon.run("--daemon").returncode == 0
    assert os.getpgid(int(daemon.pidfile.read_text())) != os.getpgid(0)
