"""Every case of the corpus, against every kind of worker, however its bytes arrive."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from tests.conformance import cases
from tests.conformance.case import Case
from tests.conformance.conftest import Started
from tests.conformance.judge import judge, play

CASES: dict[str, tuple[Case, ...]] = {
    module.name: tuple(importlib.import_module(f"{cases.__name__}.{module.name}").CASES)
    for module in pkgutil.iter_modules(cases.__path__)
}
RUNS = [
    pytest.param(case, mode, id=f"{subject}-{case.id}-{mode}")
    for subject, found in CASES.items()
    for case in found
    for mode in case.modes
]


@pytest.mark.parametrize(("case", "mode"), RUNS)
def test_case(case: Case, mode: str, started: Started) -> None:
    """The same bytes mean the same, however they arrive, and mean what the case's rule says."""
    server = started(case.variant)
    since = len(server.log.events) if server.log else 0
    try:
        judge(case, play(case, server, mode))
    except AssertionError as error:
        raise AssertionError(f"{error}\n  rule: {case.rule}\n  sent: {case.send!r:.1500}") from error
    if case.logged and server.log:
        server.log.wait(case.logged, since=since, seconds=5)


def test_case_ids_are_unique() -> None:
    """A case is found by its subject and id."""
    for subject, found in CASES.items():
        ids = [case.id for case in found]
        assert len(ids) == len(set(ids)), (subject, sorted(label for label in ids if ids.count(label) > 1))


def test_every_case_names_its_source() -> None:
    """A rule is a sentence with the section that it comes from."""
    sources = ("RFC ", "PEP ", "HTTP.md", "prefork")
    assert not [case.id for found in CASES.values() for case in found if not any(word in case.rule for word in sources)]
