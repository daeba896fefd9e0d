"""An event's fields as one line of text: json, logfmt or console.

Rules. Nothing raises, whatever the values are. A line is ASCII without control characters, so no value can end it,
begin another or steer a terminal; only the console writes a traceback on lines of its own, each of them indented.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping

Fields = Mapping[str, object]
Renderer = Callable[[Fields], bytes]

PLAIN = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without space, quote, backslash and equals sign
NOT_IN_A_KEY = re.compile(r"[^!#-<>-~]")
DELETE = "\x7f"  # the control character that JSON may leave as it is
CONTROL = re.compile(r"[^\n -~]")
INDENT = "    "
LINES = ("traceback", "stacks")  # on lines of their own, where people read them
APART = ("time", "level", "event", *LINES)

DIM, BOLD, RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
COLOURS = {"debug": "\x1b[36m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}


def renderer(format: str | None, descriptor: int) -> Renderer:  # noqa: A002 - the key in the configuration
    """The renderer of a format; None is console on a terminal and json elsewhere. Colours on a terminal only."""
    terminal = os.isatty(descriptor)
    chosen = format or ("console" if terminal else "json")
    if chosen == "console" and terminal and not os.environ.get("NO_COLOR"):  # https://no-color.org
        return coloured_console
    return RENDERERS[chosen]


def as_json(fields: Fields) -> bytes:
    """One JSON object (RFC 8259); what is no JSON is its ``repr``."""
    try:
        text = json.dumps(fields, default=_odd, allow_nan=False)
    except Exception:  # a key that is no text, a NaN, a cycle, a repr that raises: value by value, then
        text = json.dumps({str(name): _safe(value) for name, value in fields.items()})
    return text.replace(DELETE, r"\u007f").encode("ascii") + b"\n"


def as_logfmt(fields: Fields) -> bytes:
    """``key=value``, values quoted as JSON strings where they are not plain."""
    pairs = (f"{NOT_IN_A_KEY.sub('_', name)}={_quoted(value)}" for name, value in fields.items())
    return " ".join(pairs).encode("ascii") + b"\n"


def plain_console(fields: Fields) -> bytes:
    """For people: time of the day, level, event, fields; a traceback on lines of its own."""
    return _console(fields, "", "", "", "")


def coloured_console(fields: Fields) -> bytes:
    """The same, on a terminal."""
    return _console(fields, COLOURS.get(str(fields.get("level")), ""), DIM, BOLD, RESET)


def _console(fields: Fields, colour: str, dim: str, bold: str, reset: str) -> bytes:
    rest = {name: value for name, value in fields.items() if name not in APART}
    clock = str(fields.get("time", ""))[11:23]
    pairs = [f"{dim}{NOT_IN_A_KEY.sub('_', name)}={reset}{_quoted(value)}" for name, value in rest.items()]
    event = f"{bold}{_escaped(as_text(fields.get('event', '')))}{reset}"
    head = f"{dim}{clock}{reset} {colour}{as_text(fields.get('level', '')):<8}{reset}{event}"
    text = " ".join((head, *pairs)) + "\n"
    for name in (name for name in LINES if name in fields):
        lines = _escaped(as_text(fields[name]), but=CONTROL).rstrip("\n")
        text += "".join(f"{INDENT}{line}\n" for line in lines.split("\n"))
    return text.encode("ascii")


def _odd(value: object) -> object:
    """What json does not know."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return repr(value)


def _safe(value: object) -> object:
    try:
        return json.loads(json.dumps(value, default=_odd, allow_nan=False))
    except Exception:  # it is no JSON for a reason of its own: then as text
        return as_text(value)


def as_text(value: object) -> str:
    """A value as text, whatever it is. Never raises."""
    try:
        return value if isinstance(value, str) else str(_odd(value))
    except Exception:  # an object of an application may fail to be text
        return f"<{type(value).__name__} that cannot be written>"


def _quoted(value: object) -> str:
    if value is True or value is False or value is None:
        return json.dumps(value)
    text = as_text(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text).replace(DELETE, r"\u007f")


def _escaped(text: str, but: re.Pattern[str] = re.compile(r"[^ -~]")) -> str:
    return but.sub(lambda found: found.group().encode("unicode_escape", "backslashreplace").decode("ascii"), text)


RENDERERS: dict[str, Renderer] = {"json": as_json, "logfmt": as_logfmt, "console": plain_console}
