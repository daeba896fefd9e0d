"""Mutants that are judged without an import: which code changes, and which statement a test must reach."""

from __future__ import annotations

import ast
import sys

import pytest

from contrib.mutate.mutants import mutants
from contrib.mutate.swapper import Tracer, replaced, statement

SOURCE = '''"""A module."""

LIMIT = 3


class Shop:
    """With a counter."""

    size = 1

    def sell(self, number: int, most: int = 5) -> bool:
        """Some."""
        if (
            number
            > self.size
        ):
            return False
        return all(one < number for one in range(most))
'''
SELL = ("sell", 11)


def judged(where: str, change: str) -> object:
    [mutant] = [one for one in mutants(SOURCE) if (one.where, one.change) == (where, change)]
    codes = replaced(SOURCE, mutant.source)
    return None if codes is None else set(codes)


@pytest.mark.parametrize(
    "change", ["Gt -> GtE in number > self.size", "return False -> return None", "Lt -> LtE in one < number"]
)
def test_the_code_of_a_function_is_changed_where_it_begins_in_the_source(change: str):
    """What is nested in it, the code of a comprehension say, is a part of it."""
    assert judged("Shop.sell", change) == {SELL}


@pytest.mark.parametrize(("where", "change"), [("", "3 -> 4"), ("Shop", "1 -> 2"), ("Shop.sell", "5 -> 6")])
def test_what_an_import_executes_is_not_swapped(where: str, change: str):
    """Constants, class bodies and defaults."""
    assert judged(where, change) is None


def test_a_source_that_changes_nothing_changes_no_code():
    """However it is laid out."""
    assert replaced(SOURCE, ast.unparse(ast.parse(SOURCE))) == {}


@pytest.mark.parametrize(("line", "lines"), [(3, (3, 3)), (14, (13, 16)), (17, (17, 17)), (18, (18, 18))])
def test_a_test_has_to_reach_the_statement_that_is_changed(line: int, lines: tuple[int, int]):
    """The innermost, all its lines; of a compound one without its body."""
    assert statement(SOURCE, line) == lines


def test_lines_are_traced_in_the_files_that_were_named():
    """And functions; other files cost nothing."""
    here: dict[str, object] = {}
    exec(compile("def f():\n    return 1\n", "a.py", "exec"), here)
    tracer = Tracer(["a.py", "b.py"])
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        here["f"]()  # type: ignore[operator]
    finally:
        sys.settrace(before)
    assert tracer.lines == {"a.py": {2}, "b.py": set()}
    assert tracer.places == {("a.py", ("f", 1))}
