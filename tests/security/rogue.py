"""An application that does what it is told in a request, and a daemon of root's that serves it as another user."""

from __future__ import annotations

import http.client
import os
import pwd

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, open_to_others

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can have workers of another user")
USER = "nobody"
APPLICATION = """
import io, contextlib, traceback

def application(environ, start_response):
    code = environ["wsgi.input"].read().decode()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            exec(code, {})
        except BaseException:
            print(traceback.format_exc())
    body = said.getvalue().encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def uid() -> int:
    return pwd.getpwnam(USER).pw_uid


def prepare(daemon: Preforkd, *, workers: int = 1, master: str = "", user: str = USER, **config: str) -> None:
    """Write the application and the configuration; its workers are another user, unless that is empty."""
    open_to_others(daemon.home)
    (daemon.home / "rogue.py").write_text(APPLICATION)
    daemon.configure(
        workers=workers, app="rogue:application", master=(f'user = "{user}"\n' if user else "") + master, **config
    )


def attack(daemon: Preforkd, code: str) -> str:
    """Have a worker run this, and give what it printed."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    try:
        connection.request("POST", "/", code.encode())
        return connection.getresponse().read().decode()
    finally:
        connection.close()
