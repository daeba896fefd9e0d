"""python3 -m contrib.bench.preload: what eight workers of a Django project take, preloaded and not, beside gunicorn.

Each server is started anew and asked so often that every worker has served; then the proportional set sizes (PSS, which
counts a page that several processes share in parts) of all of its processes are added up, master and template included.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from contrib.bench import kept, machine, measure, peers
from contrib.bench.processes import HERE, Running, ServerError, members, memory, serving
from contrib.bench.report import table
from contrib.bench.servers import PREFORKD, Server

RESULTS = HERE / "RESULTS.md"
PROJECTS = HERE.parents[1] / "tests" / "applications"
WORKERS = 8
REQUESTS = 800
SETTLED = 1.0  # seconds after the last request
MIB = 1024 * 1024

PREFORK_TOML = """\
[log]
level = "warning"
[listen.http]
address = "127.0.0.1:{port}"
[pool.web]
app = "shop.wsgi:application"
workers = {workers}
python_path = ["{here}/../../tests/applications"]
"""
PRELOAD = "preload = true\n"
REFORK = "refork = [20]\n"
GUNICORN = (
    "{bin}/gunicorn",
    "--bind",
    "127.0.0.1:{port}",
    "--workers",
    "{workers}",
    "--log-level",
    "warning",
    "--pythonpath",
    "{here}/../../tests/applications",
)
APP = "shop.wsgi:application"

SERVERS = (
    Server("prefork", "prefork", PREFORKD, {"prefork.toml": PREFORK_TOML}),
    Server("prefork, preload", "prefork", PREFORKD, {"prefork.toml": PREFORK_TOML + PRELOAD}),
    Server("prefork, preload and refork", "prefork", PREFORKD, {"prefork.toml": PREFORK_TOML + PRELOAD + REFORK}),
    Server("gunicorn", "gunicorn", (*GUNICORN, APP)),
    Server("gunicorn --preload", "gunicorn", (*GUNICORN, "--preload", APP)),
)


def main() -> int:
    options = _options()
    venv = options.venv.absolute()
    measure.say(f"installing into {venv}")
    missing = peers.install(venv, [*SERVERS, Server("django", "django", ())])
    if missing:
        sys.exit("; ".join(missing.values()))
    _prepare(venv / "bin" / "python", options.home)
    totals: dict[str, list[int]] = {server.name: [] for server in SERVERS}
    for number in range(options.rounds):
        for server in SERVERS:
            measure.say(f"round {number + 1}: {server.name}")
            with contextlib.suppress(ServerError), serving(server, venv, WORKERS, None) as running:
                _warm(running)
                totals[server.name].append(total(members(running.pid)))
    text = render(totals, machine.software(peers.versions(venv), ["prefork", "gunicorn", "django"]), options.rounds)
    print(text)
    if options.output:
        kept.put(options.output, "preload", text)
    return 0


def _prepare(python: Path, home: Path) -> None:
    """The database of the project, and the environment by which it is found."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(SHOP_PLACE=str(home), DJANGO_SETTINGS_MODULE="shop.settings")
    migrate = [
        str(python),
        "-m",
        "django",
        "migrate",
        "--run-syncdb",
        "--verbosity",
        "0",
        "--pythonpath",
        str(PROJECTS),
    ]
    subprocess.run(migrate, check=True, cwd=PROJECTS)


def _warm(running: Running) -> None:
    for _ in range(REQUESTS):
        with contextlib.suppress(OSError, http.client.HTTPException):
            running.ask("/", {})
    time.sleep(SETTLED)


def total(pids: Iterable[int]) -> int:
    """Bytes, of all of these together."""
    return sum(memory(pid).pss for pid in pids)


def render(totals: dict[str, list[int]], software: str, rounds: int) -> str:
    base = median(totals[SERVERS[0].name] or [0])
    rows = []
    for name, found in totals.items():
        size = median(found) if found else 0
        rows.append([name, f"{size / MIB:.1f}" if found else "-", f"{size / base:.2f}x" if found and base else "-", ""])
    return f"""\
# Memory of eight workers of a Django project

Made by `python3 -m contrib.bench.preload` on {dt.datetime.now(dt.timezone.utc).date().isoformat()}, in one run.

- Machine: {machine.describe()}.
- Software: {software}.
- {WORKERS} workers, {REQUESTS} requests on connections of their own, {rounds} rounds, medians. The sum of the
  proportional set sizes of all processes of the service, the master and the template included.

{table(["server", "PSS MiB", "of prefork's", "notes"], rows)}
"""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m contrib.bench.preload", description=(__doc__ or "").partition(":")[2]
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is measured (3)")
    parser.add_argument("--quick", action="store_true", help="one round; nothing is kept")
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", metavar="DIR", help="the virtual environment")
    parser.add_argument("--home", type=Path, default=HERE / ".venv" / "shop", metavar="DIR", help="for its database")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the table is kept (RESULTS.md)")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    else:
        options.output = options.output or RESULTS
    return options


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit("stopped; nothing was kept")
