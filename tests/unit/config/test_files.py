"""Reading a file of the configuration, whatever is at its path."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from prefork.config import files
from prefork.config.files import Unreadable, check_writers, matches, read
from prefork.config.load import check_environment
from prefork.config.load import read as read_configuration
from prefork.errors import ConfigError

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to care who else can write")


def test_a_regular_file_is_read(tmp_path: Path):
    """Whole."""
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert read(str(tmp_path / "a")) == b"x" * 100_000


def unreadable(tmp_path: Path, kind: str) -> str:
    path = tmp_path / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    elif kind == "circle":
        path.symlink_to(path)
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(files.MOST + 1)
    elif kind == "directory":
        path.mkdir()
    elif kind == "long":
        return str(tmp_path / ("x" * 300))
    elif kind == "endless":
        return "/dev/zero"
    elif kind == "nul":
        return "a\0b"
    return str(path)


KINDS = ["absent", "pipe", "socket", "circle", "large", "directory", "long", "endless", "nul"]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_not_a_file_of_bounded_size_is_one_sentence(tmp_path: Path, kind: str):
    """M1: neither waited for nor read without end."""
    with pytest.raises(Unreadable) as caught:
        read(unreadable(tmp_path, kind))
    assert caught.value.problem.startswith("cannot be read: ")
    assert "\n" not in caught.value.problem


def check(path: str) -> None:
    loaded = read_configuration(path)
    check_environment(loaded.config, loaded.fault)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (place, kind)
        for place in ("include", "directory", "working_directory")
        for kind in KINDS
        if kind != "nul" and (kind != "directory" or place == "include")
    ],
)
def test_an_odd_path_in_the_configuration_is_a_fault(tmp_path: Path, kind: str, place: str):
    """M1: wherever a path stands, and whatever it leads to, the configuration is refused with a sentence."""
    path = unreadable(tmp_path, kind)
    head = f"include = ['{path}']\n" if place == "include" else ""
    master = f"[master]\nworking_directory = '{path}'\n" if place == "working_directory" else ""
    pool = f"directory = '{path}'\n" if place == "directory" else ""
    main = tmp_path / "main.toml"
    main.write_text(f"{head}{master}[pool.web]\napp = 'a:b'\n{pool}")
    with pytest.raises(ConfigError) as caught:
        check(str(main))
    assert place in str(caught.value) or path in str(caught.value)


def test_a_glob_where_nothing_can_be_listed_matches_nothing(tmp_path: Path):
    """And a plain path says what is wrong with it."""
    assert matches(f"{tmp_path}/none/*.toml") == []
    assert matches(f"{tmp_path}/{'x' * 300}/*.toml") == []
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(Unreadable, match="symbolic links"):
        matches(f"{tmp_path}/loop")


@pytest.mark.parametrize("text", ["x = " + "9" * 5000, "x = " + "[" * 5000, "x." * 5000 + "y = 1"])
def test_monstrous_toml_is_a_fault(tmp_path: Path, text: str):
    """M1: what tomli raises beside its own error does not get through."""
    (tmp_path / "main.toml").write_text(f"{text}\n")
    with pytest.raises(ConfigError):
        read_configuration(str(tmp_path / "main.toml"))


@ROOT_ONLY
class TestWriters:
    """M9: as root, a configuration that others may write to would make them root."""

    def test_what_only_root_can_write_is_read(self, tmp_path: Path):
        """A sticky directory such as /tmp on the way does no harm."""
        (tmp_path / "a").write_text("")
        check_writers(str(tmp_path / "a"), ())

    @pytest.mark.parametrize("place", ["file", "directory", "link", "target"])
    def test_a_user_who_can_change_what_is_read_is_named(self, tmp_path: Path, place: str):
        """The file, a directory on the way, a link, and what it leads to."""
        directory = tmp_path / "conf"
        directory.mkdir()
        (tmp_path / "real").write_text("")
        path = directory / "a"
        path.symlink_to(tmp_path / "real")
        culprit = {"file": tmp_path / "real", "directory": directory, "link": path, "target": tmp_path / "real"}[place]
        os.lchown(culprit, 12345, 0)
        with pytest.raises(Unreadable, match="user 12345 can write to") as caught:
            check_writers(str(path), ())
        assert "--config-writer 12345" in caught.value.hint
        check_writers(str(path), ("12345",))

    def test_a_group_and_everybody_are_named(self, tmp_path: Path):
        """By the bits of the mode."""
        path = tmp_path / "a"
        path.write_text("")
        os.chown(path, 0, 12345)
        path.chmod(0o664)
        with pytest.raises(Unreadable, match="group 12345 can write"):
            check_writers(str(path), ())
        check_writers(str(path), ("12345",))
        path.chmod(0o646)
        with pytest.raises(Unreadable, match="everybody can write"):
            check_writers(str(path), ("12345",))

    def test_an_include_counts_as_much(self, tmp_path: Path):
        """With the file of the include, and the directory of its glob even if it is empty."""
        drop_ins = tmp_path / "d"
        drop_ins.mkdir()
        os.chown(drop_ins, 12345, 0)
        main = tmp_path / "main.toml"
        main.write_text("include = ['d/*.toml']\n[pool.web]\napp = 'a:b'\n")
        with pytest.raises(ConfigError, match="user 12345 can write to"):
            read_configuration(str(main), writers=())
        assert read_configuration(str(main), writers=("12345",))
        assert read_configuration(str(main))
