"""master.user and master.group: the master stays root and runs no application code; workers are somebody else."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd, open_to_others

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@as_root
def test_workers_run_as_the_user_with_its_groups_and_umask_and_cannot_go_back(daemon: Preforkd):
    """User, group, supplementary groups, umask, and no_new_privs."""
    open_to_others(daemon.home)
    daemon.configure(master='user = "nobody"\ngroup = "nogroup"\numask = "0o027"')
    daemon.start()
    nobody, nogroup = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
    groups = sorted(os.getgrouplist("nobody", nogroup))
    assert daemon.get("/identity")[1].decode() == f"{nobody} {nogroup} {groups} 27"
    status = Path(f"/proc/{daemon.workers().pop()}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert f"Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}" in status
    assert Path(f"/proc/{daemon.pid}").stat().st_uid == 0


@as_root
def test_the_application_is_imported_without_the_masters_rights(daemon: Preforkd):
    """An application that needs root to be imported does not boot."""
    open_to_others(daemon.home)
    secret = daemon.home / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    (daemon.home / "nosy.py").write_text(f"open({str(secret)!r}).read()\n")
    daemon.configure(app="nosy:application", master='user = "nobody"')
    daemon.start(ready=False)
    assert "PermissionError" in daemon.expect("worker_died")["traceback"]
    assert daemon.wait() == 70


def test_an_unknown_user_is_a_fault_of_the_file(daemon: Preforkd):
    """Said before anything is touched, at its place."""
    daemon.configure(master='user = "nobody-of-that-name"')
    done = daemon.run()
    assert done.returncode == 78
    assert "master.user" in done.stderr


@as_root
def test_becoming_somebody_else_without_root_is_refused_with_a_sentence(daemon: Preforkd):
    """Not root: the identity cannot be taken, and the start says so."""
    import subprocess
    import sys

    open_to_others(daemon.home)
    os.chown(daemon.home, 65534, 65534)
    daemon.configure(master='user = "daemon"')
    daemon.file.chmod(0o644)
    check = "import sys; from prefork.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", check, "-c", str(daemon.file)],
        capture_output=True,
        text=True,
        check=False,
        user=65534,
        group=65534,
        extra_groups=[],
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 77, done.stderr
    assert "daemon" in done.stderr
    assert "Traceback" not in done.stderr
