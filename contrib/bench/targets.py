"""Pure. What prefork has to reach beside its peers, and whether it did.

A target on rates holds for the plain GET and for the one whose headers vary: a cache must not be what reaches it. It
is judged by the median; the lowest and highest ratio of the rounds stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from contrib.bench.figures import Results, Spread
from contrib.bench.loads import PLAIN, VARYING, Load
from contrib.bench.servers import GUNICORN, PREFORK, PREFORK_LOGGING

FASTER_THAN = {GUNICORN: 8.0, "granian": 1.1, "bjoern": 1.0, "fastwsgi": 1.0, "waitress": 4.0}
ACCESS_LOG_COST = 0.15  # share of the rate
MEMORY = 1.25  # times the memory of gunicorn's worker


class Verdict(NamedTuple):
    what: str
    wanted: str
    measured: str
    reached: bool | None  # None: one side was not measured


def verdicts(results: Results) -> list[Verdict]:
    """One for each target and each way of measuring it."""
    return [*_rates(results), *_access_log(results), *_memory(results)]


def _rates(results: Results) -> Iterator[Verdict]:
    for load in (PLAIN, VARYING):
        for peer, factor in FASTER_THAN.items():
            ratio = results.ratio(PREFORK, peer, load.name)
            yield _verdict(f"{load.name}, beside {peer}", f"at least {factor:g}x", ratio, factor)


def _verdict(what: str, wanted: str, ratio: Spread | None, factor: float) -> Verdict:
    if not ratio:
        return Verdict(what, wanted, "-", None)
    measured = f"{ratio.median:.2f}x ({ratio.low:.2f}..{ratio.high:.2f})"
    return Verdict(what, wanted, measured, ratio.median >= factor)


def _access_log(results: Results) -> Iterator[Verdict]:
    for load in (PLAIN, VARYING):
        yield _access_log_under(load, results.ratio(PREFORK_LOGGING, PREFORK, load.name))


def _access_log_under(load: Load, ratio: Spread | None) -> Verdict:
    what, wanted = f"{load.name}, cost of the access log", f"at most {ACCESS_LOG_COST:.0%}"
    if not ratio:
        return Verdict(what, wanted, "-", None)
    measured = f"{1 - ratio.median:.1%} ({1 - ratio.high:.1%}..{1 - ratio.low:.1%})"
    return Verdict(what, wanted, measured, ratio.median >= 1 - ACCESS_LOG_COST)


def _memory(results: Results) -> Iterator[Verdict]:
    ours, theirs = results.memory.get(PREFORK), results.memory.get(GUNICORN)
    for kind in ("uss", "pss"):
        what, wanted = f"memory of a worker, {kind.upper()}, beside {GUNICORN}", f"at most {MEMORY:g}x"
        if not ours or not theirs:
            yield Verdict(what, wanted, "-", None)
            continue
        ratio = getattr(ours, kind) / getattr(theirs, kind)
        yield Verdict(what, wanted, f"{ratio:.2f}x", ratio <= MEMORY)
