"""The benchmark's results become verdicts and Markdown."""

from __future__ import annotations

import pytest

from contrib.bench.figures import MemoryOfWorkers, Results, Sample
from contrib.bench.loads import LOADS, PLAIN, VARYING
from contrib.bench.report import Facts, render, table
from contrib.bench.servers import GUNICORN, PREFORK, PREFORK_LOGGING, SERVERS
from contrib.bench.targets import FASTER_THAN, verdicts

FACTS = Facts("2031-05-06", "a machine", "Python 3", 0.25, rounds=1, seconds=2)
NAMES = [server.name for server in SERVERS]


def of(rate: float, **more: float) -> Sample:
    return Sample(**{"rate": rate, "p99": 1.0, "cpu": 10.0, "generator": 0.5, **more})


def measured(**rates: float) -> Results:
    """One round of every server under every load, at 1,000 answers a second unless said otherwise."""
    results = Results()
    for server in NAMES:
        for load in LOADS:
            results.add(server, load.name, of(rates.get(server, 1000.0)))
        results.memory[server] = MemoryOfWorkers(10 * 1024 * 1024, 12 * 1024 * 1024, 4)
    return results


def verdict(results: Results, what: str) -> tuple[str, str, str, bool | None]:
    return next(verdict for verdict in verdicts(results) if verdict.what == what)


def row(text: str, section: str, server: str) -> list[str]:
    """The cells of a server's row in the section with this title."""
    lines = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0].splitlines()
    return next(
        cells for line in lines if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] == server
    )


def test_a_target_is_judged_by_the_median():
    """At the factor it is reached; the worst and the best round stand beside it."""
    results = Results()
    for ours in (7000.0, 8000.0, 9000.0):
        results.add(PREFORK, PLAIN.name, of(ours))
        results.add(GUNICORN, PLAIN.name, of(1000.0))
    found = verdict(results, f"plain GET, beside {GUNICORN}")
    assert found[1:] == ("at least 8x", "8.00x (7.00..9.00)", True)


def test_a_target_is_missed_below_its_factor():
    """As fast as granian is not enough: 1.1 times is wanted."""
    assert verdict(measured(), "plain GET, beside granian").reached is False
    assert verdict(measured(), "plain GET, beside bjoern").reached is True


@pytest.mark.parametrize("peer", FASTER_THAN)
def test_rates_are_judged_with_constant_and_with_varying_headers(peer):
    """A cache of header values must not be what reaches a target."""
    results = measured(prefork=10_000.0)
    results.samples[PREFORK, VARYING.name] = [of(1.0)]
    assert verdict(results, f"{PLAIN.name}, beside {peer}").reached is True
    assert verdict(results, f"{VARYING.name}, beside {peer}").reached is False


@pytest.mark.parametrize(("rate", "cost", "reached"), [(850.0, "15.0%", True), (840.0, "16.0%", False)])
def test_the_access_log_may_cost_a_share(rate, cost, reached):
    """Of the rate without it."""
    found = verdict(measured(**{PREFORK_LOGGING: rate}), "plain GET, cost of the access log")
    assert found.measured.startswith(cost)
    assert found.reached is reached


def test_memory_is_judged_by_both_its_measures():
    """What is a worker's own, and its share of what is common."""
    results = measured()
    results.memory[PREFORK] = MemoryOfWorkers(13 * 1024 * 1024, 12 * 1024 * 1024, 4)
    assert verdict(results, f"memory of a worker, USS, beside {GUNICORN}")[1:] == ("at most 1.25x", "1.30x", False)
    assert verdict(results, f"memory of a worker, PSS, beside {GUNICORN}")[1:] == ("at most 1.25x", "1.00x", True)


def test_what_was_not_measured_is_neither_reached_nor_missed():
    """Without a peer there is no verdict on it."""
    assert {found.reached for found in verdicts(Results())} == {None}


def test_every_load_and_server_has_its_row():
    """The names of the servers, in the order given; ratios beside all but prefork itself."""
    text = render(measured(prefork=2000.0), NAMES, FACTS)
    for load in LOADS:
        title = load.name[0].upper() + load.name[1:]
        assert row(text, title, "bjoern") == [
            "bjoern",
            "1,000",
            "1,000..1,000",
            "1.00",
            "10.0",
            "2.00x (2.00..2.00)",
            "",
        ]
        assert row(text, title, PREFORK)[5] == "-"
    assert "2031-05-06" in text


def test_what_makes_a_row_doubtful_stands_in_it():
    """Errors, closed idle connections, a load generator at its limit, a busy machine, a round that failed."""
    results = measured()
    results.samples["bjoern", PLAIN.name] = [of(10.0, errors=3, lost=2, generator=0.99, others=0.3), None]
    results.reasons["bjoern", PLAIN.name] = "does not start"
    notes = row(render(results, NAMES, FACTS), "Plain GET", "bjoern")[-1]
    assert notes.split("; ") == [
        "3 errors",
        "closed 2 of 1000 idle connections",
        "wrk was at its limit",
        "other processes took up to 30% of a core",
        "a round failed: does not start",
    ]


def test_a_server_without_a_sample_says_why():
    """The reason stands where the figures would."""
    results = measured()
    results.samples["granian", PLAIN.name] = [None]
    results.reasons["granian", PLAIN.name] = "not installed: no wheel"
    assert row(render(results, NAMES, FACTS), "Plain GET", "granian")[1:] == ["-"] * 5 + ["not installed: no wheel"]


def test_memory_without_figures_says_why():
    """As with rates."""
    results = measured()
    del results.memory["granian"]
    results.no_memory["granian"] = "does not start"
    assert row(render(results, NAMES, FACTS), "Memory of a worker", "granian")[1:] == ["-"] * 4 + ["does not start"]


def test_table_reads_well_unrendered():
    """Columns are as wide as their widest cell; a bar in a cell does not end it."""
    assert table(["server", "rate", "notes"], [["a|b", "1,000", ""], ["c", "1", "none"]]).splitlines() == [
        "| server |  rate | notes |",
        "| ------ | ----: | ----- |",
        "| a\\|b   | 1,000 |       |",
        "| c      |     1 | none  |",
    ]
