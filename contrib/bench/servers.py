"""Pure. How each server is started, as data.

The fields in braces are filled in when it is started: ``bin`` and ``python`` of the benchmark's virtual environment,
``here`` (this directory), ``home`` (a new directory for the files below), ``port`` and ``workers``.

Every server has its access log off, save the one that is about it, and keeps idle connections for longer than any
load lasts. What else is not a default is there so that it can hold 1,000 connections at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Server:
    """One row of the tables."""

    name: str
    distribution: str  # on PyPI; "prefork" is installed from this checkout
    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)  # name -> content, written to {home} before it is started
    several_workers: bool = True  # False: it has one process, of which one is measured
    closes: str = ""  # why it cannot keep a connection open
    needs: str = ""  # what its installation takes beyond pip


PREFORK = "prefork"
PREFORK_LOGGING = "prefork, access log"
GUNICORN = "gunicorn sync"

PREFORKD = ("{python}", "-m", "prefork", "-c", "{home}/prefork.toml")
PREFORK_TOML = """\
[log]
level = "warning"
format = "json"
[listen.http]
address = "127.0.0.1:{port}"
[pool.web]
app = "app:application"
workers = {workers}
directory = "{here}"
python_path = ["{here}"]
[pool.web.timeout]
keepalive = "75s"
"""
PREFORK_ACCESS_LOG = """\
[log.access]
file = "{home}/access.log"
format = "json"
"""

GUNICORN_COMMAND = ("{bin}/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "--log-level", "warning")

SERVERS = (
    Server(PREFORK, "prefork", PREFORKD, {"prefork.toml": PREFORK_TOML}),
    Server(PREFORK_LOGGING, "prefork", PREFORKD, {"prefork.toml": PREFORK_TOML + PREFORK_ACCESS_LOG}),
    Server(
        "bjoern", "bjoern", ("{python}", "{here}/serve.py", "bjoern", "{port}", "{workers}"), needs="libev-dev, gcc"
    ),
    Server("fastwsgi", "fastwsgi", ("{python}", "{here}/serve.py", "fastwsgi", "{port}", "{workers}")),
    Server(
        "granian",
        "granian",
        (
            *("{bin}/granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
            *("--workers", "{workers}", "--runtime-threads", "1", "--blocking-threads", "1"),
            *("--http", "1", "--no-ws", "--backlog", "4096", "--backpressure", "4096"),
            *("--no-access-log", "--log-level", "warning", "app:application"),
        ),
    ),
    Server(
        "gunicorn gthread",
        "gunicorn",
        (
            *GUNICORN_COMMAND,
            *("--worker-class", "gthread", "--threads", "4", "--worker-connections", "4096"),
            *("--keep-alive", "75", "app:application"),
        ),
    ),
    Server(
        GUNICORN,
        "gunicorn",
        (*GUNICORN_COMMAND, "--worker-class", "sync", "app:application"),
        closes="closes every connection after its answer",
    ),
    Server(
        "uWSGI",
        "uwsgi",
        (
            *("{bin}/uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--processes", "{workers}"),
            *("--module", "app:application", "--need-app", "--die-on-term", "--disable-logging", "--listen", "1024"),
            *("--add-header", "Connection: close"),  # it closes without saying so, which wrk would count as an error
        ),
        closes="its HTTP socket closes every connection after its answer",
        needs="gcc",
    ),
    Server(
        "waitress",
        "waitress",
        (
            *("{bin}/waitress-serve", "--listen", "127.0.0.1:{port}", "--asyncore-use-poll"),
            *("--connection-limit", "4096", "app:application"),
        ),
        several_workers=False,
    ),
)
