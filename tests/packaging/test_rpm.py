"""The life of the RPM on a machine, by a real rpm: installed, upgraded under load, erased.

The machine is a Debian one, for there is no other to be had; a package that is made for the purpose says that what is
required is there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import machine_of
from tests.packaging.machine import Machine
from tests.packaging.packages import BROKEN, NEWER, THIS, Packages
from tests.packaging.service import CONFIG, Service

BASE = """
Name: base
Version: 1
Release: 1
Summary: What this machine has
License: MIT
BuildArch: noarch
Provides: /bin/sh, /usr/bin/python3, /usr/sbin/useradd, systemd, python(abi) = 3.13
%description
%files
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that provides what the machine has."""
    top = tmp_path_factory.mktemp("base")
    (top / "base.spec").write_text(BASE)
    command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", str(top / "base.spec")]
    subprocess.run(command, check=True, capture_output=True)
    return next(top.glob("RPMS/noarch/*.rpm"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, packages: Packages, base: Path) -> Iterator[Machine]:
    with machine_of("trixie", tmp_path_factory.mktemp("machine") / "trixie") as one:
        one.install(base)
        said = one.install(packages.rpm())
        assert "not started: /etc/prefork.toml still names the demonstration application" in said
        assert one.run("preforkd", "-t").stdout == "ok\n"
        yield one


def test_an_upgrade_under_load(service: Service, packages: Packages):
    """To a newer version, to one that cannot start, and to one that can."""
    machine = service.machine
    assert machine.run("rpm", "--verify", "prefork", check=False).stdout.split() == [
        "S.5....T.",
        "c",
        "/etc/prefork.toml",
    ]
    with machine.load() as lost:
        assert "handed over to the new version" in machine.install(packages.rpm(NEWER))
    assert lost.problems == ()
    assert machine.get("/version") == NEWER
    old = service.master
    with machine.load() as lost:
        said = machine.install(packages.rpm(BROKEN))
    assert lost.problems == ()
    assert f"restart needed, old version still serving (master {old})" in said
    assert machine.get("/version") == NEWER
    with machine.load() as lost:
        assert "handed over to the new version" in machine.install(packages.rpm(THIS))
    assert lost.problems == ()
    assert machine.get("/version") == THIS
    assert machine.read("/etc/prefork.toml") == CONFIG


def test_an_erasure_and_an_installation_with_a_configuration_in_place(service: Service, packages: Packages):
    """It is stopped, and nothing of its files is left, but for what was edited; with which it is started, once."""
    machine = service.machine
    service.ctl("enable")
    machine.run("systemctl", "enable", "preforkd@blog")
    machine.run("rpm", "--erase", "prefork")
    assert "refused" in machine.get()
    assert not (machine.files / "usr/lib/prefork").exists()
    assert machine.read("/etc/prefork.toml.rpmsave") == CONFIG
    assert machine.sh("ls /etc/systemd/system/*.wants/preforkd*", check=False).stdout == ""
    machine.run("mv", "/etc/prefork.toml.rpmsave", "/etc/prefork.toml")
    said = machine.install(packages.rpm())
    assert machine.get() == "hello"
    assert "handed over" not in said
