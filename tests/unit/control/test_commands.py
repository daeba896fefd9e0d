"""The records of the commands: what stands in one is enough for the protocol, the command line and the help."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import prefork
from prefork.control import ctl, protocol
from prefork.control.commands import COMMANDS, Argument, Command


def test_a_command_is_one_record(monkeypatch: pytest.MonkeyPatch):
    """M14. The protocol and the command line know a new one by its record alone."""
    size = Argument("size", int, "how many", "N", required=True, least=1)
    top = Command("top", "show the busiest workers", lambda _given, message: f"top {message['best']}", (size,))
    monkeypatch.setitem(COMMANDS, "top", top)  # type: ignore[arg-type]
    assert protocol.parse(b'{"prefork": 1, "do": "top", "size": 3}') == protocol.request("top", size=3)
    assert ctl.parser().parse_args(["top", "3"]).size == 3
    assert "show the busiest workers" in ctl.parser().format_help()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_that_can_be_waited_for_says_what_goes_on_when_it_is_interrupted(command: Command):
    """And the others have nothing to say."""
    waits = any(argument.name == "wait" for argument in command.arguments)
    assert bool(command.goes_on) == waits


def test_every_event_that_progress_is_printed_of_is_logged_somewhere():
    """A name that is changed there is changed here as well."""
    root = Path(prefork.__file__).parent
    said = {
        node.value
        for path in (*root.glob("arbiter/*.py"), *root.glob("arbiter/*/*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    said |= {f"{kind}{end}" for kind in ("worker", "template") for end in said if end.startswith("_")}
    named = {event for command in COMMANDS.values() for event in command.progress}
    assert named - said == set()
