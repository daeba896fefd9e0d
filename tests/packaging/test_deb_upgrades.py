"""The Debian package upgraded and downgraded on a machine that serves, under load; each test leaves what it installed.

The versions 0.1.0 and 0.1.1 differ in their number alone, so a test starts from either and ends with either.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.operator.daemon import until
from tests.packaging.packages import BROKEN, NEWER, THIS, Packages
from tests.packaging.service import CONFIG, SHOP, WITHOUT_CONTROL, Service


def other(version: str) -> str:
    """The one that is not installed."""
    return NEWER if version == THIS else THIS


def handed_over(service: Service, packages: Packages) -> None:
    """To the other version, under load, with nothing lost."""
    machine, old = service.machine, service.master
    version = other(machine.get("/version"))
    with machine.load() as lost:
        said = machine.install(packages.deb(version))
    assert lost.problems == (), said
    assert "preforkd.service: handed over to the new version" in said
    assert machine.get("/version") == version
    assert service.master != old
    assert service.state == "active"


def refused(service: Service, packages: Packages) -> None:
    """The version that cannot start is installed; the old one serves on, and the operator is told why."""
    machine, old, version = service.machine, service.master, service.machine.get("/version")
    with machine.load() as lost:
        said = machine.install(packages.deb(BROKEN))
    assert lost.problems == ()
    assert f"restart needed, old version still serving (master {old})" in said
    assert "this library was broken on its way" in said + machine.read("/var/log/prefork/prefork.log")
    assert machine.get("/version") == version
    assert (service.master, service.state) == (old, "active")


def without_control(service: Service) -> None:
    """The hand-over then goes by signals."""
    service.configure(WITHOUT_CONTROL)
    service.ctl("restart")


def test_an_upgrade_under_load(service: Service, packages: Packages):
    """The new version serves, nothing was lost, and the way back is the same, by signals as well."""
    handed_over(service, packages)
    assert service.ctl("reload")[0] == 0  # it is supervised as before
    without_control(service)
    handed_over(service, packages)
    old = service.master
    service.machine.run("kill", "-KILL", str(old))  # its death is noticed
    service.machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))


def test_an_upgrade_to_a_broken_version_under_load(service: Service, packages: Packages):
    """The installation itself has succeeded. It is mended by the next version, without a restart."""
    refused(service, packages)
    handed_over(service, packages)
    without_control(service)
    refused(service, packages)
    handed_over(service, packages)


def test_an_upgrade_while_it_starts(service: Service, packages: Packages):
    """The old version is waited for, and then handed over."""
    machine, version = service.machine, other(service.machine.get("/version"))
    service.ctl("stop")
    machine.write(
        "/srv/shop/shop.py", f"import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n{SHOP}"
    )
    service.ctl("start", "--no-block")
    until(lambda: service.state == "activating", "the start")
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(machine.install, packages.deb(version))
        until(lambda: machine.run("pgrep", "-f", "maintain/handover", check=False).stdout, "the handing over")
        machine.write("/srv/shop/go", "")
        assert "preforkd.service: handed over to the new version" in said.result()
    assert machine.get("/version") == version


def test_an_upgrade_beside_one_by_hand(service: Service, packages: Packages):
    """It is not mixed up with it: the operator is told to end the first, whose two masters serve on."""
    without_control(service)
    machine, old, version = service.machine, service.upgrade_by_hand(), service.machine.get("/version")
    said = machine.install(packages.deb(other(version)))
    assert f"restart needed, old version still serving (master {old}): another upgrade is under way" in said
    assert (service.master, service.state) == (old, "active")
    machine.run("kill", "-TERM", str(old))
    machine.await_property("preforkd", "MainPID", lambda value: value != str(old))
    assert machine.get("/version") == version


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


def test_instances_are_handed_over_as_well(service: Service, packages: Packages):
    """Each by itself; of one whose file is not to be found out nothing is said that is not so."""
    machine, version = service.machine, service.machine.get("/version")
    newer = other(version)
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
            said = machine.install(packages.deb(newer))
        assert lost.problems == ()
        assert "preforkd@blog.service: handed over" in said
        assert machine.get("/version", 8001) == newer
        machine.write("/usr/local/bin/blog", f"#!/bin/sh\nexec {started}\n")
        machine.run("chmod", "+x", "/usr/local/bin/blog")
        machine.write(drop_in, "[Service]\nExecStart=\nExecStart=/usr/local/bin/blog\n")
        said = machine.install(packages.deb(version))
        assert "preforkd.service: handed over" in said
        blog = machine.property("preforkd@blog", "MainPID")
        assert (
            f"preforkd@blog.service: restart needed, old version still serving (master {blog}): it is not the" in said
        )
        assert machine.get("/version", 8001) == newer
    finally:
        machine.run("systemctl", "stop", "preforkd@blog")
        machine.sh("rm -f /etc/prefork/blog.toml /usr/local/bin/blog")
