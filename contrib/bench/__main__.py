"""python3 -m contrib.bench: installs the peers, measures prefork beside them, prints the tables and keeps them.

Needs Linux, Python 3.10 or later, two cores and wrk. Run it from the top of a checkout, on a machine that does
nothing else. Whatever happens, it leaves no process behind; the virtual environment stays for the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from contrib.bench import kept, machine, measure, peers, report
from contrib.bench.figures import Results
from contrib.bench.loads import LOADS
from contrib.bench.processes import HERE, Cores
from contrib.bench.servers import PREFORK, SERVERS, Server

RESULTS = HERE / "RESULTS.md"


def main() -> int:
    options = _options()
    _stop_cleanly()
    servers = [server for server in SERVERS if not options.only or server.name in {PREFORK, *options.only}]
    measure.say(f"installing into {options.venv}")
    missing = peers.install(options.venv, servers)
    measurable = [server for server in servers if server.distribution not in missing]
    facts = _facts(options, servers)
    results = measure.run(measure.Plan(measurable, options.rounds, options.seconds, options.cores, options.venv))
    _add_missing(results, servers, missing)
    text = report.render(results, [server.name for server in servers], facts)
    print(text)
    if options.output:
        kept.put(options.output, "rates", text)
        measure.say(f"kept in {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m contrib.bench", description=(__doc__ or "").partition(":")[2])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each server has its turn (5)")
    parser.add_argument("--seconds", type=int, default=3, metavar="N", help="how long each load lasts (3)")
    parser.add_argument("--quick", action="store_true", help="one round of one second; nothing is kept")
    parser.add_argument("--only", action="append", metavar="NAME", help="this server and prefork; nothing is kept")
    parser.add_argument("--cores", type=_cores, metavar="LOAD,SERVER", help="two cores (the first and the last)")
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", metavar="DIR", help="the virtual environment")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the tables are kept (RESULTS.md)")
    options = parser.parse_args()
    _check(parser, options)
    if options.quick:
        options.rounds, options.seconds = 1, 1
    elif not options.only:
        options.output = options.output or RESULTS
    options.venv = options.venv.absolute()
    options.cores = options.cores or Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What would otherwise fail in the middle."""
    for tool, package in {"wrk": "wrk", "taskset": "util-linux"}.items():
        if not shutil.which(tool):
            parser.error(f"{tool} is missing (on Debian: apt install {package})")
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed: one for the server, one for the load")
    names = [server.name for server in SERVERS]
    for name in options.only or []:
        if name not in names:
            parser.error(f"--only {name}: there are {', '.join(names)}")


def _cores(text: str) -> Cores:
    load, server = (int(part) for part in text.split(","))
    if not {load, server} <= os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"this process may not use both {load} and {server}")
    return Cores(load, server)


def _facts(options: argparse.Namespace, servers: list[Server]) -> report.Facts:
    distributions = list(dict.fromkeys(server.distribution for server in servers))
    return report.Facts(
        date=dt.datetime.now(dt.timezone.utc).date().isoformat(),
        machine=machine.describe(),
        software=machine.software(peers.versions(options.venv), distributions),
        load_average=os.getloadavg()[0],
        rounds=options.rounds,
        seconds=options.seconds,
    )


def _add_missing(results: Results, servers: list[Server], missing: dict[str, str]) -> None:
    """The rows of what could not be installed."""
    for server in servers:
        if reason := missing.get(server.distribution):
            results.no_memory[server.name] = reason
            for load in LOADS:
                results.miss(server.name, load.name, reason)


def _stop_cleanly() -> None:
    """The first INT or TERM unwinds through everything that was started; another must not interrupt that."""

    def stop(_signum: int, _frame: FrameType | None) -> NoReturn:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit("stopped; nothing was kept")
