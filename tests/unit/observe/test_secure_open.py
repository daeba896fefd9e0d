"""What root opens as a log, where somebody else could lead the way elsewhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from prefork.errors import PreforkError
from prefork.observe import secure_open
from prefork.observe.sink import Sink

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has what could be taken advantage of")

NOBODY = 65534
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A directory of another user, below one that only root may pass."""
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    return directory


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of root's."""
    file = tmp_path / "secret"
    file.touch(0o600)
    return file


def identity() -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    return os.getresuid(), os.getresgid(), os.getgroups()


def test_in_a_directory_of_another_user_the_file_is_that_users(theirs: Path):
    """It is made with that user's rights, and we are who we were."""
    before = identity()
    os.close(secure_open.open_log(str(theirs / "log"), FLAGS, 0o640))
    assert (theirs / "log").stat().st_uid == NOBODY
    assert stat.S_IMODE((theirs / "log").stat().st_mode) == 0o640 & ~0o022
    assert identity() == before


@pytest.mark.parametrize("place", ["log", "below/log"])
def test_a_link_of_theirs_leads_to_nothing_of_ours(theirs: Path, secret: Path, place: str):
    """A log that was replaced by a link, or its directory."""
    before = identity()
    if place == "log":
        (theirs / "log").symlink_to(secret)
    else:
        (theirs / "below").symlink_to(secret.parent)
        secret.rename(secret.parent / "log")
    with pytest.raises(PermissionError):
        secure_open.open_log(str(theirs / place), FLAGS, 0o640)
    assert identity() == before


def test_a_link_of_theirs_in_a_directory_of_ours(tmp_path: Path, secret: Path):
    """As in one that everybody may write to."""
    (tmp_path / "log").symlink_to(secret)
    os.lchown(tmp_path / "log", NOBODY, NOBODY)
    with pytest.raises(PermissionError):
        secure_open.open_log(str(tmp_path / "log"), FLAGS, 0o640)


def test_our_own_links_are_followed(tmp_path: Path):
    """Root may lead a log where it likes, by a link from here or to there."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "by").symlink_to("elsewhere/../elsewhere")
    (tmp_path / "elsewhere/log").symlink_to(tmp_path / "log")
    os.close(secure_open.open_log(f"{tmp_path}//by/./log", FLAGS, 0o640))
    assert (tmp_path / "log").stat().st_uid == 0


def test_a_link_of_ours_into_their_directory(tmp_path: Path, theirs: Path, secret: Path):
    """From there on it is theirs."""
    (tmp_path / "log").symlink_to(theirs / "log")
    assert secure_open.handed_over(str(tmp_path / "log")) == (str(theirs), "log", NOBODY)
    (theirs / "log").symlink_to(secret)
    with pytest.raises(PermissionError):
        secure_open.open_log(str(tmp_path / "log"), FLAGS, 0o640)


def test_what_is_open_already_is_opened(tmp_path: Path):
    """By /dev/stdout and its like, whose last link is no path."""
    reader, writer = os.pipe()
    (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{writer}")
    for path in (f"/proc/self/fd/{writer}", str(tmp_path / "stdout")):
        descriptor = secure_open.open_log(path, os.O_WRONLY, 0o640)
        os.write(descriptor, b"line\n")
        assert os.read(reader, 100) == b"line\n"
        os.close(descriptor)
    os.close(reader)
    os.close(writer)


def test_in_a_user_namespace_the_root_of_all_directories_is_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The real root is nobody there, and no more to be distrusted than here."""
    real = os.stat

    def seen(path: str, **options: object) -> os.stat_result:
        fields = list(real(path, **options))  # type: ignore[call-overload]
        fields[4] = NOBODY
        return os.stat_result(fields)

    monkeypatch.setattr(os, "stat", seen)
    assert secure_open.handed_over(str(tmp_path / "log")) == (str(tmp_path), "log", 0)


def test_a_link_that_takes_the_place_of_the_file_is_not_followed(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
):
    """By somebody of a group that may write to the directory, after we have looked."""
    (tmp_path / "log").symlink_to(secret)
    monkeypatch.setattr(secure_open, "handed_over", lambda _path: (str(tmp_path), "log", 0))
    with pytest.raises(OSError, match="symbolic links"):
        secure_open.open_log(str(tmp_path / "log"), FLAGS, 0o640)


def test_a_file_of_ours_in_a_directory_of_theirs_is_explained(theirs: Path):
    """As one that was made before the directory was given away."""
    (theirs / "log").touch(0o640)
    with pytest.raises(PreforkError, match=f"root opens this log as user {NOBODY}.*let that user write to it"):
        Sink.open(str(theirs / "log"), name="log")


def test_a_circle(tmp_path: Path):
    """Links that lead to each other."""
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links"):
        secure_open.open_log(str(tmp_path / "one"), FLAGS, 0o640)


def test_a_log_that_is_reopened_stays_where_it_was(theirs: Path, secret: Path):
    """The link is put there while we run: the old file is written to, and the error is told."""
    log = theirs / "log"
    sink = Sink.open(str(log), name="log")
    log.rename(theirs / "log.1")
    log.symlink_to(secret)
    assert isinstance(sink.reopen(), PermissionError)
    sink.write(b"line\n")
    sink.close()
    assert (theirs / "log.1").read_bytes() == b"line\n"
    assert secret.read_bytes() == b""
