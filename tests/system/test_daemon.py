"""Becoming a daemon, with the launching process waiting: by real interpreters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

START = """
import json, os, signal, sys, time
from prefork.system import process
from prefork.system.daemon import Launch

process.open_standard_streams()

def tell(**what):
    with open(report + ".new", "w") as file:
        json.dump(what, file)
    os.rename(report + ".new", report)

report, directory = sys.argv[1:]
kept = os.open(os.devnull, os.O_RDONLY)
terminal, its = os.openpty()
launch = Launch.detach(working_directory=directory, umask=0o027)
"""


@pytest.fixture
def run(tmp_path):
    """Launch a daemon with this code as its life; (finished launcher, what it told)."""
    report = tmp_path / "report"

    def launch(code: str, **keywords):
        script = START + textwrap.dedent(code)
        done = subprocess.run(
            [sys.executable, "-c", script, str(report), keywords.pop("directory", str(tmp_path))],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            **keywords,
        )
        return done, json.loads(report.read_text()) if report.exists() else None

    return launch


FACTS = """
descriptors = []
for number in range(100):
    try:
        os.fstat(number)
        descriptors.append(number)
    except OSError:
        pass
facts = dict(
    pid=os.getpid(), sid=os.getsid(0), group=os.getpgrp(), directory=os.getcwd(), umask=os.umask(0),
    kept=kept, terminals=[terminal, its], descriptors=descriptors, ttys=[n for n in descriptors if os.isatty(n)],
    streams=[os.readlink(f"/proc/self/fd/{n}") for n in range(3)],
    blocked=[int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    interrupt=signal.getsignal(signal.SIGINT) == signal.SIG_DFL,
)
tell(**facts)
"""


def test_the_daemon_is_one(run, tmp_path):
    """A session of its own that it does not lead, so that no terminal can become its; directory and umask as asked."""
    done, facts = run(FACTS + "launch.ready()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert facts["sid"] not in {facts["pid"], os.getsid(0)}
    assert facts["directory"] == str(tmp_path)
    assert facts["umask"] == 0o027


def test_the_daemon_holds_nothing_of_its_launcher(run):
    """P1. Standard streams and terminals are /dev/null; what else was open belongs to somebody, and stays open."""
    _done, facts = run(FACTS + "launch.ready()")
    assert facts["streams"] == [os.devnull] * 3
    assert facts["ttys"] == []
    assert set(facts["descriptors"]) >= {0, 1, 2, facts["kept"], *facts["terminals"]}


def test_the_daemon_starts_with_ordinary_signals(run):
    """None is blocked, and INT raises no KeyboardInterrupt in the time before the master has its handlers."""
    _done, facts = run(FACTS + "launch.ready()")
    assert facts["blocked"] == []
    assert facts["interrupt"]


def test_the_launcher_waits_until_the_daemon_is_ready(run):
    """The shell's prompt is back when the service is up, and not before."""
    done, told = run("time.sleep(0.3); tell(ready=True); launch.ready()")
    assert done.returncode == 0
    assert told == {"ready": True}


def test_a_failure_is_told_on_the_terminal(run):
    """With the exit status that says which kind it is; the text may be long, and of several lines."""
    text = "Traceback:\n" + "é" * 20_000
    done, _told = run(f"launch.failed({text!r}, 78)")
    assert (done.returncode, done.stdout, done.stderr) == (78, "", text + "\n")


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "1 / 0"])
def test_a_silent_death_is_a_failure(run, end):
    """Even one with exit code 0: it was not ready."""
    done, _told = run(end)
    assert done.returncode == 70
    assert "died before it was ready" in done.stderr


def test_workers_do_not_keep_the_launcher_waiting(run):
    """A child of the daemon inherits the line; the word alone ends the waiting."""
    done, told = run(
        """
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        tell(group=os.getpgrp())
        launch.ready()
        """
    )
    assert done.returncode == 0
    os.killpg(told["group"], signal.SIGKILL)


def test_a_directory_that_is_not_there_is_a_failure(run, tmp_path):
    """Told on the terminal, by its name."""
    done, _told = run("launch.ready()", directory=str(tmp_path / "none"))
    assert done.returncode == 70
    assert "cannot become a daemon" in done.stderr
    assert "none" in done.stderr


def test_closed_standard_streams(tmp_path):
    """Started with 0, 1 and 2 closed, no socket gets one of those numbers."""
    report = tmp_path / "report"
    script = START + FACTS + "launch.ready()"
    command = [sys.executable, "-c", script, str(report), str(tmp_path)]
    pid = os.posix_spawn(
        sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, number) for number in range(3)]
    )
    _pid, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    facts = json.loads(report.read_text())
    assert facts["streams"] == [os.devnull] * 3
    assert facts["kept"] > 2


def test_an_interrupted_launcher_leaves_the_daemon_alone(tmp_path):
    """Ctrl-C ends the waiting, with the status that shells give it; the daemon continues."""
    report, go = tmp_path / "report", tmp_path / "go"
    code = "tell(started=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nlaunch.ready()\nos.unlink(report)"
    with subprocess.Popen(
        [sys.executable, "-c", START + code, str(report), str(tmp_path)], stderr=subprocess.PIPE, text=True
    ) as launcher:
        wait_until(report.exists)
        launcher.send_signal(signal.SIGINT)
        _out, error = launcher.communicate(timeout=10)
    assert launcher.returncode == 130
    assert "the daemon continues to start" in error
    go.touch()
    wait_until(lambda: not report.exists())


def wait_until(true) -> None:
    """Another process's file system changes cannot be awaited otherwise."""
    latest = time.monotonic() + 10
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.01)
