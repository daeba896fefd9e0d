"""The main job on real input: a Django project as a daemon, under load, through reload, rotation and upgrade."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from tests.applications.conftest import make_shop, pool_of
from tests.operator.daemon import Preforkd, children, gone, until

SECONDS = 10


class UnixClients:
    """Clients on the unix socket, on connections that they keep and on fresh ones."""

    def __init__(self, path: Path) -> None:
        self.answered = 0
        self.problems: list[str] = []
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(keep,)) for keep in ("kept", "fresh")]
        for thread in self._threads:
            thread.start()

    def _run(self, kind: str) -> None:
        client = self._client()
        while not self._stop.is_set():
            try:
                answer = client.get("/signed")
            except httpx.HTTPError as error:
                self.problems.append(f"{kind}: {error!r}")
            else:
                self.answered += 1
                if answer.status_code != 200:
                    self.problems.append(f"{kind}: {answer.status_code}")
            if kind == "fresh":
                client.close()
                client = self._client()
        client.close()

    def _client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self._path)), base_url="http://shop", timeout=30)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def events(log: Path, name: str) -> list[dict[str, object]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["event"] == name]


@pytest.mark.needs("wrk")
def test_django_under_load_through_hup_usr1_and_usr2_loses_no_request(daemon: Preforkd, tmp_path: Path):
    """daemonize, four workers, unix and TCP listeners, JSON logs, wrk running: nothing refused, reset or failed."""
    make_shop(tmp_path)
    log, access = tmp_path / "prefork.log", tmp_path / "access.log"
    daemon.log = str(log)
    daemon.configure(
        app="shop.wsgi:application",
        workers=4,
        master="daemonize = true",
        listen=f'[listen.http]\naddress = "127.0.0.1:0"\n[listen.local]\naddress = "unix:{tmp_path}/shop.sock"',
        pool=pool_of("SHOP_PLACE", tmp_path),
        more=f'[log.access]\nfile = "{access}"',
    )
    done = daemon.run()
    assert done.returncode == 0, done.stderr
    old = int(daemon.pidfile.read_text())
    port = next(e["address"] for e in events(log, "listener_opened") if e["name"] == "http").rpartition(":")[2]

    clients = UnixClients(tmp_path / "shop.sock")
    wrk = subprocess.Popen(
        ["wrk", "-t1", "-c16", f"-d{SECONDS}s", f"http://127.0.0.1:{port}/signed"], stdout=subprocess.PIPE, text=True
    )
    try:
        os.kill(old, signal.SIGHUP)
        until(lambda: events(log, "reload_done"), "the reload")
        access.rename(tmp_path / "access.log.1")
        os.kill(old, signal.SIGUSR1)
        until(lambda: events(log, "logs_reopened"), "the rotation")
        os.kill(old, signal.SIGUSR2)
        until(lambda: events(log, "upgrade_ready"), "the successor")
        os.kill(old, signal.SIGTERM)
        assert gone(old)
    finally:
        said = wrk.communicate()[0]
        clients.stop()
        print(log.read_text())

    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
    assert clients.problems == []
    assert clients.answered > 20
    new = int(daemon.pidfile.read_text())
    assert new != old
    assert len(children(new)) == 4
    os.kill(new, signal.SIGTERM)
    assert gone(new)
    assert not daemon.pidfile.exists()
    assert events(log, "worker_died") == []

    counted = int(re.search(r"(\d+) requests in", said)[1]) + clients.answered
    logged = sum(len(file.read_text().splitlines()) for file in (access, tmp_path / "access.log.1"))
    assert logged >= counted  # wrk leaves with some answered that it does not count
    assert all(json.loads(line)["status"] == 200 for line in access.read_text().splitlines())
