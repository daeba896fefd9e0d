"""The Debian package on a bare machine: installed, removed, purged; test_deb_upgrades.py has what comes in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import machine_of
from tests.packaging.machine import Machine
from tests.packaging.packages import Packages
from tests.packaging.service import CONFIG, SHOP

# Every file but those that are the machine's own notes of what it did.
FILES = "find / -xdev ( -path /var/lib/dpkg -o -path /var/log/journal -o -path /root ) -prune -o -print"


@pytest.fixture(params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A machine without the package."""
    with machine_of(request.param, tmp_path / request.param) as one:
        yield one


def test_it_is_not_started_before_there_is_something_to_serve(bare: Machine, packages: Packages):
    """The installation says what is missing, and the demonstration can be looked at by hand.

    The file that comes with the package needs an application alone: what root checks is imported as the service's user;
    then it is served, as the same.
    """
    said = bare.install(packages.deb())
    assert "not started: /etc/prefork.toml still names the demonstration application" in said
    assert bare.property("preforkd", "ActiveState") == "inactive"
    assert bare.run("preforkd", "-t").stdout == "ok\n"
    bare.run("systemctl", "start", "preforkd")
    assert "prefork is serving" in bare.get()
    bare.run("systemctl", "stop", "preforkd")

    not_for_root = "import os\nif os.getuid() == 0: raise RuntimeError('imported by root')\n"
    bare.write("/srv/shop/shop.py", not_for_root + SHOP)
    bare.sh("sed -i 's/prefork.demo:app/shop:app/; s/^# directory/directory/' /etc/prefork.toml")
    assert bare.run("preforkd", "-t").stdout == "ok\n"
    bare.run("systemctl", "enable", "--now", "preforkd")
    assert bare.get("/user") == bare.run("id", "-u", "prefork").stdout.strip()


def test_with_a_configuration_in_place_it_is_started(bare: Machine, packages: Packages):
    """As on a machine that is set up by a program: the file first. It is kept, and serves after a reboot as well."""
    bare.write("/srv/shop/shop.py", SHOP)
    bare.write("/etc/prefork.toml", CONFIG)
    bare.install(packages.deb())
    assert bare.get() == "hello"
    bare.reboot()
    bare.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert bare.read("/etc/prefork.toml") == CONFIG


def test_in_an_image_that_is_yet_to_be_booted(bare: Machine, packages: Packages):
    """With a configuration in place, it serves when the image is booted."""
    bare.power_off()
    bare.write("/srv/shop/shop.py", SHOP)
    bare.write("/etc/prefork.toml", CONFIG)
    bare.install(packages.deb())
    bare.boot()
    bare.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert bare.get() == "hello"


@pytest.mark.parametrize("bare", ["trixie"], indirect=True)
def test_a_faulty_configuration_in_place_is_no_failure_of_the_installation(bare: Machine, packages: Packages):
    """Its faults are told."""
    bare.write("/etc/prefork.toml", "[pool.web]\nworkres = 2\n")
    said = bare.install(packages.deb())
    assert "not started, /etc/prefork.toml has faults" in said
    assert "workres" in said


def test_a_removal_that_fails_changes_nothing(bare: Machine, packages: Packages):
    """dpkg undoes it: what ran serves again, what was stopped stays so. An installation that was broken can be removed."""
    bare.write("/srv/shop/shop.py", SHOP)
    bare.write("/etc/prefork.toml", CONFIG)
    bare.install(packages.deb())
    bare.run("systemctl", "stop", "preforkd")
    bare.write("/etc/prefork/blog.toml", CONFIG.replace("/run/prefork/", "/run/prefork-blog/"))
    bare.run("systemctl", "start", "preforkd@blog")
    bare.sh("echo 'exit 1' >>/var/lib/dpkg/info/prefork.prerm")
    assert bare.run("dpkg", "--remove", "prefork", check=False).returncode == 1
    assert bare.get() == "hello"
    assert bare.property("preforkd@blog", "ActiveState") == "active"
    assert bare.property("preforkd", "ActiveState") == "inactive"
    assert bare.run("ls", "/usr/lib/prefork/lib/prefork/__pycache__").stdout
    bare.sh("sed -i '$d' /var/lib/dpkg/info/prefork.prerm; rm -r /usr/lib/prefork/lib")
    bare.run("dpkg", "--remove", "prefork")
    assert bare.property("preforkd@blog", "ActiveState") == "inactive"


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
