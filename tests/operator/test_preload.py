"""``preload = true``: the application is imported once, and workers are forked from the template that has it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd, children, gone, open_to_others, until

COUNTING = """
import os
from pathlib import Path
HERE = Path(__file__).parent
with open(HERE / "imports", "a") as file:
    file.write(f"{os.getpid()}\\n")
WORD = "first"
"""
BROKEN = "raise RuntimeError('it cannot be imported')\n"


def imports(daemon: Preforkd) -> list[str]:
    return (daemon.home / "imports").read_text().splitlines()


def preloading(daemon: Preforkd, *, more_code: str = "", **config: object) -> None:
    """The site of the tests, which notes each import of it."""
    site = daemon.home / "site_of_test.py"
    site.write_text(COUNTING + more_code + site.read_text())
    daemon.configure(**{"pool": "preload = true", **config})  # type: ignore[arg-type]


def template_of(daemon: Preforkd, generation: int) -> int:
    return int(daemon.expect("template_ready", generation=generation)["pid"])


def test_it_is_imported_once_and_the_workers_are_the_masters_children(daemon: Preforkd):
    """However many workers; the template is beside them, and serves nobody."""
    preloading(daemon, workers=4)
    daemon.start()
    template = template_of(daemon, 1)
    workers = {daemon.expect("worker_ready")["pid"] for _ in range(4)}
    assert imports(daemon) == [str(template)]
    assert daemon.workers() == workers | {template}
    assert children(template) == set()
    assert daemon.served_by() in workers
    assert daemon.stop() == 0
    assert all(gone(pid) for pid in workers | {template})


def test_hup_reloads_preloaded_code_under_load(daemon: Preforkd):
    """A new template each time, the old one ends, and nothing is lost."""
    preloading(daemon, workers=2)
    daemon.start()
    first = template_of(daemon, 1)
    with load(daemon.port) as clients:
        for generation in range(2, 7):
            daemon.signal(signal.SIGHUP)
            daemon.expect("reload_done", generation=generation)
    assert clients.problems == []
    assert len(imports(daemon)) == 6
    assert gone(first)
    assert len(daemon.events.named("template_retired")) == 5


def test_a_template_that_is_killed_costs_nothing(daemon: Preforkd):
    """Its death is no worker's; the next worker that is owed comes from a new one."""
    preloading(daemon, workers=2)
    daemon.start()
    worker = daemon.served_by()
    with load(daemon.port) as clients:
        os.kill(template_of(daemon, 1), signal.SIGKILL)
        daemon.expect("template_died", cause="signal SIGKILL")
        assert daemon.served_by() in daemon.workers()
    assert clients.problems == []
    os.kill(worker, signal.SIGKILL)
    daemon.expect("worker_died")
    fresh = template_of(daemon, 1)
    until(lambda: len(daemon.workers()) == 3, "a template and two workers")
    assert imports(daemon)[1:] == [str(fresh)]


def test_a_broken_application_refuses_the_reload(daemon: Preforkd):
    """With its traceback; the old template and its workers stay."""
    preloading(daemon, workers=2)
    daemon.start()
    before = daemon.workers()
    (daemon.home / "site_of_test.py").write_text(BROKEN)
    daemon.signal(signal.SIGHUP)
    refused = daemon.expect("reload_refused")
    assert "it cannot be imported" in refused["reason"]
    daemon.expect("template_died")
    until(lambda: daemon.workers() == before, "everything as it was")
    assert daemon.get()[0] == 200


def test_an_application_that_cannot_be_imported_ends_the_start(daemon: Preforkd):
    """Exit 70, and the traceback on the terminal."""
    daemon.configure(app="broken:app", pool="preload = true")
    (daemon.home / "broken.py").write_text(BROKEN)
    daemon.start(ready=False)
    assert daemon.wait() == 70
    daemon.events.join()
    assert "it cannot be imported" in "".join(daemon.events.text)


def test_an_import_that_hangs_is_explained(daemon: Preforkd):
    """By its stacks, after the boot timeout."""
    daemon.configure(app="hanging:app", pool="preload = true", timeout='boot = "500ms"')
    (daemon.home / "hanging.py").write_text("import time\ntime.sleep(3600)\n")
    daemon.start(ready=False)
    assert "hanging.py" in daemon.expect("template_stuck", cause="boot timeout")["stacks"]
    assert daemon.wait() == 70


def test_a_template_that_does_not_fork_is_replaced(daemon: Preforkd):
    """It is stopped here; who waits for it is given up at the boot timeout, and so is it, and the pool recovers."""
    preloading(daemon, workers=1, timeout='boot = "1s"')
    daemon.start()
    template, worker = template_of(daemon, 1), daemon.served_by()
    os.kill(template, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    daemon.expect("template_stuck", cause="the template does not fork")
    assert gone(template)
    assert daemon.expect("worker_died", ending="the template never forked this worker")["cause"] == "boot timeout"
    template_of(daemon, 1)
    until(lambda: len(daemon.workers()) >= 2, "a template and a worker")
    assert daemon.get()[0] == 200


def test_what_does_not_survive_a_fork_is_named(daemon: Preforkd):
    """Threads and sockets that the import left behind, in the log with a hint; it serves all the same."""
    unsafe = """
import socket, threading
threading.Thread(target=threading.Event().wait, name="metrics", daemon=True).start()
LEFT = socket.socket()
LEFT.bind(("127.0.0.1", 0))
"""
    preloading(daemon, more_code=unsafe)
    daemon.start()
    found = {daemon.expect("template_not_fork_safe")["found"] for _ in range(2)}
    assert any("'metrics'" in finding for finding in found)
    assert any(finding.startswith("a socket is open: on ('127.0.0.1'") for finding in found)
    assert all("post_fork" in event["hint"] for event in daemon.events.named("template_not_fork_safe"))
    assert daemon.get()[0] == 200


def test_logs_that_were_opened_anew_are_those_of_later_workers(daemon: Preforkd):
    """The template follows USR1 as well."""
    log = daemon.home / "access.log"
    preloading(daemon, more=f'[log.access]\nfile = "{log}"\nformat = "common"')
    daemon.start()
    log.rename(daemon.home / "access.log.1")
    daemon.signal(signal.SIGUSR1)
    daemon.expect("logs_reopened")
    os.kill(daemon.served_by(), signal.SIGKILL)
    daemon.expect("worker_died")
    daemon.expect("worker_ready", worker=1)
    daemon.expect("worker_ready", worker=1)
    assert daemon.get("/later")[0] == 200
    until(lambda: "/later" in log.read_text(), "the line in the new file")


def test_an_upgrade_of_a_preloading_service_loses_nothing(daemon: Preforkd):
    """The successor is nobody's child here, and its workers are its own."""
    preloading(daemon, workers=2)
    daemon.start()
    with load(daemon.port) as clients:
        daemon.signal(signal.SIGUSR2)
        successor = daemon.successor()
        assert Path(f"/proc/{successor}/stat").read_text().rpartition(")")[2].split()[1] != str(daemon.pid)
        assert len(daemon.workers(successor)) == 3
        assert daemon.stop() == 0
        assert daemon.get()[0] == 200
    assert clients.problems == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its identity")
def test_the_template_has_the_rights_of_workers(daemon: Preforkd):
    """The application is imported by the user of the workers, never by root."""
    open_to_others(daemon.home)
    (daemon.home / "imports").touch()
    (daemon.home / "imports").chmod(0o666)
    preloading(daemon, master='user = "nobody"')
    daemon.start()
    template = template_of(daemon, 1)
    assert Path(f"/proc/{template}/status").read_text().split("Uid:")[1].split()[0] != "0"
    assert daemon.get("/identity")[1].split()[0] != b"0"


def test_an_orphan_of_an_application_is_reaped(daemon: Preforkd):
    """The master is a child subreaper now: what a worker left behind becomes its child when that ends."""
    preloading(daemon)
    daemon.start()
    status, body = daemon.get("/orphan")
    assert status == 200
    assert gone(int(body))
    until(lambda: not Path(f"/proc/{int(body)}").exists(), "it to be reaped")
