"""The life of the Debian package on a machine: installed, upgraded under load, downgraded, removed, purged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import machine_of
from tests.packaging.machine import Machine
from tests.packaging.packages import BROKEN, NEWER, THIS, Packages
from tests.packaging.service import CONFIG, SHOP, Service

# Every file but those that are the machine's own notes of what it did.
FILES = "find / -xdev ( -path /var/lib/dpkg -o -path /var/log/journal -o -path /root ) -prune -o -print"


@pytest.fixture(params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A machine without the package."""
    with machine_of(request.param, tmp_path / request.param) as one:
        yield one


@pytest.fixture
def upgraded(service: Service, packages: Packages) -> Iterator[Service]:
    """The service, and afterwards this version again."""
    yield service
    service.ctl("stop")
    service.machine.install(packages.deb())


def test_it_is_not_started_before_there_is_something_to_serve(bare: Machine, packages: Packages):
    """The installation says what is missing; the demonstration can be looked at by hand; then the shop is served."""
    said = bare.install(packages.deb())
    assert "not started: /etc/prefork.toml still names the demonstration application" in said
    assert bare.property("preforkd", "ActiveState") == "inactive"
    assert bare.run("preforkd", "-t").stdout == "ok\n"
    bare.run("systemctl", "start", "preforkd")
    assert "prefork is serving" in bare.get()
    bare.run("systemctl", "stop", "preforkd")


def test_with_a_configuration_in_place_it_is_started(bare: Machine, packages: Packages):
    """As on a machine that is set up by a program: the file first. It is kept, and serves after a reboot as well."""
    bare.write("/srv/shop/shop.py", SHOP)
    bare.write("/etc/prefork.toml", CONFIG)
    bare.install(packages.deb())
    assert bare.get() == "hello"
    bare.reboot()
    bare.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert bare.read("/etc/prefork.toml") == CONFIG


def test_a_faulty_configuration_in_place_is_no_failure_of_the_installation(bare: Machine, packages: Packages):
    """Its faults are told."""
    bare.write("/etc/prefork.toml", "[pool.web]\nworkres = 2\n")
    said = bare.install(packages.deb())
    assert "not started, /etc/prefork.toml has faults" in said
    assert "workres" in said


@pytest.mark.parametrize("control", ["with a control socket", "by signals"])
def test_an_upgrade_under_load(upgraded: Service, packages: Packages, control: str):
    """The new version serves, nothing was lost, and the way back is the same."""
    if control == "by signals":
        upgraded.configure(CONFIG.replace('[control]\nsocket = "/run/prefork/control.sock"\n', ""))
        upgraded.ctl("restart")
    for version in (NEWER, THIS):
        old = upgraded.master
        with upgraded.machine.load() as lost:
            said = upgraded.machine.install(packages.deb(version))
        assert lost.problems == (), said
        assert "preforkd.service: handed over to the new version" in said
        assert upgraded.machine.get("/version") == version
        assert upgraded.master != old
        assert upgraded.state == "active"
    # It is supervised as before: a stop drains, and a death is noticed.
    if control == "with a control socket":
        assert upgraded.ctl("reload")[0] == 0
    old = upgraded.master
    upgraded.machine.run("kill", "-KILL", str(old))
    upgraded.machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))


@pytest.mark.parametrize("control", ["with a control socket", "by signals"])
def test_an_upgrade_to_a_broken_version_under_load(upgraded: Service, packages: Packages, control: str):
    """The old version serves on, and the operator is told why; the installation itself has succeeded."""
    if control == "by signals":
        upgraded.configure(CONFIG.replace('[control]\nsocket = "/run/prefork/control.sock"\n', ""))
        upgraded.ctl("restart")
    old = upgraded.master
    with upgraded.machine.load() as lost:
        said = upgraded.machine.install(packages.deb(BROKEN))
    assert lost.problems == ()
    assert f"restart needed, old version still serving (master {old})" in said
    assert "this library was broken on its way" in said + upgraded.machine.read("/var/log/prefork/prefork.log")
    assert upgraded.machine.get("/version") == THIS
    assert (upgraded.master, upgraded.state) == (old, "active")
    # Mended by the next version, without a restart.
    with upgraded.machine.load() as lost:
        assert "handed over" in upgraded.machine.install(packages.deb(NEWER))
    assert lost.problems == ()
    assert upgraded.machine.get("/version") == NEWER


def test_an_instance_is_handed_over_as_well(upgraded: Service, packages: Packages):
    """Each by itself."""
    machine = upgraded.machine
    config = (
        CONFIG.replace(":8000", ":8001").replace("/run/prefork/", "/run/prefork-blog/").replace(".log", "-blog.log")
    )
    machine.write("/etc/prefork/blog.toml", config)
    machine.run("systemctl", "start", "preforkd@blog")
    try:
        with machine.load(8001) as lost:
            said = machine.install(packages.deb(NEWER))
        assert lost.problems == ()
        assert "preforkd@blog.service: handed over" in said
        assert machine.get("/version", 8001) == NEWER
    finally:
        machine.run("systemctl", "stop", "preforkd@blog")
        machine.sh("rm /etc/prefork/blog.toml")


def test_a_removal_stops_it_and_a_purge_leaves_nothing(bare: Machine, packages: Packages):
    """The configuration and the logs stay with a removal, and go with a purge, and the user with them.

    What was stopped by a removal is not started behind anybody's back when it is installed again; that is told.
    """
    before = set(bare.run(*FILES.split()).stdout.splitlines())
    bare.write("/srv/shop/shop.py", SHOP)
    bare.install(packages.deb())
    bare.write("/etc/prefork.toml", CONFIG)
    bare.run("systemctl", "enable", "--now", "preforkd")
    assert bare.get() == "hello"
    bare.run("dpkg", "--remove", "prefork")
    assert "refused" in bare.get()
    assert bare.read("/etc/prefork.toml") == CONFIG
    assert "master_stopped" in bare.read("/var/log/prefork/prefork.log")
    assert not (bare.files / "usr/lib/prefork").exists()
    assert "preforkd.service: not running, and left so" in bare.install(packages.deb())
    assert bare.property("preforkd", "ActiveState") == "inactive"
    bare.run("dpkg", "--purge", "prefork")
    bare.sh("rm -r /srv/shop")
    left = set(bare.run(*FILES.split()).stdout.splitlines()) - before
    assert not [path for path in left if "prefork" in path], left
    assert bare.run("getent", "passwd", "prefork", check=False).returncode == 2
    assert "prefork" not in bare.run("systemctl", "list-unit-files").stdout
