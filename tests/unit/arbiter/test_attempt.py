"""Attempts: they end once, with the first reason that was known."""

from __future__ import annotations

import pytest

from prefork.arbiter.attempt import Attempt, AttemptState, none_yet


def test_attempts_are_numbered_from_one():
    """What was before the first is over."""
    none = none_yet()
    assert (none.serial, none.state, none.pending) == (0, AttemptState.DONE, False)
    assert Attempt().serial == none.after().serial == 1
    assert none.after().after() == Attempt(2)


@pytest.mark.parametrize("end", ["done", "refused", "failed"])
def test_an_attempt_ends_once(end: str):
    """What comes after that changes nothing."""
    attempt = Attempt()
    assert attempt.pending
    getattr(attempt, end)(*["why"] * (end != "done"))
    ended = (attempt.state, attempt.reason)
    assert ended == (AttemptState(end), "" if end == "done" else "why")
    attempt.failed("another reason")
    attempt.refused("a third")
    attempt.done()
    assert (attempt.state, attempt.reason) == ended


def test_the_first_reason_that_was_known_counts():
    """Though it was not the end yet."""
    attempt = Attempt(reason="the first")
    attempt.failed("the second")
    assert (attempt.state, attempt.reason) == (AttemptState.FAILED, "the first")
    attempt = Attempt()
    attempt.failed()
    assert (attempt.state, attempt.reason) == (AttemptState.FAILED, "")
