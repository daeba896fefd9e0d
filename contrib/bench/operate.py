"""python3 -m contrib.bench.operate: does to prefork and to gunicorn what operators do, and counts what clients lose.

Four clients ask without a pause, two on connections that they keep and two on a fresh one for each request, before,
during and after each gesture. Needs Linux and Python 3.10 or later; run it from the top of a checkout.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from contrib.bench import kept, machine, measure, peers
from contrib.bench.clients import load
from contrib.bench.gestures import GESTURES, SHOP, WORKERS, Gesture, Service
from contrib.bench.processes import HERE, ServerError, serving
from contrib.bench.report import table
from contrib.bench.servers import PREFORKD, Server

RESULTS = HERE / "RESULTS.md"
CALM = 0.5  # seconds of load before a gesture, and after it

PREFORK_TOML = """\
[log]
level = "warning"
[listen.http]
address = "127.0.0.1:{port}"
[pool.web]
app = "shop:application"
workers = {workers}
directory = "{home}"
"""
PREFORK_RECYCLING = "[pool.web.recycle]\nrequests = 50\n"
GUNICORN_CONF = """\
bind = "127.0.0.1:{port}"
workers = {workers}
chdir = "{home}"
pidfile = "{home}/pid"
loglevel = "critical"
"""
GUNICORN_RECYCLING = "max_requests = 50\n"
GTHREAD = 'worker_class = "gthread"\nthreads = 2\nkeepalive = 75\n'
GUNICORN = ("{bin}/gunicorn", "-c", "{home}/conf.py", "shop:application")


@dataclass(frozen=True)
class Contender:
    name: str
    distribution: str
    command: tuple[str, ...]
    file: str
    config: str
    recycling: str

    def server(self, *, recycles: bool) -> Server:
        files = {self.file: self.config + (self.recycling if recycles else ""), "shop.py": braced(SHOP)}
        return Server(self.name, self.distribution, self.command, files)


def braced(text: str) -> str:
    """The files of a server are filled in."""
    return text.replace("{", "{{").replace("}", "}}")


CONTENDERS = (
    Contender("prefork", "prefork", PREFORKD, "prefork.toml", PREFORK_TOML, PREFORK_RECYCLING),
    Contender("gunicorn gthread", "gunicorn", GUNICORN, "conf.py", GUNICORN_CONF + GTHREAD, GUNICORN_RECYCLING),
    Contender("gunicorn sync", "gunicorn", GUNICORN, "conf.py", GUNICORN_CONF, GUNICORN_RECYCLING),
)


@dataclass
class Outcome:
    """Of all rounds of one gesture at one server."""

    lost: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    slowest: list[float] = field(default_factory=list)  # seconds, one a round
    notes: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.lost.most_common())
        lost = f"**{self.lost.total():,}** ({kinds})" if self.lost else "0"
        return [lost, f"{median(self.slowest) * 1000:,.0f}" if self.slowest else "-"]


def play(contender: Contender, gesture: Gesture, venv: Path, outcome: Outcome) -> None:
    """One gesture at a server of its own."""
    with serving(contender.server(recycles=gesture.recycles), venv, WORKERS, None) as running:
        service = Service(running, contender.file)
        with load(running.port) as clients:
            time.sleep(CALM)
            began = time.monotonic()
            gesture.act(service)
            if "refused" not in gesture.expected:
                time.sleep(CALM)
        outcome.lost += Counter({kind: n for kind, n in clients.lost.items() if kind not in gesture.expected})
        outcome.answered += clients.answered
        outcome.slowest.append(clients.slowest(since=began))
        outcome.notes += service.notes


def main() -> int:
    options = _options()
    venv = options.venv.absolute()
    measure.say(f"installing into {venv}")
    missing = peers.install(venv, [contender.server(recycles=False) for contender in CONTENDERS])
    if missing:
        sys.exit("; ".join(missing.values()))
    gestures = [gesture for gesture in GESTURES if not options.only or gesture.name in options.only]
    outcomes = {(c.name, g.name): Outcome() for c in CONTENDERS for g in gestures}
    for number in range(options.rounds):
        for gesture in gestures:
            for contender in CONTENDERS:
                measure.say(f"round {number + 1}: {gesture.name}: {contender.name}")
                outcome = outcomes[contender.name, gesture.name]
                try:
                    play(contender, gesture, venv, outcome)
                except ServerError as error:
                    outcome.notes.append(str(error))
    software = machine.software(peers.versions(venv), ["prefork", "gunicorn"])
    text = render(outcomes, gestures, options.rounds, software)
    print(text)
    if options.output:
        kept.put(options.output, "operation", text)
    return 0


def render(outcomes: dict[tuple[str, str], Outcome], gestures: list[Gesture], rounds: int, software: str) -> str:
    head = ["gesture", *(cell for c in CONTENDERS for cell in (f"{c.name}: lost", "slowest ms")), "notes"]
    rows = [
        [
            gesture.name,
            *(cell for c in CONTENDERS for cell in outcomes[c.name, gesture.name].cells()),
            "; ".join(
                f"{c.name}: {note}" for c in CONTENDERS for note in dict.fromkeys(outcomes[c.name, gesture.name].notes)
            ),
        ]
        for gesture in gestures
    ]
    answered = ", ".join(f"{c.name} {sum(outcomes[c.name, g.name].answered for g in gestures):,}" for c in CONTENDERS)
    return f"""\
# What clients lose when an operator does something

Made by `python3 -m contrib.bench.operate` on {dt.datetime.now(dt.timezone.utc).date().isoformat()}, in one run.

- Machine: {machine.describe()}.
- Software: {software}.
- {WORKERS} workers; {rounds} rounds, each gesture at a server of its own, in turn.
  Requests answered in all: {answered}.
- Lost: *refused* found nobody; *reset* and *cut* lost a connection before or within the answer; *raced* met the close
  of a kept connection; *late* had no answer in 30 s; *status* was answered with an error. After TERM being refused is
  no loss. The slowest request that began with the gesture or later is the median over the rounds.
- The gestures wait for processes, not for what a server says of itself, and are the same for all. gunicorn's sync
  worker keeps no connection.

{table(head, rows)}
"""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m contrib.bench.operate", description=(__doc__ or "").partition(":")[2]
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each gesture is made (3)")
    parser.add_argument("--only", action="append", metavar="GESTURE", help="this gesture; nothing is kept")
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", metavar="DIR", help="the virtual environment")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the table is kept (RESULTS.md)")
    options = parser.parse_args()
    names = [gesture.name for gesture in GESTURES]
    for name in options.only or []:
        if name not in names:
            parser.error(f'--only "{name}": there are {"; ".join(names)}')
    if not options.only:
        options.output = options.output or RESULTS
    return options


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit("stopped; nothing was kept")
