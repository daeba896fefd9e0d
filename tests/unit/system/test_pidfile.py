"""The pidfile, in one process: locks of two open files exclude each other here as between processes."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress

import pytest

from prefork.errors import AlreadyRunning, PreforkError
from prefork.system import filelock, pidfile
from prefork.system.pidfile import Pidfile


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "preforkd.pid")


@pytest.fixture
def make(path):
    made: list[Pidfile] = []

    def one() -> Pidfile:
        made.append(Pidfile(path))
        return made[-1]

    yield one
    for file in made:
        file.release()


def names(path: str) -> list[str]:
    return sorted(os.listdir(os.path.dirname(path)))


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def test_it_holds_the_pid(make, path):
    """Digits and a newline, for everybody to read, and nothing else is left in the directory."""
    make().acquire()
    assert pidfile.read(path) == os.getpid()
    with open(path) as file:
        assert file.read() == f"{os.getpid()}\n"
    assert os.stat(path).st_mode & 0o777 == 0o644
    assert names(path) == ["preforkd.pid"]


def test_a_second_daemon_is_refused_by_pid_and_path(make, path):
    """The message names who is there."""
    make().acquire()
    with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()} holds {path}"):
        make().acquire()
    assert pidfile.read(path) == os.getpid()
    assert names(path) == ["preforkd.pid"]


@pytest.mark.parametrize("text", ["1\n", "999999999\n", ""])
def test_a_stale_file_is_replaced(make, path, text):
    """Nobody holds its lock: then the number in it, even of a living process, means nothing."""
    write(path, text)
    make().acquire()
    assert pidfile.read(path) == os.getpid()
    assert names(path) == ["preforkd.pid"]


def test_a_file_that_is_no_pidfile_is_left(make, path):
    """A typing error in the configuration does not cost a file."""
    write(path, "root:x:0:0\n")
    with pytest.raises(PreforkError, match="not a pidfile"):
        make().acquire()
    with open(path) as file:
        assert file.read() == "root:x:0:0\n"
    assert names(path) == ["preforkd.pid"]


@pytest.mark.parametrize("make_odd", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/null", path)])
def test_what_is_no_file_is_left(make, path, make_odd):
    """A directory, a pipe, a link: none is replaced, and none blocks."""
    make_odd(path)
    with pytest.raises(PreforkError, match="cannot be written"):
        make().acquire()
    assert names(path) == ["preforkd.pid"]


def test_a_missing_directory_is_explained(tmp_path):
    """It is not made: whoever installs the service chooses its owner and mode."""
    with pytest.raises(PreforkError, match=r"none/x.pid cannot be written: No such file.*directory must exist"):
        Pidfile(str(tmp_path / "none" / "x.pid")).acquire()


def test_release_removes_it(make, path):
    """And the next daemon may start."""
    file = make()
    file.acquire()
    assert file.release() is None
    assert names(path) == []
    make().acquire()


def test_release_leaves_anothers_file(make, path):
    """A file that somebody removed and another daemon took is that one's."""
    first, second = make(), make()
    first.acquire()
    os.unlink(path)
    second.acquire()
    assert isinstance(first.release(), FileNotFoundError)
    assert pidfile.read(path) == os.getpid()


def test_a_removed_directory_is_told_and_not_fatal(tmp_path):
    """The end of the master does not fail for it."""
    directory = tmp_path / "run"
    directory.mkdir()
    file = Pidfile(str(directory / "x.pid"))
    file.acquire()
    shutil.rmtree(directory)
    assert isinstance(file.release(), FileNotFoundError)


def test_in_an_upgrade_the_name_is_never_absent(make, path):
    """The old master's file is .oldbin as well, locked, until the successor takes the name (PEERS 3.17)."""
    old, new = make(), make()
    old.acquire()
    old.name_oldbin()
    assert os.path.samefile(path, path + ".oldbin")
    with pytest.raises(AlreadyRunning):
        make().acquire()  # it is no successor
    new.acquire(succeeding=True)
    assert names(path) == ["preforkd.pid", "preforkd.pid.oldbin"]
    assert not os.path.samefile(path, path + ".oldbin")
    assert old.release() is None
    assert names(path) == ["preforkd.pid"]
    with pytest.raises(AlreadyRunning):
        make().acquire()


def test_an_old_master_that_ends_before_its_successor_has_the_name_leaves_it(make, path):
    """Stale, for between a look and an unlink it could be the successor's."""
    old, new = make(), make()
    old.acquire()
    old.name_oldbin()
    assert old.release(leave=True) is None
    assert names(path) == ["preforkd.pid"]
    new.acquire(succeeding=True)
    assert pidfile.read(path) == os.getpid()


def test_a_successor_with_another_path_leaves_the_old_one_to_the_old_master(make, path):
    """Both names of the old file go with the old master."""
    old = make()
    old.acquire()
    old.name_oldbin()
    new = Pidfile(path + ".new")
    new.acquire(succeeding=True)
    assert old.release() is None
    assert names(path) == ["preforkd.pid.new"]
    assert new.release() is None


def test_a_second_upgrade_waits_for_the_first_old_master(make, path):
    """As long as an old master lives, its .oldbin is not overwritten."""
    old, new = make(), make()
    old.acquire()
    old.name_oldbin()
    new.acquire(succeeding=True)
    with pytest.raises(AlreadyRunning, match="oldbin"):
        new.name_oldbin()
    assert old.release() is None
    new.name_oldbin()
    assert names(path) == ["preforkd.pid", "preforkd.pid.oldbin"]


def test_a_stale_oldbin_is_no_obstacle(make, path):
    """An old master that was killed left it."""
    old = make()
    old.acquire()
    write(path + ".oldbin", "999999999\n")
    old.name_oldbin()
    assert os.path.samefile(path, path + ".oldbin")


def test_restore_puts_it_back(make, path):
    """Over whatever a dead successor left; the lock was never let go."""
    old = make()
    old.acquire()
    old.name_oldbin()
    os.unlink(path)
    write(path, "999999999\n")
    old.restore()
    assert names(path) == ["preforkd.pid"]
    assert pidfile.read(path) == os.getpid()
    with pytest.raises(AlreadyRunning):
        make().acquire()


def test_restore_refuses_a_living_successor(make, path):
    """Two masters, two files."""
    old, new = make(), make()
    old.acquire()
    old.name_oldbin()
    new.acquire(succeeding=True)
    with pytest.raises(AlreadyRunning):
        old.restore()
    assert names(path) == ["preforkd.pid", "preforkd.pid.oldbin"]


def test_restore_without_an_upgrade_changes_nothing(make, path):
    """The name is there already."""
    old = make()
    old.acquire()
    old.restore()
    assert names(path) == ["preforkd.pid"]
    old.name_oldbin()
    old.restore()
    assert names(path) == ["preforkd.pid"]


def test_a_removed_file_comes_back_with_the_next_upgrade(make, path):
    """An operator who removed the file does not end the upgrade."""
    old = make()
    old.acquire()
    os.unlink(path)
    old.name_oldbin()
    assert pidfile.read(path + ".oldbin") == os.getpid()
    old.restore()
    assert names(path) == ["preforkd.pid"]
    with pytest.raises(AlreadyRunning):
        make().acquire()


def test_a_relative_path_survives_a_change_of_directory(tmp_path, monkeypatch):
    """The master goes to its working directory after it read the configuration."""
    monkeypatch.chdir(tmp_path)
    file = Pidfile("x.pid")
    file.acquire()
    monkeypatch.chdir("/")
    assert file.release() is None
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", ["", "abc", "-1", "12 13", "9" * 40])
def test_reading_what_is_no_pid(path, text):
    """It is None, never an exception."""
    write(path, text)
    assert pidfile.read(path) is None


def test_reading_nothing(path, tmp_path):
    """No file, or a directory."""
    assert pidfile.read(path) is None
    assert pidfile.read(str(tmp_path)) is None


def read_lock(descriptor: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, filelock.FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))


LOCKS = [
    pytest.param(lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX), id="flock"),
    pytest.param(lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_SH), id="shared flock"),
    pytest.param(read_lock, id="read lock"),
]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("stale", [True, False])
def test_who_may_only_read_it_blocks_nobody(make, path, lock, stale):
    """M4: whatever a reader locks, of a stale file or of a living master's: start, upgrade, way back and end go on."""
    first = make()
    if stale:
        write(path, f"{os.getpid()}\n")
    else:
        first.acquire()
    reader = os.open(path, os.O_RDONLY)
    try:
        with suppress(BlockingIOError):  # a living master's lock forbids it
            lock(reader)
        if stale:
            first.acquire()
        with pytest.raises(AlreadyRunning):
            make().acquire()
        first.name_oldbin()
        successor = make()
        successor.acquire(succeeding=True)
        assert successor.release() is None
        first.restore()
        assert first.release() is None
        assert names(path) == []
    finally:
        os.close(reader)


def test_the_lock_file_of_a_start_that_was_killed_is_no_obstacle(make, path):
    """It is there, and nobody holds it."""
    os.close(os.open(path + ".lock", os.O_CREAT | os.O_WRONLY, 0o600))
    make().acquire()
    assert names(path) == ["preforkd.pid"]


def test_a_start_that_is_stopped_in_the_middle_is_waited_for_and_named(make, path):
    """Not for ever, and nothing is left of who waited."""
    held = os.open(path + ".lock", os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(AlreadyRunning, match=r"another start .*preforkd.pid.lock"):
            make().acquire()
        assert names(path) == ["preforkd.pid.lock"]
    finally:
        os.close(held)


def test_a_lock_file_that_others_can_open_is_not_trusted(make, path):
    """M4: what is locked can be opened by nobody else."""
    os.close(os.open(path + ".lock", os.O_CREAT | os.O_WRONLY, 0o600))
    os.chmod(path + ".lock", 0o644)
    with pytest.raises(PreforkError, match="the lock file beside the pidfile belongs to another user"):
        make().acquire()
