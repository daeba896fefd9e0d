"""What the configuration means on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prefork.config.host import usable_cores
from prefork.config.load import check_environment, read, worker_count
from prefork.config.models import Config
from prefork.config.models.unsupported import UNSUPPORTED
from prefork.errors import ConfigError


def test_everything_absent_is_reported_with_its_place(tmp_path: Path):
    """Unknown users and groups, directories that are not there."""
    path = tmp_path / "p.toml"
    path.write_text(f"""\
[master]
user = "no-such-user"
group = "no-such-group"
working_directory = "{tmp_path}/none"
[listen.local]
address = "unix:/run/web.sock"
user = "no-such-owner"
[pool.web]
app = "shop:app"
directory = "{path}"
""")
    loaded = read(str(path))
    with pytest.raises(ConfigError) as caught:
        check_environment(loaded.config, loaded.fault)
    assert sorted(str(caught.value).replace(f"{tmp_path}/", "").splitlines()) == [
        "p.toml:10:1: pool.web.directory: there is no directory p.toml",
        'p.toml:2:1: master.user: there is no user "no-such-user" (create it, or write a number)',
        'p.toml:3:1: master.group: there is no group "no-such-group" (create it, or write a number)',
        "p.toml:4:1: master.working_directory: there is no directory none",
        'p.toml:7:1: listen.local.user: there is no user "no-such-owner" (create it, or write a number)',
    ]
    with pytest.raises(ConfigError, match=r'master\.user: there is no user "no-such-user"'):
        check_environment(loaded.config)


def test_what_is_there_is_no_fault(tmp_path: Path):
    """Numbers need no entry."""
    pool = {"web": {"app": "shop:app", "directory": str(tmp_path)}}
    check_environment(Config.model_validate({"master": {"user": "54321", "group": "root"}, "pool": pool}))


def pool(workers: object):
    return Config.model_validate({"pool": {"web": {"app": "shop:app", "workers": workers}}}).pool["web"]


def test_workers_are_counted(monkeypatch: pytest.MonkeyPatch):
    """A number is itself; auto is two for each usable core and one more; a range begins at its least."""
    monkeypatch.delitem(UNSUPPORTED, "pool.*.workers.max")
    assert worker_count(pool(7)) == 7
    assert worker_count(pool("auto")) == usable_cores() * 2 + 1
    assert worker_count(pool({"min": 3, "max": 9})) == 3


@pytest.mark.parametrize(
    ("group", "cpu_max", "cores"),
    [
        ("/a", "150000 100000", 2),
        ("/a", "50000 100000", 1),
        ("/a", "max 100000", 64),
        ("/a", "6400000 100000", 64),
        ("/a", None, 64),
        ("/", "400000 100000", 4),
    ],
)
def test_cores_are_those_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, cpu_max: str | None, cores: int
):
    """The affinity, and the quota of the control group rounded up."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"1:cpu:/old\n0::{group}\n")
    directory = tmp_path / f"sys/fs/cgroup{group}"
    directory.mkdir(parents=True)
    if cpu_max is not None:
        (directory / "cpu.max").write_text(f"{cpu_max}\n")
    assert usable_cores(str(tmp_path)) == cores


def test_without_control_groups_the_affinity_counts(tmp_path: Path):
    """Not every system has them."""
    assert usable_cores(str(tmp_path)) == len(os.sched_getaffinity(0))
