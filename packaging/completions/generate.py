"""Write the shell completions from the command lines: ``python3 packaging/completions/generate.py``.

They are made by shtab and kept beside this file, so that whoever installs them needs no such tool, and TAB starts no
program. A test fails while they and the command lines disagree.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import shtab

from prefork.cli import options
from prefork.control import ctl

HERE = Path(__file__).parent
COMMANDS = {"preforkd": options.parser, "preforkctl": ctl.parser}
NAMES = {"bash": "{}.bash", "zsh": "_{}", "fish": "{}.fish"}
FILES = ("config", "socket", "against")  # what takes a path


def generated() -> Mapping[str, str]:
    """The text of every file, by its name."""
    found = {}
    for command, parser_of in COMMANDS.items():
        for shell, name in NAMES.items():
            parser = parser_of()
            for action in _actions(parser):
                if action.dest in FILES:
                    action.complete = shtab.FILE  # type: ignore[attr-defined]
            text = shtab.complete(parser, shell)
            found[name.format(command)] = "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"
    return found


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # there is no public way to them


def main() -> None:
    """Write the files beside this one."""
    for name, text in generated().items():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main()
