"""The header of a module names the log events that come from it: whoever sees one in a log finds its origin."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import prefork

ROOT = Path(prefork.__file__).parent
MODULES = [path for room in ("arbiter", "cli") for path in sorted((ROOT / room).rglob("*.py"))]
LOGGING = {"debug", "info", "warning", "error", "note", "report", "Report"}
NAME = re.compile(r"[a-z]+(_[a-z]+)+")


def events_of(tree: ast.Module) -> Iterator[str]:
    """The names of events that the module writes out, in calls that log or report."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if called in LOGGING:
            texts = (argument.value for argument in call.args if isinstance(argument, ast.Constant))
            yield from (text for text in texts if isinstance(text, str) and NAME.fullmatch(text))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_header_names_the_events_of_its_module(path: Path):
    """In the paragraph *Diagnostics*, in double backquotes."""
    tree = ast.parse(path.read_text())
    _, _, diagnostics = (ast.get_docstring(tree) or "").partition("Diagnostics.")
    assert [event for event in events_of(tree) if f"``{event}``" not in diagnostics] == []
