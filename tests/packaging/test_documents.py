"""Every command of the README, the manual pages and contrib, run as it is written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needs import needs, skip
from tests.operator.daemon import PATIENCE, until
from tests.packaging.conftest import machine_of
from tests.packaging.documents import commands
from tests.packaging.machine import Machine, hindrance
from tests.packaging.packages import REPOSITORY, THIS, Packages
from tests.packaging.service import CONFIG, SHOP

# What is run elsewhere, and where.
QUICK_START = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/preforkd -c prefork.toml.example"
SUITE = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest"
ELSEWHERE = {
    QUICK_START: "test_the_quick_start",
    "preforkd -c prefork.toml.example": "test_the_quick_start",
    "preforkd -c prefork.toml.example -t": "test_the_quick_start",
    SUITE: ".ci/run, of which this is a part",
    "rpm -i prefork-0.1.0-1.x86_64.rpm": "test_rpm.py, with rpm -U",
    "podman build -t shop .": "test_container.py, with a base that needs no registry",
    "podman run --name shop -p 8000:8000 shop": "test_container.py, without a network",
    "podman kill --signal HUP shop": "test_container.py",
    "podman stop --time 40 shop": "test_container.py",
    "kubectl apply -f shop.yaml": "there is no cluster; test_kubernetes.py asks the schemas",
    "preforkctl - control a running preforkd": "no command but the name of a page",
    "preforkd - serve Python web applications from pre-forked workers": "the same",
}

# And the row that each of these finds a figure for.
BENCHMARKS = {
    'python3 -m contrib.bench --quick --only "gunicorn sync"': "prefork",
    "python3 -m contrib.bench.operate --only TERM": "TERM",
    "python3 -m contrib.bench.preload --quick": "prefork",
}


class Operator:
    """Types commands into a machine, in order; ``done`` is what has been typed."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.done: list[str] = []
        self._environment = "export PIP_FIND_LINKS=/wheels PIP_NO_INDEX=1 PATH=$PATH:/usr/local/bin:/root/prefork/contrib; cd /root/prefork"

    def types(self, *lines: str, between: str = "") -> str:
        """One command, or lines that belong together; what they print. They must succeed."""
        self.done += lines
        script = f"\n{between}\n".join(lines)
        return self.machine.sh(f"set -e\n{self._environment}\n{script}").stdout


@contextmanager
def preforkd(directory: Path, command: str) -> Iterator[Callable[[str], str]]:
    """A command that serves, in a network of its own; gives a way to ask it."""
    up = f"ip link set lo up && exec {command}"
    process = subprocess.Popen(["unshare", "--net", "sh", "-c", up], cwd=directory, stderr=subprocess.PIPE, text=True)

    def ask(path: str) -> str:
        curl = ["curl", "--silent", f"http://127.0.0.1:8000{path}"]
        inside = ["nsenter", "--target", str(process.pid), "--net", *curl]
        return subprocess.run(inside, capture_output=True, text=True, check=False).stdout

    try:
        until(lambda: ask("/"), "an answer")
        yield ask
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def test_every_command_is_known_here():
    """One that is added to a document is added here."""
    shown = {command for found in commands().values() for command in found}
    typed = {command for command in ELSEWHERE if command in shown}
    assert shown - typed == {*DAY, *BENCHMARKS}
    assert typed == set(ELSEWHERE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh one."""
    needs("git")
    tracked = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


@pytest.mark.needs("curl")
def test_the_quick_start(checkout: Path):
    """Word for word; the last part serves until it is stopped."""
    skip(hindrance())
    make, install, serve = QUICK_START.split(" && ")
    subprocess.run(f"{make} && {install} -qq", shell=True, cwd=checkout, check=True)
    with preforkd(checkout, serve) as ask:
        assert "prefork is serving" in ask("/")
    checked = subprocess.run(
        f".venv/bin/{'preforkd -c prefork.toml.example -t'}",
        shell=True,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout == "ok\n"


@pytest.mark.needs("wrk")
def test_the_benchmarks(checkout: Path):
    """They install what they need, measure, say what they found and keep nothing."""
    results = (checkout / "contrib/bench/RESULTS.md").read_text()
    for command, measured in BENCHMARKS.items():
        ran = subprocess.run(command, shell=True, cwd=checkout, capture_output=True, text=True, check=True)
        assert re.search(rf"^\| {measured} +\| +[0-9]", ran.stdout, re.MULTILINE), ran.stdout
    assert (checkout / "contrib/bench/RESULTS.md").read_text() == results


# The commands of the day below.
DAY = (
    "python3 -m venv /opt/prefork",
    "/opt/prefork/bin/pip install prefork",
    "/opt/prefork/bin/preforkd -c /etc/prefork.toml -t",
    "apt install ./prefork_0.1.0-1_amd64.deb",
    "editor /etc/prefork.toml",
    "preforkd -t && systemctl enable --now preforkd",
    "preforkctl reload --wait",
    'preforkctl reload --wait || echo "the old one keeps serving"',
    "preforkd -c prefork.toml --plan --against /etc/prefork.toml",
    "old=$(preforkctl --json status | jq .pid)",
    "preforkctl upgrade --keep --wait",
    'kill -TERM "$old"',
    "systemctl reload preforkd || journalctl -u preforkd -n 20",
    "systemctl status preforkd",
    "preforkctl -c /etc/shop.toml scale web 8",
    "preforkctl dump web/2",
    "preforkctl --json status | jq .generation",
    "preforkd -t",
    "systemctl reload preforkd",
    "contrib/upgrade -c /etc/prefork.toml -k 'curl --fail --silent http://127.0.0.1:8000/' /opt/prefork prefork==0.1.0",
    "upgrade /opt/prefork prefork==0.1.0",
    "upgrade -k 'curl --fail http://127.0.0.1:8000/health' /opt/prefork ./prefork-0.1.0-py3-none-any.whl",
)


@pytest.fixture
def operator(tmp_path: Path, packages: Packages) -> Iterator[Operator]:
    """At a machine with the package beside the checkout."""
    with machine_of("trixie", tmp_path / "trixie", {packages.wheels(): "/wheels"}) as machine:
        machine.write("/srv/shop/shop.py", SHOP)
        machine.write("/root/prefork/contrib/upgrade", (REPOSITORY / "contrib/upgrade").read_text())
        machine.sh("chmod +x /root/prefork/contrib/upgrade")
        shutil.copy(packages.deb(), machine.files / "root/prefork" / f"prefork_{THIS}-1_amd64.deb")
        [wheel] = packages.wheels().glob("prefork-*.whl")
        shutil.copy(wheel, machine.files / "root/prefork")
        # The editor of one who knows what to write.
        machine.write("/tmp/wanted.toml", CONFIG)
        machine.write("/usr/local/bin/editor", '#!/bin/sh\ncp /tmp/wanted.toml "$1"\n')
        machine.sh("chmod +x /usr/local/bin/editor")
        yield Operator(machine)


def test_a_day_of_an_operator(operator: Operator):
    """From the package to the upgrade; then the same without packages."""
    machine, types = operator.machine, operator.types
    assert "not started" in machine.sh("cd /root/prefork && apt install -y ./prefork_0.1.0-1_amd64.deb 2>&1").stdout
    types("apt install ./prefork_0.1.0-1_amd64.deb")  # there is nothing more to do, and nothing is asked
    types("editor /etc/prefork.toml")
    assert types("preforkd -t && systemctl enable --now preforkd") == "ok\n"
    assert machine.get() == "hello"
    assert types("preforkctl reload --wait").splitlines()[-1] == "reloaded: generation 2, 2 workers"
    types('preforkctl reload --wait || echo "the old one keeps serving"')
    machine.write("/root/prefork/prefork.toml", CONFIG.replace("workers = 2", "workers = 3"))
    assert "pool.web.workers" in types("preforkd -c prefork.toml --plan --against /etc/prefork.toml")
    old = machine.property("preforkd", "MainPID")
    types(
        "old=$(preforkctl --json status | jq .pid)",
        "preforkctl upgrade --keep --wait",
        'kill -TERM "$old"',
    )
    machine.await_property("preforkd", "MainPID", lambda value: value != old)
    types("systemctl reload preforkd || journalctl -u preforkd -n 20")
    assert "2 of 2 workers ready" in types("systemctl status preforkd")
    machine.write("/etc/shop.toml", CONFIG)
    types("preforkctl -c /etc/shop.toml scale web 8")
    assert "web/2" in types("preforkctl dump web/2")
    assert int(types("preforkctl --json status | jq .generation")) >= 2
    assert types("preforkd -t") == "ok\n"
    types("systemctl reload preforkd")
    machine.run("systemctl", "disable", "--now", "preforkd")

    types("python3 -m venv /opt/prefork")
    types("/opt/prefork/bin/pip install prefork")
    assert types("/opt/prefork/bin/preforkd -c /etc/prefork.toml -t") == "ok\n"
    machine.sh("rm -r /opt/prefork")
    assert "nothing runs" in types("upgrade /opt/prefork prefork==0.1.0")
    machine.sh("/opt/prefork/current/bin/preforkd -c /etc/prefork.toml --daemon")
    old = machine.read("/run/prefork/preforkd.pid")
    said = types(DAY[-3])
    assert "done: master" in said
    assert machine.read("/run/prefork/preforkd.pid") != old
    assert "done: master" in types(DAY[-1])
    machine.sh("/opt/prefork/current/bin/preforkctl stop --wait")
    assert sorted(operator.done) == sorted(DAY)


def test_what_is_said_of_the_unit_and_the_journal(operator: Operator):
    """The commands within sentences of the README."""
    readme = (REPOSITORY / "README.md").read_text()
    operator.machine.sh("cd /root/prefork && apt install -y ./prefork_0.1.0-1_amd64.deb")
    operator.machine.write("/etc/prefork.toml", CONFIG.replace("/var/log/prefork/prefork.log", "journal"))
    operator.machine.run("systemctl", "start", "preforkd")
    assert "`systemd-analyze security preforkd` says at most 1.9" in readme
    operator.machine.run("systemd-analyze", "security", "preforkd", "--no-pager", "--threshold=19")
    assert "`journalctl PREFORK_EVENT=worker_died`" in readme
    worker = json.loads(operator.machine.run("preforkctl", "--json", "status").stdout)["workers"][0]["pid"]
    operator.machine.run("kill", "-KILL", str(worker))
    found = "journalctl PREFORK_EVENT=worker_died --output=cat"
    until(lambda: "signal SIGKILL" in operator.machine.run(*found.split()).stdout, "the death in the journal")
