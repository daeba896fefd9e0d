"""Pure. Samples -> medians, spreads and ratios.

A ratio is made within a round and only then summed up: what slows the machine down for a while slows both its sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple


@dataclass(frozen=True)
class Sample:
    """One server under one load in one round."""

    rate: float  # answers a second
    p99: float  # milliseconds
    cpu: float  # microseconds of processor time that the server used for one answer
    generator: float  # share of its core that the load generator used, 0..1
    errors: int = 0  # socket errors, and answers other than 2xx and 3xx
    lost: int = 0  # idle connections that the server closed
    others: float = 0.0  # share of the busier of the two cores that other processes used, 0..1


class Spread(NamedTuple):
    median: float
    low: float
    high: float


@dataclass
class Results:
    """Everything that one run measured; ``None`` in a row of samples is a round that gave none."""

    samples: dict[tuple[str, str], list[Sample | None]] = field(default_factory=dict)  # (server, load) -> by round
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)  # (server, load) -> why a sample is missing
    memory: dict[str, MemoryOfWorkers] = field(default_factory=dict)
    no_memory: dict[str, str] = field(default_factory=dict)

    def add(self, server: str, load: str, sample: Sample) -> None:
        self.samples.setdefault((server, load), []).append(sample)

    def miss(self, server: str, load: str, reason: str) -> None:
        """A round without a sample, so that the rounds of all servers still correspond."""
        self.samples.setdefault((server, load), []).append(None)
        self.reasons[server, load] = reason

    def of(self, server: str, load: str) -> list[Sample]:
        return [sample for sample in self.samples.get((server, load), []) if sample]

    def ratio(self, faster: str, slower: str, load: str) -> Spread | None:
        """How many times the rate of the one is that of the other; None if no round has both."""
        pairs = zip(self.samples.get((faster, load), []), self.samples.get((slower, load), []), strict=False)
        return spread([one.rate / other.rate for one, other in pairs if one and other and other.rate])


class MemoryOfWorkers(NamedTuple):
    """The mean over the workers, in bytes."""

    uss: float
    pss: float
    workers: int


def spread(values: Sequence[float]) -> Spread | None:
    """Median, lowest and highest; None of nothing."""
    return Spread(median(values), min(values), max(values)) if values else None


def mean_memory(workers: Sequence[tuple[int, int]]) -> MemoryOfWorkers:
    """Of (USS, PSS) of every worker; there is at least one."""
    count = len(workers)
    return MemoryOfWorkers(sum(uss for uss, _ in workers) / count, sum(pss for _, pss in workers) / count, count)


class CpuTime(NamedTuple):
    """Seconds of processor time: of the two that are measured, and of everything on the core of each."""

    wrk: float
    wrk_core: float
    server: float
    server_core: float

    def since(self, before: CpuTime) -> CpuTime:
        return CpuTime(*(now - then for now, then in zip(self, before, strict=True)))


def sample(summary: Mapping[str, int], cpu: CpuTime, lost: int) -> Sample:
    """From what load.lua prints (microseconds) and the time used meanwhile; raises ValueError without an answer."""
    requests, seconds = summary["requests"], summary["duration"] / 1e6
    if not requests or not seconds:
        raise ValueError("no answer at all")
    return Sample(
        rate=requests / seconds,
        p99=summary["p99"] / 1e3,
        cpu=cpu.server * 1e6 / requests,
        generator=cpu.wrk / seconds,
        errors=sum(summary[kind] for kind in ("connect", "read", "write", "timeout", "status")),
        lost=lost,
        others=max(0.0, cpu.wrk_core - cpu.wrk, cpu.server_core - cpu.server) / seconds,
    )
