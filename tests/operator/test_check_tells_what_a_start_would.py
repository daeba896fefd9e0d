"""``preforkd -t`` and a start find the same, with the same exit status: U2."""

from __future__ import annotations

import os
import pwd
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, open_to_others

ABSENT = "there is no directory"


def outcomes(
    daemon: Preforkd, **user: str
) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    """What the check says, and what a start says."""
    both = []
    for arguments in (["-t"], []):
        command = daemon.command(*arguments)
        both.append(
            subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                env=daemon.environment(),
                check=False,
                **user,  # type: ignore[call-overload]
            )
        )
    return both[0], both[1]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ('[log]\nlevel = "debug"\nfile = "{home}/none/a.log"', "log.file"),
        ('[log.access]\nfile = "{home}/none/a.log"', "log.access.file"),
        ('[master]\npidfile = "{home}/none/a.pid"', "master.pidfile"),
        ('[control]\nsocket = "{home}/none/a.sock"', "control.socket"),
        ('[listen.local]\naddress = "unix:{home}/none/a.sock"', "listen.local.address"),
    ],
)
def test_a_directory_that_is_not_there(daemon: Preforkd, section: str, key: str):
    """Of whatever a start writes: the fault stands at its key, and the status is 78."""
    pool = f'[pool.web]\napp = "site_of_test:application"\ndirectory = "{daemon.home}"\n'
    listen = "" if "[listen" in section else '[listen.http]\naddress = "127.0.0.1:0"\n'
    daemon.file.write_text(section.replace("{home}", str(daemon.home)) + "\n" + listen + pool)
    check, start = outcomes(daemon)
    assert (check.returncode, start.returncode) == (78, 78)
    assert f"{key}: {ABSENT} {daemon.home}/none" in check.stderr
    assert check.stderr == start.stderr


@pytest.mark.parametrize(
    ("section", "key", "found"),
    [
        ('[log]\nlevel = "debug"\nfile = "{home}/dir"', "log.file", "a directory"),
        ('[log.access]\nfile = "{home}/dir"', "log.access.file", "a directory"),
        ('[log.access]\nfile = "{home}/sock"', "log.access.file", "a socket"),
        ('[master]\npidfile = "{home}/dir"', "master.pidfile", "a directory"),
        ('[master]\npidfile = "/dev/full"', "master.pidfile", "a device"),
        ('[control]\nsocket = "{home}/dir"', "control.socket", "a directory"),
        ('[control]\nsocket = "{home}/text"', "control.socket", "a regular file"),
        ('[listen.local]\naddress = "unix:{home}/dir"', "listen.local.address", "a directory"),
        ('[listen.local]\naddress = "unix:{home}/link"', "listen.local.address", "a symbolic link"),
    ],
)
def test_something_else_in_the_place_of_a_file(daemon: Preforkd, section: str, key: str, found: str):
    """Of whatever a start writes, U2: the fault stands at its key, and the status is 78."""
    (daemon.home / "dir").mkdir()
    (daemon.home / "text").write_text("a shopping list")
    (daemon.home / "link").symlink_to("text")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(daemon.home / "sock"))
    pool = f'[pool.web]\napp = "site_of_test:application"\ndirectory = "{daemon.home}"\n'
    listen = "" if "[listen" in section else '[listen.http]\naddress = "127.0.0.1:0"\n'
    daemon.file.write_text(section.replace("{home}", str(daemon.home)) + "\n" + listen + pool)
    check, start = outcomes(daemon)
    assert (check.returncode, start.returncode) == (78, 78)
    assert f" is {found} (remove it" in check.stderr
    assert f"{key}: " in check.stderr
    assert check.stderr == start.stderr


def test_a_current_directory_that_has_been_removed(daemon: Preforkd):
    """U2: one sentence and status 71, from both."""
    daemon.configure()
    command = f"cd {daemon.home}/gone && rmdir ../gone && exec {shlex.join(daemon.command())}"
    for arguments in ("", " -t"):
        (daemon.home / "gone").mkdir()
        ended = subprocess.run(
            ["sh", "-c", command + arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert ended.returncode == 71
        assert ended.stderr.startswith("preforkd: the current directory cannot be used")
        assert ended.stderr.count("\n") == 1


def test_a_limit_that_keeps_the_configuration_from_being_read(daemon: Preforkd):
    """P8: whatever ends the child that reads it is told by its name."""
    daemon.configure()
    for arguments in (["-t"], []):
        command = ["sh", "-c", 'ulimit -f 0; exec "$0" "$@"', *daemon.command(*arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ended.returncode
        assert "cannot be read: File too large" in ended.stderr
        assert "ulimit -f" in ended.stderr


@pytest.mark.parametrize(
    ("site", "pool", "said"),
    [
        ("raise RuntimeError('no database')", "", "no database"),
        ("application = 3", "", "is an int"),
        ("def application(e, s): ...\ndef hook(server, worker): ...", 'hooks.ready = "shop:hook"', "hook"),
    ],
)
def test_what_cannot_boot(daemon: Preforkd, site: str, pool: str, said: str):
    """The application, and hooks that want arguments: 70 from both."""
    (daemon.home / "shop.py").write_text(site)
    daemon.configure(app="shop:application", pool=pool)
    check, start = outcomes(daemon)
    assert (check.returncode, start.returncode) == (70, 70)
    assert said in check.stderr
    assert said in start.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as another user")
def test_an_owner_that_only_root_can_name(daemon: Preforkd, tmp_path: Path):
    """A group that is not ours, for a unix listener or the control socket: 78 from both."""
    open_to_others(tmp_path)
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    daemon.configure(
        listen=f'[listen.http]\naddress = "unix:{tmp_path}/web.sock"\ngroup = "adm"',
        more=f'[control]\nsocket = "{tmp_path}/control.sock"\ngroup = "adm"',
    )
    check, start = outcomes(daemon, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])  # type: ignore[arg-type]
    assert (check.returncode, start.returncode) == (78, 78), check.stderr
    assert check.stderr.count('who is not in group "adm"') == 2
    assert check.stderr == start.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to care who else can write")
def test_a_configuration_that_another_user_may_write(daemon: Preforkd):
    """M9: root does not read it, at a start, in a check or at HUP, unless that user is trusted by name."""
    import signal

    daemon.configure()
    assert daemon.run("-t").returncode == 0
    daemon.start()
    os.chown(daemon.file, 12345, 0)
    daemon.signal(signal.SIGHUP)
    assert "user 12345 can write" in daemon.expect("reload_refused")["reason"]
    assert daemon.get()[0] == 200
    check, start = outcomes(daemon)
    assert (check.returncode, start.returncode) == (78, 78)
    assert "user 12345 can write to" in check.stderr
    assert daemon.run("-t", "--config-writer", "12345").stdout == "ok\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs applications as root")
def test_applications_that_run_as_root_are_warned_of(daemon: Preforkd):
    """M9: by the check, and in the log of a start."""
    daemon.configure()
    assert "applications run as root" in daemon.run("-t").stderr
    daemon.start()
    daemon.expect("workers_run_as_root")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers another user")
def test_whom_workers_run_as_is_not_for_a_reload_to_change(daemon: Preforkd, tmp_path: Path):
    """M9: an edited file and HUP make nobody root."""
    import signal

    open_to_others(tmp_path)
    daemon.configure(master='user = "nobody"')
    daemon.start()
    daemon.configure()
    daemon.signal(signal.SIGHUP)
    assert "master.user: cannot be changed by a reload" in daemon.expect("reload_refused")["reason"]
    assert daemon.get()[0] == 200
