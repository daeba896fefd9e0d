"""The mutation tool: which changes it makes, and what depends on what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from contrib.mutate.__main__ import ROOT, Verdict, _share, files_for, tomllib
from contrib.mutate.mutants import Mutant, mutants
from contrib.mutate.runner import dependents


def changes(source: str) -> set[str]:
    return {mutant.change for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "def f(a):\n    return a < 1",
            {"Lt -> LtE in a < 1", "Lt -> GtE in a < 1", "1 -> 2", "return a < 1 -> return None"},
        ),
        ("def f(a, b):\n    g(a and b)", {"And -> Or in a and b", "g(a and b) -> pass"}),
        ("def f(a):\n    return not a", {"not a -> a", "return not a -> return None"}),
        ("def f(a):\n    if a:\n        g()", {"a -> True", "a -> False", "g() -> pass"}),
        ("def f(a):\n    x = min(a)", {"min(a) -> max(a)", "x = min(a) -> pass"}),
        ("X: int = 3", {"3 -> 4"}),
        ('def f():\n    """Words."""\n    return', {"return -> pass"}),
    ],
)
def test_every_kind_of_change_is_made(source: str, expected: set[str]):
    """Texts, docstrings and annotations are left alone."""
    assert changes(source) == expected


def test_each_mutant_is_a_module_of_its_own_and_the_next_is_made_of_the_original():
    """One change at a time."""
    source = (ROOT / "prefork/arbiter/rolling.py").read_text()
    plain = ast.unparse(ast.parse(source))
    made = list(mutants(source))
    assert len(made) > 50
    for mutant in made:
        assert mutant.source != plain
        ast.parse(mutant.source)
    names = [(mutant.where, mutant.change) for mutant in made]
    assert len(set(names)) == len(names)
    assert ast.unparse(ast.parse(source)) == plain


def test_the_share_leaves_out_what_is_equivalent():
    """It changes nothing that a test could see."""
    mutant = Mutant("f", "a -> b", 1, "")
    verdicts = [
        Verdict("a.py", mutant, outcome) for outcome in ("killed", "killed", "survived", "killed", "equivalent")
    ]
    assert _share(verdicts) == 75.0


def test_a_module_s_own_tests_come_first():
    """Then those of its room, which are files that there are."""
    listed = tomllib.loads((ROOT / "contrib/mutate/equivalent.toml").read_text())
    found = files_for("prefork/arbiter/rolling.py", listed["tests"])
    assert found[0] == "tests/unit/arbiter/test_rolling.py"
    assert len(found) == len(set(found))
    assert all((ROOT / test).exists() for test in found)


def test_what_depends_on_a_module_is_imported_anew():
    """At any distance; what does not depend on it is kept."""
    found = dependents("prefork.arbiter.rolling", Path(ROOT))
    assert {"prefork.arbiter.rolling", "prefork.arbiter.pools", "prefork.arbiter.master"} <= found
    assert "tests.unit.arbiter.test_rolling" in found
    assert not {"prefork.arbiter.facts", "prefork.config.models"} & found
