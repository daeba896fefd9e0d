"""What a worker, or any local user, can do to the pidfile (M4)."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, until
from tests.security.rogue import as_root, attack, prepare, uid

pytestmark = as_root

# As a user that may read the directory: locks whatever can be opened there, in every way, again and again.
LOCK_ALL = """
import fcntl, os, struct, sys, time
held = {}
print("locking", flush=True)
while True:
    for name in os.listdir(sys.argv[1]):
        path = os.path.join(sys.argv[1], name)
        for flags in (os.O_RDWR, os.O_RDONLY):
            try:
                descriptor = os.open(path, flags | os.O_NONBLOCK)
            except OSError:
                continue
            key = os.fstat(descriptor).st_ino, flags
            if key in held or not os.path.isfile(path):
                os.close(descriptor)
                continue
            held[key] = descriptor
            for lock in (lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
                         lambda: fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK,
                                             struct.pack("@hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0)),
                         lambda: fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)):
                try:
                    lock()
                except OSError:
                    pass
    time.sleep(0.0005)
"""


@pytest.fixture
def locker(daemon: Preforkd):
    """A local user who is at it all the time."""
    prepare(daemon)
    (daemon.home / "run").mkdir(mode=0o755)
    daemon.pidfile = daemon.home / "run" / "preforkd.pid"
    prepare(daemon)
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK_ALL, str(daemon.pidfile.parent)],
        stdout=subprocess.PIPE,
        user=uid(),
        group=uid(),
        extra_groups=[],
    )
    assert process.stdout
    assert process.stdout.readline() == b"locking\n"
    yield process
    process.kill()
    process.wait(PATIENCE)
    process.stdout.close()


def test_a_local_user_who_locks_whatever_he_can_open_blocks_nothing(daemon: Preforkd, locker: subprocess.Popen[bytes]):
    """M4: start, upgrade, kill -9 and a start over the stale file, stop."""
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    successor = daemon.successor()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    until(lambda: daemon.pidfile.read_text() == f"{successor}\n", "the successor's pidfile")
    until(lambda: not daemon.pidfile.with_name("preforkd.pid.oldbin").exists(), "the old name to go")
    daemon.signal(signal.SIGKILL, successor)
    until(lambda: not daemon.workers(successor), "the successor to end")
    daemon.start()
    assert daemon.run().returncode == 75
    assert daemon.stop() == 0
    assert list(daemon.pidfile.parent.iterdir()) == []
    assert locker.poll() is None


def test_a_worker_can_neither_write_nor_remove_it(daemon: Preforkd):
    """And it has no descriptor of it."""
    prepare(daemon)
    daemon.start()
    path = str(daemon.pidfile)
    said = attack(
        daemon,
        f"import os\npath = {path!r}\n"
        "for deed in (lambda: open(path, 'w'), lambda: os.unlink(path), lambda: os.rename(path, path + 'x'),\n"
        "             lambda: os.chmod(path, 0o777)):\n"
        "  try: deed(); print('done')\n  except OSError: pass\n"
        "print([n for n in os.listdir('/proc/self/fd') if os.path.realpath('/proc/self/fd/' + n) == path])",
    )
    assert said.strip() == "[]"
    assert daemon.pidfile.read_text() == f"{daemon.pid}\n"
