"""Pure. Results -> the Markdown that is printed and kept in RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from contrib.bench.figures import Results, Sample, spread
from contrib.bench.loads import CONNECTIONS, IDLE_CONNECTIONS, LOADS, Load
from contrib.bench.servers import PREFORK
from contrib.bench.targets import verdicts

GENERATOR_LIMIT = 0.97  # of its core: from here on the figures are the load generator's as much as the server's
OTHERS_LIMIT = 0.05  # of a core: what else runs on the machine shows in the figures
MIB = 1024 * 1024
NOTHING = "-"


class Facts(NamedTuple):
    """What else a reader needs in order to believe the figures."""

    date: str
    machine: str
    software: str
    load_average: float
    rounds: int
    seconds: int


def render(results: Results, servers: Sequence[str], facts: Facts) -> str:
    """The whole report; the servers are rows in this order."""
    parts = ["# prefork beside its peers", _method(facts), "## Targets", _targets(results)]
    for load in LOADS:
        parts += [f"## {load.name[0].upper()}{load.name[1:]}", load.about, _load_table(results, servers, load)]
    parts += ["## Memory of a worker", MEMORY_ABOUT, _memory_table(results, servers)]
    return "\n\n".join(parts) + "\n"


def _method(facts: Facts) -> str:
    return f"""\
Made by `python3 -m contrib.bench` on {facts.date}, in one run.

- Machine: {facts.machine}; load average at the start {facts.load_average:.2f}.
- Software: {facts.software}.
- One worker on one core, wrk with one thread and {CONNECTIONS} connections on another. The same application for all,
  access logs off save where the row says otherwise. Every answer's status and length were checked first.
- {facts.rounds} rounds; in each every server in turn is started anew, warmed up, and put under each load for
  {facts.seconds} s. Requests a second and p99 are medians over the rounds. *prefork is* says how many times the rate
  of the row prefork had in the same round: the median, the lowest and the highest. *CPU* is the processor time that
  the server used for one answer."""


MEMORY_ABOUT = """\
The mean over four workers, after every load above that keeps its connections: USS is what is the worker's own, PSS adds
its share of what it has in common with others. Servers that import the application before they fork (bjoern, fastwsgi,
uWSGI) have less of their own; waitress has one process."""


def _targets(results: Results) -> str:
    words = {True: "reached", False: "**missed**", None: "not measured"}
    rows = [[verdict.what, verdict.wanted, verdict.measured, words[verdict.reached]] for verdict in verdicts(results)]
    return table(["target", "wanted", "measured", ""], rows)


def _load_table(results: Results, servers: Sequence[str], load: Load) -> str:
    rows = [_load_row(results, server, load) for server in servers]
    return table(["server", "requests/s", "min..max", "p99 ms", "CPU us", "prefork is", "notes"], rows)


def _load_row(results: Results, server: str, load: Load) -> list[str]:
    samples = results.of(server, load.name)
    rates = spread([sample.rate for sample in samples])
    p99, cpu = spread([sample.p99 for sample in samples]), spread([sample.cpu for sample in samples])
    if not rates or not p99 or not cpu:
        return [server, *[NOTHING] * 5, results.reasons.get((server, load.name), "not measured")]
    ratio = results.ratio(PREFORK, server, load.name)
    return [
        server,
        f"{rates.median:,.0f}",
        f"{rates.low:,.0f}..{rates.high:,.0f}",
        f"{p99.median:.2f}",
        f"{cpu.median:.1f}",
        f"{ratio.median:.2f}x ({ratio.low:.2f}..{ratio.high:.2f})" if ratio and server != PREFORK else NOTHING,
        "; ".join(_notes(samples, results.reasons.get((server, load.name)))),
    ]


def _notes(samples: Sequence[Sample], reason: str | None) -> Iterator[str]:
    """What a reader must know before believing the row."""
    if errors := sum(sample.errors for sample in samples):
        yield f"{errors} errors"
    if lost := max(sample.lost for sample in samples):
        yield f"closed {lost} of {IDLE_CONNECTIONS} idle connections"
    if any(sample.generator > GENERATOR_LIMIT for sample in samples):
        yield "wrk was at its limit"
    if (others := max(sample.others for sample in samples)) > OTHERS_LIMIT:
        yield f"other processes took up to {others:.0%} of a core"
    if reason:
        yield f"a round failed: {reason}"


def _memory_table(results: Results, servers: Sequence[str]) -> str:
    rows = []
    ours = results.memory.get(PREFORK)
    for server in servers:
        memory = results.memory.get(server)
        if not memory:
            rows.append([server, *[NOTHING] * 4, results.no_memory.get(server, "not measured")])
            continue
        ratios = [f"{ours.uss / memory.uss:.2f}x", f"{ours.pss / memory.pss:.2f}x"] if ours else [NOTHING] * 2
        notes = "" if memory.workers > 1 else "one process"
        rows.append([server, f"{memory.uss / MIB:.1f}", f"{memory.pss / MIB:.1f}", *ratios, notes])
    return table(["server", "USS MiB", "PSS MiB", "prefork's USS is", "prefork's PSS is", "notes"], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that reads as well unrendered; the first column and the last are flush left."""
    cells = [list(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    left = {0, len(head) - 1}

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if i in left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])
