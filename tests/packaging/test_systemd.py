"""The installed service under systemd 252 and 257: what an operator does with it, and what happens to it."""

from __future__ import annotations

import json

import pytest

from tests.operator.daemon import until
from tests.packaging.service import CONFIG, SHOP, Service


def test_it_starts_and_says_how_it_stands(service: Service):
    """As a user of its own, with a line for ``systemctl status``."""
    machine = service.machine
    assert service.state == "active"
    assert service.status == "2 of 2 workers ready, generation 1"
    assert machine.get() == "hello"
    assert machine.get("/user") == machine.run("id", "-u", "prefork").stdout.strip()
    assert str(service.master) in machine.run("preforkctl", "status").stdout
    # By default systemd would stop the whole service for one worker that took too much memory.
    assert machine.property("preforkd", "OOMPolicy") == "continue"


def test_a_good_reload(service: Service):
    """systemctl returns when the new generation serves."""
    service.machine.write("/srv/shop/shop.py", SHOP.replace("hello", "hello again"))
    assert service.ctl("reload")[0] == 0
    assert service.machine.get() == "hello again"
    assert service.status == "2 of 2 workers ready, generation 2, last reload done"


@pytest.mark.parametrize("broken", ["the file", "the application"])
def test_a_bad_reload_fails_and_changes_nothing(service: Service, broken: str):
    """The exit status is 1, the journal says why, and the old generation serves."""
    if broken == "the file":
        service.configure(CONFIG.replace("workers", "workres"))
    else:
        service.machine.write("/srv/shop/shop.py", "import nothing_of_the_kind")
    master = service.master
    code, said = service.ctl("reload", check=False)
    assert code == 1, said
    assert service.machine.get() == "hello"
    assert (service.master, service.state) == (master, "active")
    assert "last reload refused" in service.status
    why = "workres" if broken == "the file" else "nothing_of_the_kind"
    service.journal_has(why)


def test_a_faulty_configuration_at_the_start_is_not_tried_again(service: Service):
    """Exit status 78, every fault in the journal; trying again mends nothing."""
    service.ctl("stop")
    service.configure(CONFIG.replace("workers", "workres"))
    assert service.ctl("start", check=False)[0] == 1
    assert service.state == "failed"
    assert service.machine.property("preforkd", "ExecMainStatus") == "78"
    assert service.machine.property("preforkd", "NRestarts") == "0"
    service.journal_has('did you mean "workers"?')


def test_an_application_that_is_mended_is_served_again_by_itself(service: Service):
    """What cannot boot is tried again, for a database may be late; and again, with no end."""
    service.ctl("stop")
    service.drop_in("[Service]\nRestartSec=0")
    service.machine.write("/srv/shop/shop.py", "import nothing_of_the_kind")
    service.ctl("start", "--no-block")
    service.machine.await_property("preforkd", "NRestarts", lambda value: int(value) > 5)
    service.machine.write("/srv/shop/shop.py", SHOP)
    service.machine.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert service.machine.get() == "hello"


def test_logrotate(service: Service):
    """A forced rotation: the master and the workers write to the new files, and nothing is lost."""
    machine = service.machine
    for _ in range(3):
        machine.get()
    machine.run("logrotate", "--force", "/etc/logrotate.d/prefork")
    until(lambda: "logs_reopened" in machine.read("/var/log/prefork/prefork.log"), "the log to be reopened")
    machine.get()
    until(lambda: machine.read("/var/log/prefork/access.log"), "the access log to be written")
    assert len(machine.read("/var/log/prefork/access.log").splitlines()) == 1
    assert len(machine.read("/var/log/prefork/access.log.1").splitlines()) == 3
    owner = machine.run("stat", "--format=%U:%G %a", "/var/log/prefork/access.log").stdout.strip()
    assert owner == "prefork:adm 640"


def test_the_journal_has_the_fields(service: Service):
    """With file = "journal" an event can be asked for by what it is about."""
    service.configure(CONFIG.replace("/var/log/prefork/prefork.log", "journal"))
    service.ctl("restart")

    def found() -> list[str]:
        return service.machine.run("journalctl", "--output=json", "PREFORK_EVENT=worker_ready").stdout.splitlines()

    assert {json.loads(line)["PREFORK_POOL"] for line in until(found, "the event in the journal")} == {"web"}


def test_the_watchdog_replaces_a_master_that_hangs(service: Service):
    """It is killed, and another serves."""
    service.drop_in("[Service]\nWatchdogSec=1\nTimeoutAbortSec=1\nRestartSec=0")
    service.ctl("restart")
    old = service.master
    service.machine.run("kill", "-STOP", str(old))
    service.machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
    service.machine.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert service.machine.get() == "hello"
    service.journal_has("watchdog")


def test_a_restart_refuses_nobody(service: Service):
    """The sockets are in the store meanwhile, and who waits in their queues is served by the next master."""
    old = service.master
    with service.machine.load() as lost:
        for _ in range(3):
            service.ctl("restart")
    assert lost.problems == ()
    assert service.master != old


def test_a_master_that_is_killed_is_replaced_and_loses_nobody(service: Service):
    """kill -9: its workers finish what they have in hand, and nobody finds the door closed meanwhile."""
    service.drop_in("[Service]\nRestartSec=0")
    old = service.master
    with service.machine.load() as lost:
        service.machine.run("kill", "-KILL", str(old))
        service.machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
        service.machine.await_property("preforkd", "ActiveState", lambda value: value == "active")
    assert lost.problems == ()


def test_a_request_outlives_its_master(service: Service):
    """It is answered by its worker, and then the next master is started."""
    service.drop_in("[Service]\nRestartSec=0")
    machine, old = service.machine, service.master
    client = machine.in_its_network(["curl", "--silent", "http://127.0.0.1:8000/wait"])
    until((machine.files / "srv/shop/waiting").exists, "the request")
    machine.run("kill", "-KILL", str(old))
    machine.await_property("preforkd", "ActiveState", lambda value: value == "deactivating")
    machine.write("/srv/shop/go", "")
    assert client.communicate()[0] == "waited"
    machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
    assert machine.get() == "hello"


def test_a_request_that_does_not_end_is_killed_after_its_master(service: Service):
    """The next master does not wait for ever, and the journal says what became of it."""
    drain = "/usr/lib/prefork/maintain/drain"
    service.drop_in(f"[Service]\nRestartSec=0\nExecStopPost=\nExecStopPost={drain} 1")
    machine, old = service.machine, service.master
    client = machine.in_its_network(["curl", "--silent", "http://127.0.0.1:8000/wait"])
    until((machine.files / "srv/shop/waiting").exists, "the request")
    machine.run("kill", "-KILL", str(old))
    assert client.communicate()[0] == ""
    machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
    assert machine.get() == "hello"
    service.journal_has("killed 1 s after their master: ")


def test_a_stop_drains(service: Service):
    """A request in flight is answered; then everything is gone."""
    machine = service.machine
    client = machine.in_its_network(["curl", "--silent", "http://127.0.0.1:8000/wait"])
    until((machine.files / "srv/shop/waiting").exists, "the request")
    service.ctl("stop", "--no-block")
    machine.await_property("preforkd", "ActiveState", lambda value: value == "deactivating")
    machine.write("/srv/shop/go", "")
    assert client.communicate()[0] == "waited"
    machine.await_property("preforkd", "ActiveState", lambda value: value == "inactive")
    assert "refused" in machine.get()
    assert not (machine.files / "run/prefork").exists()


def test_socket_activation(service: Service):
    """The first client starts the service, and a stop of it leaves the door open."""
    machine = service.machine
    service.ctl("stop")
    service.configure(CONFIG.replace("127.0.0.1:8000", "systemd:http"))
    machine.run("systemctl", "start", "preforkd.socket")
    assert service.state == "inactive"
    assert machine.get() == "hello"
    machine.await_property("preforkd", "ActiveState", lambda value: value == "active")
    old = service.master
    with machine.load() as lost:
        service.ctl("restart")
    assert lost.problems == ()
    assert service.master != old
    service.ctl("stop")
    assert machine.get() == "hello"


def test_instances(service: Service):
    """preforkd@NAME serves /etc/prefork/NAME.toml, beside the others."""
    machine = service.machine
    config = (
        CONFIG.replace(":8000", ":8001").replace("/run/prefork/", "/run/prefork-blog/").replace(".log", "-blog.log")
    )
    machine.write("/etc/prefork/blog.toml", config)
    machine.run("systemctl", "start", "preforkd@blog")
    try:
        assert machine.get(port=8001) == machine.get(port=8000) == "hello"
        assert machine.run("systemctl", "reload", "preforkd@blog").returncode == 0
        machine.run("logrotate", "--force", "/etc/logrotate.d/prefork")
        until(lambda: "logs_reopened" in machine.read("/var/log/prefork/prefork-blog.log"), "the log to be reopened")
    finally:
        machine.run("systemctl", "stop", "preforkd@blog")
        machine.sh("rm -r /etc/prefork/blog.toml")


def test_it_comes_up_after_a_reboot(service: Service):
    """When it is enabled, before anybody logs in."""
    service.ctl("enable")
    try:
        service.machine.reboot()
        service.machine.await_property("preforkd", "ActiveState", lambda value: value == "active")
        assert service.machine.get() == "hello"
    finally:
        service.ctl("disable")


def test_a_unix_socket_for_a_proxy(service: Service):
    """Its group can be named, in spite of the sandbox, where the service is a member of it."""
    machine = service.machine
    machine.sh("groupadd --force shopproxy && usermod --append --groups shopproxy prefork")
    listen = 'address = "unix:/run/prefork/web.sock"\ngroup = "shopproxy"\nmode = "0o660"'
    service.configure(CONFIG.replace('address = "127.0.0.1:8000"', listen))
    service.ctl("restart")
    owner = machine.run("stat", "--format=%U:%G %a", "/run/prefork/web.sock").stdout.strip()
    assert owner == "prefork:shopproxy 660"
