"""From files to one table: TOML, ``include``, ``--set``, with the place of every key.

Rules. What a key means is not known here. A file that cannot be read is a fault and the others are read all the same,
so that every fault is found at once. Included files do not include: where a key comes from is seen in one look.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import tomli

from prefork.config import files
from prefork.config.files import Unreadable
from prefork.config.locations import Path, Place, key_text, scan
from prefork.errors import Fault

OVERRIDE = "--set"

_BARE_TEXT = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=\s*([A-Za-z/.:*@-][^\s\"'\[\]{}#]*)\s*(?:#.*)?\r?")
_SYNTAX_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass
class Source:
    """What was read. ``broken`` says that a file is missing from ``data``, so that what is absent is no fault."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    broken: bool = False
    writers: Collection[str] | None = None  # who may write to the files beside root; None: it does not matter

    def place_of(self, path: Path) -> Place:
        """Where a key stands, or else the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place(self.file)

    def fault(self, path: Path, problem: str, hint: str = "") -> Fault:
        """A mistake at a key."""
        file, line, column = self.place_of(path)
        return Fault(problem, key=key_text(path), file=file, line=line, column=column, hint=hint)


def read(path: str, overrides: Sequence[str] = (), writers: Collection[str] | None = None) -> Source:
    """The file at ``path``, what it includes, and the overrides ``KEY=VALUE``. Never raises: see ``Source.faults``.

    ``writers``: see ``files.read``.
    """
    source = _read_file(path, writers)
    patterns = source.data.pop("include", [])
    for index, pattern in _patterns(patterns, source):
        for file in _matches(pattern, path, source, index):
            _merge_file(source, file)
    for override in overrides:
        _set(source, override)
    return source


def _read_file(file: str, writers: Collection[str] | None) -> Source:
    source = Source(file, files=[file], broken=True, writers=writers)
    try:
        text = files.read(file, writers).decode()
        # As tomli counts: a line may end in CR LF.
        source.data = tomli.loads(text)
    except Unreadable as error:
        source.faults.append(Fault(error.problem, file=file, hint=error.hint))
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        source.faults.append(Fault("is not UTF-8", file=file, line=line, column=column, hint="save it as UTF-8"))
    except tomli.TOMLDecodeError as error:
        source.faults.append(_syntax_fault(str(error), file, text))
    except ValueError:  # an integer of thousands of digits
        source.faults.append(Fault("has a number that is too large", file=file))
    except RecursionError:
        source.faults.append(Fault("is nested too deeply", file=file))
    else:
        source.places = scan(text, file)
        source.broken = False
    return source


def _syntax_fault(message: str, file: str, text: str) -> Fault:
    """What tomli said, with its place; at the end of the document, that is the last line."""
    match = _SYNTAX_PLACE.search(message)
    line, column = (int(match[1]), int(match[2])) if match and match[1] else (text.count("\n") + 1, 0)
    problem = message[: match.start()] if match else message
    hint = _syntax_hint(text.split("\n")[line - 1] if text else "")
    return Fault(problem[:1].lower() + problem[1:], file=file, line=line, column=column, hint=hint)


def _syntax_hint(line: str) -> str:
    """What was probably meant by a line that is not TOML: mostly a text without its quotation marks."""
    match = _BARE_TEXT.fullmatch(line)
    if match is None:
        return ""
    key, value = match[1], match[2]
    if value in ("True", "False", "yes", "no", "on", "off", "None"):
        return f"write {key} = {'true' if value in ('True', 'yes', 'on') else 'false'}" if value != "None" else ""
    return f'text needs quotation marks: {key} = "{value}"'


def _patterns(include: object, source: Source) -> Iterator[tuple[int, str]]:
    if not isinstance(include, list):
        source.faults.append(source.fault(("include",), "must be a list of paths", 'write ["/etc/prefork.d/*.toml"]'))
        return
    for index, pattern in enumerate(include):
        if isinstance(pattern, str) and pattern and "\0" not in pattern:
            yield index, pattern
        else:
            source.faults.append(source.fault(("include", index), "must be a path or a glob"))


def _matches(pattern: str, including: str, source: Source, index: int) -> list[str]:
    """The files of one pattern, in name order, without those that were read already."""
    full = os.path.join(os.path.dirname(including), pattern)
    try:
        found = files.matches(full)
        if source.writers is not None and os.geteuid() == files.ROOT:
            files.check_writers(os.path.dirname(full.partition("*")[0]), source.writers)
    except Unreadable as error:
        source.faults.append(source.fault(("include", index), error.problem, error.hint))
        source.broken = True
        return []
    known = {files.resolved(file) for file in source.files}
    return [file for file in found if files.resolved(file) not in known]


def _merge_file(source: Source, file: str) -> None:
    part = _read_file(file, source.writers)
    source.files.append(file)
    source.broken |= part.broken
    source.faults += part.faults
    if "include" in part.data:
        problem = "an included file cannot include others"
        source.faults.append(part.fault(("include",), problem, f"add this file to the include of {source.file}"))
        del part.data["include"]
    _merge(source, part, source.data, part.data, ())
    source.places = part.places | source.places  # of a table in both files, the first place


def _merge(source: Source, part: Source, into: dict[str, Any], more: dict[str, Any], path: Path) -> None:
    for name, value in more.items():
        here = (*path, name)
        if name not in into:
            into[name] = value
        elif isinstance(into[name], dict) and isinstance(value, dict):
            _merge(source, part, into[name], value, here)
        else:
            file, line, column = source.place_of(here)
            problem = f"is set in two files, the first time at {file}:{line}:{column}"
            source.faults.append(part.fault(here, problem, "keep one of them"))


def _set(source: Source, override: str) -> None:
    """Set one key; whatever it replaces is gone, with its places."""
    key, equals, text = override.partition("=")
    path = _override_path(key.strip())
    if not equals or path is None:
        problem = f'"{override}" is not KEY=VALUE'
        source.faults.append(Fault(problem, file=OVERRIDE, hint=f"for example {OVERRIDE} pool.web.workers=8"))
        return
    if path[0] == "include":
        source.faults.append(Fault("cannot be set here", key="include", file=OVERRIDE, hint="set it in the file"))
        return
    table = source.data
    for depth, name in enumerate(path[:-1], start=1):
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            problem = f'cannot be set: "{key_text(path[:depth])}" is not a table'
            source.faults.append(Fault(problem, key=key_text(path), file=OVERRIDE))
            return
    for known in [known for known in source.places if known[: len(path)] == path]:
        del source.places[known]
    table[path[-1]] = _override_value(text.strip())
    source.places[path] = Place(OVERRIDE)


def _override_path(key: str) -> tuple[str, ...] | None:
    try:
        value: Any = tomli.loads(f"{key} = 0") if "\n" not in key else {}
    except tomli.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        path.append(name)
    return tuple(path) or None


def _override_value(text: str) -> Any:
    """As TOML if it is, else as text: quotation marks are for the shell. ``0o660`` is text in the file, too."""
    try:
        parsed = tomli.loads(f"value = {text}")
    except tomli.TOMLDecodeError:
        return text
    return text if len(parsed) != 1 or text.startswith("0o") else parsed["value"]
