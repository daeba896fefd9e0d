"""Samples of the benchmark become medians, spreads and ratios."""

from __future__ import annotations

import pytest

from contrib.bench.figures import CpuTime, MemoryOfWorkers, Results, Sample, Spread, mean_memory, sample, spread

TIMES = {"requests": 2000, "duration": 2_000_000, "p50": 400, "p99": 1500}
SUMMARY = TIMES | dict.fromkeys(("connect", "read", "write", "timeout", "status"), 0)


def of(rate: float) -> Sample:
    return Sample(rate=rate, p99=1.0, cpu=10.0, generator=0.5)


def test_spread_is_median_lowest_and_highest():
    """The median of an even number of values lies between the two in the middle."""
    assert spread([4.0, 1.0, 3.0, 10.0]) == Spread(3.5, 1.0, 10.0)


def test_nothing_has_no_spread():
    """What was never measured is absent, not zero."""
    assert spread([]) is None


def test_sample_from_what_the_load_generator_says():
    """wrk counts in microseconds; rates are per second, p99 in milliseconds, CPU in microseconds an answer."""
    used = CpuTime(wrk=1.0, wrk_core=1.0, server=1.8, server_core=1.8)
    made = sample(SUMMARY, used, lost=0)
    assert made == Sample(rate=1000.0, p99=1.5, cpu=pytest.approx(900.0), generator=0.5)


def test_what_else_ran_on_a_core_is_seen():
    """It is the share of the core that has more of it; clocks that differ by a tick do not make it negative."""
    assert sample(SUMMARY, CpuTime(1.0, 1.1, 1.5, 1.9), 0).others == pytest.approx(0.2)
    assert sample(SUMMARY, CpuTime(1.0, 0.9, 1.5, 1.4), 0).others == 0.0


def test_processor_time_is_a_difference():
    """Of two readings, each of its four alone."""
    assert CpuTime(5, 6, 7, 8).since(CpuTime(1, 1, 2, 2)) == CpuTime(4, 5, 5, 6)


def test_every_kind_of_error_counts():
    """Refused, reset and timed out connections and answers other than 2xx and 3xx are errors alike."""
    summary = {**SUMMARY, "connect": 1, "read": 2, "write": 3, "timeout": 4, "status": 5}
    made = sample(summary, CpuTime(1, 1, 1, 1), 7)
    assert (made.errors, made.lost) == (15, 7)


@pytest.mark.parametrize("nothing", [{"requests": 0}, {"duration": 0}])
def test_no_answer_at_all_is_no_sample(nothing):
    """A server that answers nothing has failed; it is not infinitely slow."""
    with pytest.raises(ValueError, match="no answer"):
        sample({**SUMMARY, **nothing}, CpuTime(1, 1, 1, 1), 0)


def test_ratio_is_made_within_a_round():
    """A machine that is slow for one round does not change the ratio of that round."""
    results = Results()
    for ours, theirs in ((100.0, 50.0), (10.0, 5.0), (90.0, 30.0)):
        results.add("a", "get", of(ours))
        results.add("b", "get", of(theirs))
    assert results.ratio("a", "b", "get") == Spread(2.0, 2.0, 3.0)


def test_ratio_leaves_out_a_round_that_one_side_missed():
    """A missing sample keeps the rounds of both sides in step."""
    results = Results()
    results.miss("a", "get", "does not start")
    results.add("a", "get", of(30.0))
    results.add("b", "get", of(1.0))
    results.add("b", "get", of(10.0))
    assert results.ratio("a", "b", "get") == Spread(3.0, 3.0, 3.0)
    assert results.of("a", "get") == [of(30.0)]
    assert results.reasons["a", "get"] == "does not start"


def test_no_ratio_to_what_was_never_measured():
    """One side alone has no ratio."""
    results = Results()
    results.add("a", "get", of(1.0))
    assert results.ratio("a", "b", "get") is None


def test_memory_is_the_mean_over_the_workers():
    """And says over how many."""
    assert mean_memory([(10, 20), (30, 60)]) == MemoryOfWorkers(20, 40, 2)
