"""How this program is started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefork.cli.restarting import command_of

LONG = b"#!/bin/sh\n'''exec' \"/srv/with space/bin/python\" \"$0\" \"$@\"\n' '''\n"


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"#!/srv/app/venv/bin/python\n", ["/srv/app/venv/bin/python"]),
        (b"#!/srv/app/venv/bin/python -I\n", ["/srv/app/venv/bin/python", "-I"]),
        (b"#!/usr/bin/env python3\n", ["python3"]),
        (LONG, ["/srv/with space/bin/python"]),
    ],
)
def test_a_script_is_started_as_a_script(tmp_path: Path, first: bytes, words: list[str]):
    """P7: its first line says with which interpreter, at the time of the upgrade."""
    script = tmp_path / "preforkd"
    script.write_bytes(first + b"import prefork\n")
    script.chmod(0o755)
    found = command_of([*words, str(script), "-c", "prefork.toml"], str(script), "/now/python")
    assert found == [str(script), "-c", "prefork.toml"]


def test_an_interpreter_that_was_named_is_kept(tmp_path: Path):
    """It is not the one of the script's first line, so somebody chose it."""
    script = tmp_path / "preforkd"
    script.write_bytes(b"#!/srv/app/venv/bin/python\n")
    script.chmod(0o755)
    words = ["/opt/python", str(script), "-c", "a"]
    assert command_of(words, str(script), "/opt/python3.13") == ["/opt/python3.13", *words[1:]]


def test_a_module_is_started_as_a_module():
    """python -m prefork: there is no script."""
    words = ["python3", "-m", "prefork", "-c", "a"]
    assert command_of(words, "/x/prefork/__main__.py", "/v/bin/python3") == ["/v/bin/python3", *words[1:]]


def test_a_script_that_has_gone_or_cannot_be_executed_is_not_relied_on(tmp_path: Path):
    """The interpreter of now is better than none."""
    script = tmp_path / "preforkd"
    assert command_of(["/p", str(script)], str(script), "/p") == ["/p", str(script)]
    script.write_bytes(b"#!/p\n")
    assert command_of(["/p", str(script)], str(script), "/p") == ["/p", str(script)]
