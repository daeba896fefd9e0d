"""Two machines behind HAProxy, and a new version that comes to one after the other while clients ask."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.operator.daemon import PATIENCE, until
from tests.packaging.conftest import machine_of
from tests.packaging.machine import Machine
from tests.packaging.packages import NEWER, REPOSITORY, THIS, Packages
from tests.packaging.service import CONFIG, Service
from tests.packaging.test_proxies import replaced


class Balancer:
    """A network namespace with HAProxy in it, and a cable to each machine."""

    def __init__(self, stack: ExitStack, scratch: Path, machines: list[Machine]) -> None:
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        stack.callback(holder.wait)
        stack.callback(holder.kill)
        self._enter = ["nsenter", "--target", str(holder.pid), "--net"]
        own = Path("/proc/self/ns/net").readlink()
        until(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink() != own, "the namespace")
        self._ip("link", "set", "lo", "up")
        for number, machine in enumerate(machines, start=1):
            self._ip("link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", str(machine.first))
            self._ip("address", "add", f"10.0.{number}.1/24", "dev", f"to{number}")
            self._ip("link", "set", f"to{number}", "up")
            machine.run("ip", "address", "add", f"10.0.{number}.2/24", "dev", "eth0")
            machine.run("ip", "link", "set", "eth0", "up")
        file = scratch / "haproxy.cfg"
        addresses = (("10.0.0.11:8000", "10.0.1.2:8000"), ("10.0.0.12:8000", "10.0.2.2:8000"))
        file.write_text(replaced(REPOSITORY / "contrib/haproxy/haproxy.cfg", *addresses))
        haproxy = subprocess.Popen([*self._enter, "/usr/sbin/haproxy", "-f", str(file)], stdout=subprocess.DEVNULL)
        stack.callback(haproxy.wait, PATIENCE)
        stack.callback(haproxy.terminate)

    def _ip(self, *command: str) -> None:
        subprocess.run([*self._enter, "ip", *command], check=True)

    def versions(self, requests: int = 10) -> set[str]:
        """Those that answer."""
        command = ["curl", "--silent", "--max-time", "10", f"http://127.0.0.1/version?[1-{requests}]"]
        said = subprocess.run([*self._enter, *command, "-w", "\n"], capture_output=True, text=True, check=False)
        return set(said.stdout.split())

    def clients(self) -> subprocess.Popen[str]:
        command = [*self._enter, sys.executable, "-m", "tests.packaging.load", "80", "/"]
        return subprocess.Popen(command, cwd=REPOSITORY, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def machines(tmp_path: Path, packages: Packages) -> Iterator[list[Machine]]:
    with ExitStack() as stack:
        both = []
        for name in ("one", "two"):
            machine = stack.enter_context(machine_of("trixie", tmp_path / name))
            machine.install(packages.deb())
            service = Service(machine)
            service.begin()
            service.configure(CONFIG.replace("127.0.0.1:8000", "0.0.0.0:8000"))
            service.ctl("restart")
            both.append(machine)
        yield both


@pytest.mark.needs("curl", "haproxy")
def test_a_rolling_upgrade_fails_nobody(machines: list[Machine], packages: Packages, tmp_path: Path):
    """Host by host, and then a restart of each."""
    with ExitStack() as stack:
        balancer = Balancer(stack, tmp_path, machines)
        until(lambda: balancer.versions() == {THIS}, "both to answer")
        clients = balancer.clients()
        assert clients.stdout is not None
        assert clients.stdout.readline() == "serving\n"
        said = machines[0].install(packages.deb(NEWER))
        assert "handed over" in said
        assert balancer.versions() == {THIS, NEWER}
        assert "handed over" in machines[1].install(packages.deb(NEWER))
        assert balancer.versions() == {NEWER}
        for machine in machines:
            machine.run("systemctl", "restart", "preforkd")
        lost = json.loads(clients.communicate("", timeout=PATIENCE * 2)[0])
    assert lost["problems"] == []
    assert lost["answered"] > 100
