"""The scripts that signal a master: never a process that is none, whatever a pid file or a socket says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.control import asked, section
from tests.operator.daemon import Preforkd, open_to_others

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
GARBAGE = [
    "",
    "garbage",
    "-1",
    "0",
    "1",
    "00",
    "-0",
    "+1",
    "self",
    "1 {victim}",
    "{victim}",
    "-{victim}",
    "0{victim}",
    "{victim}\n{victim}",
    "{victim}/task/{victim}",
    "$(touch {home}/run)",
    "4194305",
    "99999999999999999999",
]

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's process, which any signal would end; in a process group of its own."""
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    with subprocess.Popen(["sleep", "1000"], start_new_session=True, **who) as process:  # type: ignore[call-overload]
        yield process
        assert process.poll() is None, "it was signalled"
        process.kill()


def functions() -> str:
    """Of contrib/upgrade, as they stand there."""
    text = (REPOSITORY / "contrib/upgrade").read_text()
    return text[text.index("titled() {") : text.index("children_of() {")]


def signalled(pid: str, uid: int) -> bool:
    """Whether contrib/upgrade signals this process; as nobody, to whom little can happen."""
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    script = f'set -eu\nuid={uid}\n{functions()}\nif signal USR1 "$1"; then echo signalled; fi'
    done = subprocess.run(  # type: ignore[call-overload]
        ["sh", "-c", script, "sh", pid], capture_output=True, text=True, check=True, start_new_session=True, **who
    )
    return bool(done.stdout)


@pytest.mark.parametrize("said", GARBAGE)
def test_an_upgrade_signals_nobody_who_is_no_master(victim: subprocess.Popen[bytes], tmp_path: Path, said: str):
    """M14. Not a plain number, not a process with the title of a master: left alone."""
    assert not signalled(said.format(victim=victim.pid, home=tmp_path), NOBODY)
    assert os.listdir(tmp_path) == []


def test_an_upgrade_signals_a_master_of_the_user_who_listens_only(daemon: Preforkd):
    """M14. Neither one of another user, nor its workers."""
    daemon.configure()
    daemon.start()
    script = f'set -eu\nuid=$2\n{functions()}\nsignal WINCH "$1"'

    def signals(pid: int, uid: int) -> bool:
        return subprocess.run(["sh", "-c", script, "sh", str(pid), str(uid)], check=False).returncode == 0

    assert signals(daemon.pid, os.getuid())
    daemon.expect("workers_paused")
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert not signals(daemon.pid, os.getuid() + 1)
    assert not any(signals(worker, os.getuid()) for worker in daemon.workers())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory of pid files that belongs to nobody."""
    home = tmp_path / "run-prefork"
    home.mkdir()
    open_to_others(home)
    os.chown(home, NOBODY, NOBODY)
    return home


def reopen(place: Path) -> None:
    """packaging/maintain/reopen, as logrotate runs it, of this directory."""
    script = (REPOSITORY / "packaging/maintain/reopen").read_text()
    here = script.replace("/run/prefork/", f"{place}/").replace("/run/prefork-*/", f"{place}-*/")
    assert here.count(str(place)) == 2
    done = subprocess.run(
        ["sh", "-c", here], capture_output=True, text=True, timeout=60, check=False, start_new_session=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@as_root
@pytest.mark.parametrize("said", GARBAGE)
def test_logrotate_signals_nobody_who_is_no_master(victim: subprocess.Popen[bytes], place: Path, said: str):
    """M14. What a pid file says is the word of the user of the workers."""
    (place / "preforkd.pid").write_text(said.format(victim=victim.pid, home=place) + "\n")
    (place / "preforkd.pid.oldbin").write_text(said.format(victim=victim.pid, home=place))
    reopen(place)
    assert sorted(os.listdir(place)) == ["preforkd.pid", "preforkd.pid.oldbin"]


@as_root
def test_logrotate_has_a_master_reopen_its_logs(daemon: Preforkd):
    """The one that the pid file names, with its own rights."""
    daemon.configure()
    daemon.start()
    assert daemon.pidfile.name == "preforkd.pid"
    reopen(daemon.pidfile.parent)
    daemon.expect("logs_reopened")


def test_the_rotation_of_the_readme_needs_no_pid(daemon: Preforkd):
    """M14. Its postrotate is run as it stands there: the process that listens is asked."""
    [lines] = re.findall(r"postrotate\n(.*?)endscript", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    assert "kill" not in lines
    daemon.configure(more=section(daemon))
    daemon.start()
    daemon.pidfile.write_text("1\n")
    ctl = f'preforkctl() {{ {sys.executable} -m prefork.control.ctl -c "{daemon.file}" "$@"; }}\n'
    subprocess.run(["sh", "-ec", ctl + lines], check=True, cwd=REPOSITORY, capture_output=True)
    daemon.expect("logs_reopened")
    assert asked(daemon, "status")["pid"] == daemon.pid


def test_no_document_and_no_script_signals_what_a_file_says():
    """M14. A pid that is read from a file may be another process's by now."""
    found = []
    for path in (
        REPOSITORY / "README.md",
        *(REPOSITORY / "contrib").rglob("*"),
        *(REPOSITORY / "packaging").rglob("*"),
    ):
        if path.is_file() and path.stat().st_size < 1_000_000:
            text = path.read_bytes().decode(errors="replace")
            found += [str(path) for line in text.splitlines() if re.search(r"^\s*kill\b.*\$\(\s*(cat|<)", line)]
    assert found == []
