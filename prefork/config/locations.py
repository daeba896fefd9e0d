"""Pure. Where each key of a TOML text stands.

Rules. ``tomli`` decides what is TOML and what it means; this only finds places, in a text that tomli has accepted, and
is tested against it. A path holds names, and positions in lists; at its place stands the last name of it, or the value
if it ends in a position.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

import tomli

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[^\s.=\]\"'#,{}\[]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
# The multi-line forms first; such a text may end in up to two quotes of its own.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


class Place(NamedTuple):
    """Line and column count from 1, in characters; 0 is unknown."""

    file: str
    line: int = 0
    column: int = 0


def scan(text: str, file: str) -> dict[Path, Place]:
    """The place of every key, table and list element. ``text`` must be valid TOML."""
    scanner = _Scanner(text, file)
    scanner.document()
    return scanner.places


def key_text(path: Path) -> str:
    """A path as it is written in TOML; a position in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN_NAME.fullmatch(part) else quoted(part)
            text += f".{name}" if text else name
    return text


def quoted(text: str) -> str:
    """A text as a basic string of TOML, on one line and without control characters."""
    return '"' + "".join(_ESCAPES.get(char) or _visible(char) for char in text) + '"'


def _visible(char: str) -> str:
    return f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else char


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        self.places: dict[Path, Place] = {}
        self._text = text
        self._file = file
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._last: dict[Path, int] = {}  # of each array of tables, the position of the table in progress

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``; returns the path of the table that it opens."""
        width = 2 if self._text.startswith("[[", self._at) else 1
        self._at += width
        *parents, (name, at) = self._key()
        self._at += width
        path: Path = ()
        for parent, parent_at in parents:
            path = self._inside((*path, parent), parent_at)
        path = (*path, name)
        if width == 1:
            self.places[path] = self._place(at)  # rather here than where a table inside it was opened before
            return path
        self.places.setdefault(path, self._place(at))
        self._last[path] = self._last.get(path, -1) + 1
        path = (*path, self._last[path])
        self.places[path] = self._place(at)
        return path

    def _inside(self, path: Path, at: int) -> Path:
        """The table that a header's parent means: of an array of tables, the last."""
        self.places.setdefault(path, self._place(at))
        return (*path, self._last[path]) if path in self._last else path

    def _pair(self, table: Path) -> None:
        path = table
        for name, at in self._key():
            path = (*path, name)
            self.places.setdefault(path, self._place(at))
        self._at += len("=")
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[tuple[str, int]]:
        """A dotted key as (name, offset), up to the character after it and its spaces."""
        names = []
        while True:
            self._skip(_SPACE)
            at = self._at
            name = self._take(_STRING if self._text[at] in "\"'" else _BARE_KEY)
            names.append((tomli.loads(f"key = {name}")["key"] if name[0] in "\"'" else name, at))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, path: Path) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._take(_STRING if opening in "\"'" else _SCALAR)

    def _list(self, path: Path) -> None:
        count = 0
        self._at += 1
        while not self._closed("]"):
            here: Path = (*path, count)
            self.places[here] = self._place(self._at)
            self._value(here)
            count += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._closed("}"):
            self._pair(path)

    def _closed(self, bracket: str) -> bool:
        """Go to the next entry, or past the closing bracket."""
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] != bracket:
            return False
        self._at += 1
        return True

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"not TOML at offset {self._at}")
        self._at = match.end()
        return match.group()

    def _place(self, at: int) -> Place:
        line = bisect_right(self._lines, at)
        return Place(self._file, line, at - self._lines[line - 1] + 1)
