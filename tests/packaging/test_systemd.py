"""The installed service under systemd 252 and 257: what an operator does with it, and what happens to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.operator.daemon import until
from tests.packaging.machine import Machine
from tests.packaging.service import CONFIG, SHOP, Service

LOG = "/var/log/prefork/prefork.log"
PAGE = Path(__file__).parents[2].joinpath("packaging/man/prefork.toml.5").read_text()
EXAMPLE = PAGE.partition(".SH EXAMPLES\n.nf\n")[2].partition(".fi\n")[0].replace("\\-", "-")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PIDFILE = "/run/prefork/preforkd.pid"


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


def test_the_example_of_the_manual_page_is_served(service: Service):
    """U3: as it stands in prefork.toml(5), with an application where it says, under the unit as it is shipped."""
    machine = service.machine
    machine.sh("rm /srv/shop/shop.py")
    machine.write("/srv/shop/shop/wsgi.py", SHOP.replace("def app(", "def application("))
    machine.write("/srv/shop/shop/settings.py", "")
    machine.sh("python3 -m venv --without-pip /srv/shop/.venv && chown -R prefork /srv/shop")
    service.configure(EXAMPLE)
    assert machine.run("runuser", "-u", "prefork", "--", "preforkd", "-t").stdout == "ok\n"
    service.ctl("restart")
    socket = str(machine.files / "run/prefork/web.sock")  # the machine itself need not have curl
    assert (
        machine.in_its_network(["curl", "--silent", "--unix-socket", socket, "http://localhost/"]).communicate()[0]
        == "hello"
    )


def test_every_link_of_the_documentation_leads_to_a_file(machine: Machine):
    """U3: README.md and the pages that it names, in the package as in a checkout."""
    pages = machine.files / "usr/share/doc/prefork"
    found = [(page, link) for page in pages.rglob("*.md") for link in LINK.findall(page.read_text())]
    assert found
    assert [(page.name, link) for page, link in found if not (page.parent / link).exists()] == []


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


@pytest.mark.parametrize(
    ("right", "wrong", "status", "why"),
    [
        ("workers", "workres", "78", 'did you mean "workers"?'),
        ("[master]", '[master]\nuser = "daemon"', "77", "only root may change user and group"),
    ],
)
def test_what_trying_again_does_not_mend_is_not_tried_again(
    service: Service, right: str, wrong: str, status: str, why: str
):
    """A faulty configuration, and a user whom it cannot become: the exit status tells, and every fault is in the journal."""
    service.ctl("stop")
    service.configure(CONFIG.replace(right, wrong))
    assert service.ctl("start", check=False)[0] == 1
    assert service.state == "failed"
    assert service.machine.property("preforkd", "ExecMainStatus") == status
    assert service.machine.property("preforkd", "NRestarts") == "0"
    service.journal_has(why)


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


def test_logrotate_in_the_middle_of_an_upgrade(service: Service):
    """Both masters write to the new file; systemd knows one of them, and the pid files name both."""
    machine, old = service.machine, service.upgrade_by_hand()
    machine.run("logrotate", "--force", "/etc/logrotate.d/prefork")
    until(lambda: machine.read(LOG).count("logs_reopened") == 2, "both logs to be reopened")
    machine.run("kill", "-TERM", str(old))
    machine.await_property("preforkd", "MainPID", lambda value: value != str(old))


@pytest.mark.parametrize("starts", ["root", "prefork"])
def test_logrotate_without_systemd(service: Service, starts: str):
    """A daemon that was started by hand, by root or by the user of the service."""
    machine = service.machine
    service.ctl("stop")
    service.configure(CONFIG.replace("[master]", '[master]\nuser = "prefork"'))
    machine.run("systemd-tmpfiles", "--create", "prefork.conf")
    machine.run("chown", starts, "/run/prefork")
    machine.run("runuser", "-u", starts, "--", "preforkd", "-c", "/etc/prefork.toml", "--daemon")
    assert machine.get() == "hello"
    machine.run("logrotate", "--force", "/etc/logrotate.d/prefork")
    until(lambda: "logs_reopened" in machine.read(LOG), "the log to be reopened")
    machine.sh(f"kill $(cat {PIDFILE})")
    until(lambda: not (machine.files / PIDFILE.lstrip("/")).exists(), "the daemon to end")


def test_the_user_of_the_workers_has_root_signal_and_write_nothing(service: Service):
    """It may write to the directories of pid files and of logs, where root rotates and a daemon of root's opens logs."""
    machine = service.machine
    service.ctl("stop")
    named_so = "printf 'prefork: master' >/proc/self/comm; sleep infinity & wait"
    machine.run("systemd-run", "--unit=victim", "sh", "-c", named_so)
    victim = machine.property("victim", "MainPID")
    until(lambda: machine.read(f"/proc/{victim}/comm") == "prefork: master\n", "the victim")
    machine.sh(f"mkdir -p /run/prefork; echo line >{LOG}")
    machine.write(PIDFILE, victim)
    machine.run("chown", "prefork", "/run/prefork")  # and a file of root's, that was moved there
    assert "not permitted" in machine.run("logrotate", "--force", "/etc/logrotate.d/prefork").stderr
    assert machine.property("victim", "ActiveState") == "active"
    machine.sh("systemctl stop victim; rm -r /run/prefork; mkdir /run/prefork; echo secret >/srv/secret")

    service.configure(CONFIG.replace("[master]", '[master]\nuser = "prefork"'))
    machine.run("preforkd", "-c", "/etc/prefork.toml", "--daemon")
    access = "/var/log/prefork/access.log"
    machine.sh(f"mv {access} {access}.1; runuser -u prefork -- ln -s /srv/secret {access}; kill -USR1 $(cat {PIDFILE})")
    until(lambda: "log_not_reopened" in machine.read(LOG), "the refusal")
    assert machine.get() == "hello"
    machine.sh(f"kill $(cat {PIDFILE})")
    until(lambda: not (machine.files / PIDFILE.lstrip("/")).exists(), "the daemon to end")
    assert machine.read("/srv/secret") == "secret\n"


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
    client = service.request_in_hand()
    machine.run("kill", "-KILL", str(old))
    machine.await_property("preforkd", "ActiveState", lambda value: value == "deactivating")
    machine.write("/srv/shop/go", "")
    assert client.communicate()[0] == "waited"
    machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
    assert machine.get() == "hello"


def test_a_request_that_does_not_end_is_killed_after_its_master(service: Service):
    """The next master does not wait for ever, and the journal says what became of it."""
    drain = "/usr/lib/prefork/maintain/drain"
    service.drop_in(f"[Service]\nRestartSec=0\nExecStopPost=\nExecStopPost={drain} 1 60")
    machine, old = service.machine, service.master
    client = service.request_in_hand()
    machine.run("kill", "-KILL", str(old))
    assert client.communicate()[0] == ""
    machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
    assert machine.get() == "hello"
    service.journal_has("killed 1 s after their master: ")


def test_a_stop_drains(service: Service):
    """A request in flight is answered; then everything is gone."""
    machine = service.machine
    client = service.request_in_hand()
    service.ctl("stop", "--no-block")
    machine.await_property("preforkd", "ActiveState", lambda value: value == "deactivating")
    machine.write("/srv/shop/go", "")
    assert client.communicate()[0] == "waited"
    machine.await_property("preforkd", "ActiveState", lambda value: value == "inactive")
    assert "refused" in machine.get()
    assert not list((machine.files / "run/prefork").iterdir())
    assert machine.run("preforkd", "-t").stdout == "ok\n"  # what is written there has its directory, as before a start


@pytest.mark.parametrize("gesture", ["stop", "kill -9"])
def test_the_middle_of_an_upgrade(service: Service, gesture: str):
    """The successor is nobody's main process yet; it stops with the old master, and finishes what it has."""
    service.drop_in("[Service]\nRestartSec=0")
    machine, old = service.machine, service.upgrade_by_hand()
    machine.run("kill", "-WINCH", str(old))
    until(lambda: service.status.startswith("0 of 0"), "the old workers to retire")
    client = service.request_in_hand()
    if gesture == "stop":
        service.ctl("stop", "--no-block")
    else:
        machine.run("kill", "-KILL", str(old))
    until(lambda: "master_stopping" in machine.read(LOG), "the successor to be told")
    curl = ["curl", "--silent", "--max-time", "60", "http://127.0.0.1:8000/"]
    newcomer = machine.in_its_network(curl) if gesture == "kill -9" else None
    machine.write("/srv/shop/go", "")
    assert client.communicate()[0] == "waited"
    assert newcomer is None or newcomer.communicate()[0] == "hello"
    machine.await_property(
        "preforkd", "ActiveState", lambda value: value == ("inactive" if gesture == "stop" else "active")
    )
    masters = machine.run("pgrep", "--count", "--full", "^prefork: master", check=False).stdout.strip()
    assert masters == ("0" if gesture == "stop" else "1")
    assert ("refused" if gesture == "stop" else "hello") in machine.get()
    assert "prefork: killed" not in machine.journal("preforkd")


def test_a_stop_while_the_old_master_of_an_upgrade_retires(service: Service):
    """What it has in hand is finished as well, though systemd has another main process by then."""
    drain = "/usr/lib/prefork/maintain/drain"
    service.drop_in(f"[Service]\nExecStopPost=\nExecStopPost={drain} 0 60")
    machine, client = service.machine, service.request_in_hand()
    old = service.upgrade_by_hand()
    machine.run("kill", "-TERM", str(old))
    machine.await_property("preforkd", "MainPID", lambda value: value not in ("0", str(old)))
    service.ctl("stop", "--no-block")
    machine.await_property("preforkd", "SubState", lambda value: value == "stop-post")
    machine.write("/srv/shop/go", "")
    assert client.communicate()[0] == "waited"
    machine.await_property("preforkd", "ActiveState", lambda value: value == "inactive")
    assert machine.read(LOG).count("master_stopped") == 2


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
