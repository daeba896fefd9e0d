"""The life of the Debian package on a machine: installed, upgraded under load, downgraded, removed, purged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.operator.daemon import until
from tests.packaging.conftest import machine_of
from tests.packaging.machine import Machine
from tests.packaging.packages import BROKEN, NEWER, THIS, Packages
from tests.packaging.service import CONFIG, SHOP, WITHOUT_CONTROL, Service

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
    if service.machine.run("preforkd", "--version", check=False).stdout != f"prefork {THIS}\n":
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


def test_in_an_image_that_is_yet_to_be_booted(bare: Machine, packages: Packages):
    """With a configuration in place, it serves when the image is booted."""
    bare.power_off()
    bare.write("/srv/shop/shop.py", SHOP)
    bare.write("/etc/prefork.toml", CONFIG)
    bare.install(packages.deb())
    bare.boot()
    bare.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert bare.get() == "hello"


def test_the_file_that_comes_with_it_needs_an_application_alone(bare: Machine, packages: Packages):
    """What root checks is imported as the service's user; then it is served, as the same."""
    not_for_root = "import os\nif os.getuid() == 0: raise RuntimeError('imported by root')\n"
    bare.write("/srv/shop/shop.py", not_for_root + SHOP)
    bare.install(packages.deb())
    bare.sh("sed -i 's/prefork.demo:app/shop:app/; s/^# directory/directory/' /etc/prefork.toml")
    assert bare.run("preforkd", "-t").stdout == "ok\n"
    bare.run("systemctl", "enable", "--now", "preforkd")
    assert bare.get("/user") == bare.run("id", "-u", "prefork").stdout.strip()


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
        upgraded.configure(WITHOUT_CONTROL)
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
        upgraded.configure(WITHOUT_CONTROL)
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


def test_an_upgrade_while_it_starts(upgraded: Service, packages: Packages):
    """The old version is waited for, and then handed over."""
    machine = upgraded.machine
    upgraded.ctl("stop")
    machine.write(
        "/srv/shop/shop.py", f"import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n{SHOP}"
    )
    upgraded.ctl("start", "--no-block")
    until(lambda: upgraded.state == "activating", "the start")
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(machine.install, packages.deb(NEWER))
        until(lambda: machine.run("pgrep", "-f", "maintain/handover", check=False).stdout, "the handing over")
        machine.write("/srv/shop/go", "")
        assert "preforkd.service: handed over to the new version" in said.result()
    assert machine.get("/version") == NEWER


def test_an_upgrade_beside_one_by_hand(upgraded: Service, packages: Packages):
    """It is not mixed up with it: the operator is told to end the first, whose two masters serve on."""
    upgraded.configure(WITHOUT_CONTROL)
    upgraded.ctl("restart")
    machine, old = upgraded.machine, upgraded.upgrade_by_hand()
    said = machine.install(packages.deb(NEWER))
    assert f"restart needed, old version still serving (master {old}): another upgrade is under way" in said
    assert (upgraded.master, upgraded.state) == (old, "active")
    machine.run("kill", "-TERM", str(old))
    machine.await_property("preforkd", "MainPID", lambda value: value != str(old))
    assert machine.get("/version") == THIS


def test_a_master_that_does_not_answer_holds_nobody_up(service: Service):
    """The operator is told, after a time that can be chosen."""
    service.machine.run("kill", "-STOP", str(service.master))
    said = service.machine.sh("PREFORK_PATIENCE=1 /usr/lib/prefork/maintain/handover").stderr
    assert f"old version still serving (master {service.master}): it has not ended its upgrade for 1 s" in said
    service.machine.run("kill", "-CONT", str(service.master))


def test_another_python_becomes_the_default(service: Service):
    """What Debian runs then compiles for it, and leaves no master on the one that may go."""
    machine, old = service.machine, service.master
    machine.sh("rm -r /usr/lib/prefork/lib/prefork/__pycache__")
    with machine.load() as lost:
        for moment in ("pre-rtupdate", "rtupdate", "post-rtupdate"):
            said = machine.run("/usr/share/python3/runtime.d/prefork.rtupdate", moment, "python3.10", "python3").stderr
    assert lost.problems == ()
    assert "handed over" in said
    assert service.master != old
    assert machine.run("ls", "/usr/lib/prefork/lib/prefork/__pycache__").stdout


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


def test_instances_are_handed_over_as_well(upgraded: Service, packages: Packages):
    """Each by itself; of one whose file is not to be found out nothing is said that is not so."""
    machine = upgraded.machine
    config = (
        CONFIG.replace(":8000", ":8001").replace("/run/prefork/", "/run/prefork-blog/").replace(".log", "-blog.log")
    )
    machine.write("/etc/prefork/blog.toml", config)
    started = "/usr/bin/preforkd --config=/etc/prefork/blog.toml --foreground"
    drop_in = "/run/systemd/system/preforkd@blog.service.d/start.conf"
    machine.write(drop_in, f"[Service]\nExecStart=\nExecStart={started}\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "preforkd@blog")
    try:
        with machine.load(8001) as lost:
            said = machine.install(packages.deb(NEWER))
        assert lost.problems == ()
        assert "preforkd@blog.service: handed over" in said
        assert machine.get("/version", 8001) == NEWER
        machine.write("/usr/local/bin/blog", f"#!/bin/sh\nexec {started}\n")
        machine.run("chmod", "+x", "/usr/local/bin/blog")
        machine.write(drop_in, "[Service]\nExecStart=\nExecStart=/usr/local/bin/blog\n")
        said = machine.install(packages.deb())
        assert "preforkd.service: handed over" in said
        blog = machine.property("preforkd@blog", "MainPID")
        assert (
            f"preforkd@blog.service: restart needed, old version still serving (master {blog}): it is not the" in said
        )
        assert machine.get("/version", 8001) == NEWER
    finally:
        machine.run("systemctl", "stop", "preforkd@blog")
        machine.sh("rm -f /etc/prefork/blog.toml /usr/local/bin/blog")


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
