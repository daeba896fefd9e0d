"""What the owner of the control socket's directory can have root do (M5)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.operator.control import section
from tests.operator.daemon import Preforkd
from tests.security.rogue import as_root, attack, prepare, uid

pytestmark = as_root


@pytest.fixture
def victim(daemon: Preforkd) -> Path:
    """A file of root's; beside it is a directory of the workers', in which the control socket is to be."""
    directory = daemon.home / "theirs"
    directory.mkdir(mode=0o755)
    os.chown(directory, uid(), uid())
    path = daemon.home / "victim"
    path.write_text("precious")
    path.chmod(0o600)
    return path


def state(path: Path) -> tuple[int, int, int, str]:
    found = path.lstat()
    return found.st_mode, found.st_uid, found.st_gid, path.read_text()


REPLACE = "import os\nos.unlink({socket!r})\n{deed}({victim!r}, {socket!r})"


@pytest.mark.parametrize("deed", ["os.symlink", "os.link"])
def test_a_reload_changes_no_file_but_the_socket(daemon: Preforkd, victim: Path, deed: str):
    """M5: a link takes the socket's place; owner, mode and content of where it leads are the same after HUP and stop."""
    socket = str(daemon.home / "theirs" / "control.sock")
    prepare(daemon, more=section(daemon, "theirs/control.sock", 'mode = "0o660"\ngroup = "adm"'))
    daemon.start()
    before = state(victim)
    said = attack(daemon, REPLACE.format(socket=socket, victim=str(victim), deed=deed))
    if "PermissionError" in said:  # fs.protected_hardlinks
        os.link(victim, socket)
    for _ in range(2):
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_refused")
    assert daemon.stop() == 0
    assert state(victim) == before


def test_a_start_changes_no_file_but_the_socket(daemon: Preforkd, victim: Path):
    """M5: the link is there before; the start is refused, or it is not followed."""
    prepare(daemon, more=section(daemon, "theirs/control.sock", 'mode = "0o666"'))
    os.symlink(victim, daemon.home / "theirs" / "control.sock")
    before = state(victim)
    assert daemon.run().returncode == 78
    assert state(victim) == before


def test_another_socket_at_the_path_is_left_alone(daemon: Preforkd, victim: Path):
    """M5: a worker's own socket at the path gets no mode from us, and is not removed at the end."""
    socket = str(daemon.home / "theirs" / "control.sock")
    prepare(daemon, more=section(daemon, "theirs/control.sock", 'mode = "0o640"'))
    daemon.start()
    attack(
        daemon,
        f"import os, socket\nos.unlink({socket!r})\ns = socket.socket(socket.AF_UNIX)\ns.bind({socket!r})\n"
        f"os.chmod({socket!r}, 0o777)\ns.listen()\nimport builtins\nbuiltins.kept = s",
    )
    inode = os.stat(socket).st_ino
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert daemon.stop() == 0
    assert os.stat(socket).st_ino == inode
    assert os.stat(socket).st_mode & 0o777 == 0o777
    assert victim.exists()


def test_a_worker_is_refused_by_the_control_socket(daemon: Preforkd):
    """Whatever the mode of its file is: an application is not to rule over its master."""
    prepare(daemon, more=section(daemon, more='mode = "0o666"'))
    daemon.start()
    said = attack(
        daemon,
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(20)\n"
        f"s.connect('{daemon.home}/control.sock')\n"
        's.sendall(b\'{"v": 1, "do": "stop"}\\n\')\nprint(s.recv(4096).decode())',
    )
    assert '"ok": false' in said, said
    assert daemon.get()[0] == 200
