"""An application that runs whatever Python it is sent, and a service of two pools in which it is one."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, open_to_others

as_root = pytest.mark.skipif(os.getuid() != 0, reason="workers are another user only where the master is root")

APPLICATION = '''
"""Runs the body of a request; ``result`` is answered as JSON."""

import json


def application(environ, start_response):
    scope = {}
    try:
        exec(environ["wsgi.input"].read().decode(), scope)
        result = scope.get("result")
    except OSError as error:
        result = type(error).__name__
    body = json.dumps(result).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
'''
# Looks for a text in all of this process's memory, without holding that text: by its beginning and its digest.
SEARCH = """
    import ctypes, hashlib, re
    result = False
    for line in open("/proc/self/maps").read().splitlines():
        span, access, *_rest = line.split()
        if access[0] != "r" or "[v" in line:
            continue
        begin, end = (int(part, 16) for part in span.split("-"))
        memory = ctypes.string_at(begin, end - begin)
        for found in re.finditer(b"hidden" + b"-[0-9a-f]{32}", memory):
            result = result or hashlib.sha256(found[0]).hexdigest() == digest
        del memory
"""


HOSTS = {"web": "127.0.0.1", "shop": "127.0.0.2"}


class Secret:
    """A text that is in nobody's memory but whose environment has it, and its digest."""

    def __init__(self) -> None:
        self.text = f"hidden-{secrets.token_hex(16)}"
        self.digest = hashlib.sha256(self.text.encode()).hexdigest()


class Service:
    """A daemon with the attacker's pool ``web`` and a pool ``shop`` beside it, each with a secret in its environment."""

    def __init__(self, daemon: Preforkd) -> None:
        self.daemon = daemon
        self.own, self.others = Secret(), Secret()

    def configure(self, *, web: str = "", shop: str = "", master: str = 'user = "nobody"') -> None:
        """Write the configuration; the arguments are TOML for the two pools."""
        open_to_others(self.daemon.home)
        Path(self.daemon.home, "attacker.py").write_text(APPLICATION)
        self.daemon.configure(
            app="attacker:application",
            master=master,
            listen='[listen.web]\naddress = "127.0.0.1:0"\n[listen.shop]\naddress = "127.0.0.2:0"',
            pool=f'listen = ["web"]\nenvironment = {{ SECRET = "{self.own.text}" }}\n{web}',
            more=f'[pool.shop]\napp = "attacker:application"\ndirectory = "{self.daemon.home}"\nlisten = ["shop"]\n'
            f'environment = {{ SECRET = "{self.others.text}" }}\n{shop}',
        )

    def start(self, **popen: Any) -> Service:
        """Start it, and wait until it serves."""
        self.daemon.start(ready=False, **popen)
        self.ports = {name: self._port(name) for name in ("web", "shop")}
        self.daemon.expect("service_ready")
        return self

    def _port(self, name: str) -> int:
        return int(self.daemon.expect("listener_opened", name=name)["address"].rpartition(":")[2])

    def run(self, code: str, *, pool: str = "web", **names: object) -> Any:
        """What code in a worker of a pool leaves as ``result``; an OSError is answered by its name."""
        given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        connection = http.client.HTTPConnection(HOSTS[pool], self.ports[pool], timeout=PATIENCE)
        try:
            connection.request("POST", "/", given + textwrap.dedent(code))
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body
            return json.loads(body)
        finally:
            connection.close()

    def pid(self, pool: str = "web") -> int:
        """The pid of a worker of a pool."""
        return int(self.run("import os; result = os.getpid()", pool=pool))
