"""The table of tools, and what is found to be left behind: U1, a machine with nothing but Python and git."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.leftovers import clean, holders

TESTS = Path(needs.__file__).parent
FILES = sorted(TESTS.rglob("*.py"))
EVERYWHERE = {"bash", "git", "ip", "nsenter"}  # brought by what every machine has, or asked for by the fixture


def test_a_tool_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """U1. One command installs all that a test lacks."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(needs, "SYSTEM", ())
    assert needs.missing("man", "wrk") == "man, wrk not installed: apt-get install man-db wrk"
    with pytest.raises(pytest.skip.Exception, match="apt-get install nginx-light"):
        needs.needs("nginx")


def test_what_administrators_run_is_found_from_any_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """U1. Debian keeps logrotate and its like where the PATH of an ordinary user does not lead."""
    tool = tmp_path / "logrotate"
    tool.touch(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(needs, "SYSTEM", (str(tmp_path),))
    assert needs.find("logrotate") == str(tool)
    assert needs.missing("logrotate") == ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_file_that_runs_a_tool_asks_for_it(path: Path):
    """U1. By ``needs`` or by ``missing``, and it looks for none in another way."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {_value(argument) for call in calls if _name(call) in {"needs", "missing"} for argument in call.args}
    assert named <= {*needs.PACKAGES, None}
    heads = {_value(node.elts[0]) for node in ast.walk(tree) if isinstance(node, ast.List) and node.elts}
    heads = {Path(head).name for head in heads if isinstance(head, str)}
    if path.parent.name != "packaging":  # where fixtures ask for machines and for what builds packages
        assert heads & needs.PACKAGES.keys() - EVERYWHERE <= named
    if path.parent.name != "unit":
        assert not [call for call in calls if _name(call) == "which" and _value(call.args[0]) in needs.PACKAGES]


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _value(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


@pytest.mark.parametrize("held", ["directory", "file"])
def test_a_process_that_a_test_has_left_behind_is_found_and_ended(tmp_path: Path, held: str):
    """U1. Whatever it calls itself and whoever is its parent."""
    (tmp_path / "log").touch()
    with (tmp_path / "log").open() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            cwd=tmp_path if held == "directory" else "/",
            stdin=log if held == "file" else subprocess.DEVNULL,
        )
    try:
        assert process.pid in holders(tmp_path)
        assert clean(tmp_path)[0].startswith(f"{process.pid} ")
        assert process.wait(10) == -9
        assert holders(tmp_path) == {}
    finally:
        process.kill()
        process.wait()
