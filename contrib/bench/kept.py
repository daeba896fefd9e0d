"""The file of results: parts that are made by different commands, each put in place of what it was."""

from __future__ import annotations

import re
from pathlib import Path

PARTS = ("rates", "operation", "preload")  # in this order
MARK = "<!-- {} -->\n"


def put(file: Path, part: str, text: str) -> None:
    """Replace one part, and leave the others as they are."""
    found = split(file.read_text(encoding="utf-8")) if file.exists() else {}
    found[part] = text.strip("\n") + "\n"
    file.write_text("\n".join(MARK.format(name) + found[name] for name in PARTS if name in found), encoding="utf-8")


def split(text: str) -> dict[str, str]:
    """The parts of a file by their names."""
    pieces = re.split(r"^<!-- (\w+) -->\n", text, flags=re.MULTILINE)
    return {name: body.strip("\n") + "\n" for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}
