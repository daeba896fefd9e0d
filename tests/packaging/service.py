"""The packaged service in a machine: the shop that it serves, its configuration, and its way back to the beginning."""

from __future__ import annotations

import subprocess

from tests.operator.daemon import until
from tests.packaging.machine import Machine

SHOP = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"hello"
    if path == "/wait":
        (HERE / "waiting").touch()
        while not (HERE / "go").exists():
            time.sleep(0.01)
        body = b"waited"
    elif path == "/version":
        import prefork
        body = prefork.__version__.encode()
    elif path == "/user":
        body = f"{os.getuid()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""

CONFIG = """
[master]
pidfile = "/run/prefork/preforkd.pid"
[log]
file = "/var/log/prefork/prefork.log"
[log.access]
file = "/var/log/prefork/access.log"
[control]
socket = "/run/prefork/control.sock"
[listen.http]
address = "127.0.0.1:8000"
[pool.web]
app = "shop:app"
directory = "/srv/shop"
workers = 2
"""


WITHOUT_CONTROL = CONFIG.replace('[control]\nsocket = "/run/prefork/control.sock"\n', "")


class Service:
    """preforkd.service."""

    unit = "preforkd"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def configure(self, text: str = CONFIG) -> None:
        self.machine.write("/etc/prefork.toml", text)

    def begin(self) -> None:
        """Configured, and started."""
        self.machine.write("/srv/shop/shop.py", SHOP)
        self.machine.sh("chown -R prefork /srv/shop")
        self.configure()
        self.ctl("start")

    def ctl(self, *command: str, check: bool = True) -> tuple[int, str]:
        """``systemctl COMMAND preforkd``: its exit status, and what it said."""
        done = self.machine.run("systemctl", *command, self.unit, check=check)
        return done.returncode, done.stdout + done.stderr

    @property
    def master(self) -> int:
        return int(self.machine.property(self.unit, "MainPID"))

    @property
    def status(self) -> str:
        return self.machine.property(self.unit, "StatusText")

    @property
    def state(self) -> str:
        return self.machine.property(self.unit, "ActiveState")

    def upgrade_by_hand(self) -> int:
        """USR2, until two masters serve; the pid of the old one."""
        old = self.master
        self.machine.run("kill", "-USR2", str(old))
        until(lambda: " ready" in self.status.partition("new master")[2], "the successor")
        return old

    def request_in_hand(self) -> subprocess.Popen[str]:
        """The client of one that is answered with "waited" when there is a file ``/srv/shop/go``."""
        client = self.machine.in_its_network(["curl", "--silent", "http://127.0.0.1:8000/wait"])
        until((self.machine.files / "srv/shop/waiting").exists, "the request")
        return client

    def journal_has(self, text: str) -> None:
        """Soon: the journal is written by another process."""
        until(lambda: text.lower() in self.machine.journal(self.unit).lower(), f"{text!r} in the journal")

    def drop_in(self, text: str) -> None:
        """What ``systemctl edit`` writes."""
        self.machine.write(f"/run/systemd/system/{self.unit}.service.d/test.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def end(self) -> None:
        """As before ``begin``."""
        self.machine.run("systemctl", "stop", "preforkd.socket", self.unit, check=False)
        self.machine.run("systemctl", "reset-failed", check=False)
        self.machine.sh("rm -rf /run/systemd/system/preforkd* /srv/shop /var/log/prefork/*; systemctl daemon-reload")
        self.machine.sh("journalctl --rotate --vacuum-time=1s", check=False)
