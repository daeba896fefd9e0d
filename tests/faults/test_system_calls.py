"""M1. Each system call of the master fails once: the service goes on, or the start or the change is refused.

A sample that takes about two minutes is tried by default, drawn from PREFORK_FAULTS_SEED (PREFORK_FAULTS_SECONDS for each
gesture); PREFORK_FAULTS=all tries every call with every error. PREFORK_FAULTS_TABLE names a file to write the table of calls, errors and outcomes to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults import table
from tests.faults.injection import ERRORS, EXEMPT, GESTURES, LEFT_OUT, Case, Faulty, may_trace

ALL = os.environ.get("PREFORK_FAULTS") == "all"
SEED = int(os.environ.get("PREFORK_FAULTS_SEED", "1"))
SHARE = float(os.environ.get("PREFORK_FAULTS_SECONDS", "25"))  # of a sample, for each gesture

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.needs("strace"),
    pytest.mark.skipif(not may_trace(), reason="ptrace(2) is not allowed here"),
]


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Faulty]:
    one = Faulty(tmp_path)
    try:
        yield one
    finally:
        one.end()


def cases(gesture: str, calls: dict[str, int], rng: Random) -> list[Case]:
    """Each call with each error: the first, the second and some later occurrence; in random order."""
    found = [
        Case(gesture, call, error, when)
        for call, count in calls.items()
        for error in ERRORS
        for when in sorted({1, 2, rng.randint(1, count)})
        if when <= count and (gesture, call, error) not in EXEMPT
    ]
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("gesture", ["start", *GESTURES])
def test_a_call_that_fails_ends_nothing(faulty: Faulty, gesture: str):
    """Whatever fails in the gesture: afterwards the service answers, reloads, and its master has not ended."""
    rng = Random(f"{SEED} {gesture}")
    end = time.monotonic() + SHARE
    failures: list[str] = []
    for case in cases(gesture, faulty.calls(gesture), rng):
        if not ALL and time.monotonic() > end:
            break
        try:
            table.note(case, faulty.outcome(case))
        except AssertionError as error:
            table.note(case, "FAILED")
            failures.append(f"{case}: {error}")
            faulty.renew()
        table.write()
    assert not failures, "\n\n".join(failures)


def test_what_is_left_out_has_a_reason():
    """A call that is not made to fail is named with the reason why."""
    assert all(LEFT_OUT.values())
    assert all(EXEMPT.values())
