"""contrib/nginx and contrib/haproxy as they are written, with real proxies in front of a real daemon."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contrib.bench.clients import load
from prefork.config.load import load as load_config
from tests.gestures.conftest import answered
from tests.needs import needs
from tests.operator.daemon import PATIENCE, Preforkd, until
from tests.packaging.packages import REPOSITORY

APP = """
def app(environ, start_response):
    body = " ".join(environ.get(name, "-") for name in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def replaced(path: Path, *changes: tuple[str, str]) -> str:
    """A file of contrib, with what differs on this machine."""
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A proxy in the foreground, until the test is over."""

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        until(answers, f"{command[0]} to answer")
        yield
    finally:
        process.terminate()
        print(process.communicate(timeout=PATIENCE)[0])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=["nginx", "haproxy"])
def proxied(request: pytest.FixtureRequest, daemon: Preforkd, tmp_path: Path, port: int) -> Iterator[Preforkd]:
    """A daemon as the comment in the proxy's file says, and the proxy; ``daemon.port`` leads to the proxy."""
    needs(request.param)
    (tmp_path / "app.py").write_text(APP)
    if request.param == "nginx":
        daemon.configure(app="app:app", workers=2, listen=f'[listen.web]\naddress = "unix:{tmp_path}/web.sock"')
        daemon.start(ready=False)
        daemon.expect("service_ready")
        site = replaced(
            REPOSITORY / "contrib/nginx/prefork.conf",
            ("unix:/run/prefork/web.sock;\n", f"unix:{tmp_path}/web.sock;\n"),
            ("listen 80;", f"listen 127.0.0.1:{port};"),
        )
        file = tmp_path / "nginx.conf"
        within = (
            f"error_log stderr; pid {tmp_path}/nginx.pid; daemon off; user root; events {{}} http {{ access_log off;\n"
        )
        file.write_text(f"{within}{site}}}\n")
        command = ["/usr/sbin/nginx", "-c", str(file), "-p", str(tmp_path)]
        assert subprocess.run([*command, "-t"], capture_output=True, check=False).returncode == 0
    else:
        daemon.configure(app="app:app", workers=2, timeout='keepalive = "60s"')
        daemon.start()
        site = replaced(
            REPOSITORY / "contrib/haproxy/haproxy.cfg",
            ("bind :80", f"bind 127.0.0.1:{port}"),
            ("server one 10.0.0.11:8000", f"server one 127.0.0.1:{daemon.port}"),
            ("    server two 10.0.0.12:8000\n", ""),
        )
        file = tmp_path / "haproxy.cfg"
        file.write_text(site)
        command = ["/usr/sbin/haproxy", "-f", str(file)]
        assert subprocess.run([*command, "-c"], capture_output=True, check=False).returncode == 0
    with running(command, port):
        daemon.port = port
        yield daemon


@pytest.mark.parametrize("name", ["nginx/prefork.conf", "haproxy/haproxy.cfg"])
def test_what_its_comment_says_of_prefork_is_understood(name: str, tmp_path: Path):
    """The lines for /etc/prefork.toml."""
    said = re.findall(r"^#     ((?:\[|\w+ = ).*)", (REPOSITORY / "contrib" / name).read_text(), re.MULTILINE)
    assert said
    file = tmp_path / "prefork.toml"
    file.write_text("\n".join([*said, "[pool.web]", 'app = "app:app"']))
    assert load_config(str(file)).pool["web"].app == "app:app"


def test_the_application_sees_the_client(proxied: Preforkd):
    """Its address and its scheme, and the host that it asked for."""
    assert proxied.get("/", Host="shop.example") == (200, b"127.0.0.1 http shop.example")
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil",
        "Forwarded": "host=evil",
    }
    assert proxied.get("/", Host="shop.example", **forged) == (200, b"127.0.0.1 http shop.example")


def test_nobody_behind_it_loses_anything(proxied: Preforkd):
    """By reloads, by scaling, by an upgrade: not one error of the proxy's."""
    with load(proxied.port) as clients:
        answered(clients, 20)
        for generation in (2, 3):
            proxied.signal(signal.SIGHUP)
            proxied.expect("reload_done", generation=generation)
        proxied.signal(signal.SIGTTIN)
        proxied.signal(signal.SIGTTOU)
        answered(clients, clients.answered + 20)
        proxied.signal(signal.SIGUSR2)
        new = proxied.successor()
        assert proxied.stop() == 0
        answered(clients, clients.answered + 20)
    assert clients.problems == []
    proxied.signal(signal.SIGTERM, new)
