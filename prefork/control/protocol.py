"""Pure. How the control socket is spoken: one JSON object a line, versioned. What may be asked: ``commands``.

Rules. A request is answered by any number of messages with an ``event``, and then by exactly one response, with ``ok``.
Whatever else arrives is refused with a sentence: nothing that is read here raises anything but :class:`Misunderstood`.

Diagnostics. Misunderstood, which is answered to the client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefork.control.commands import COMMANDS, TEXT_MOST, Argument, Command

VERSION = 1
LINE_MOST = 64 * 1024  # bytes of a request


class Misunderstood(Exception):
    """A request that is not one; the text is a sentence for the client."""


@dataclass(frozen=True)
class Request:
    """A command, and a value for each of its arguments: one that was not given is empty, 0 or False."""

    command: Command
    given: Mapping[str, Any]

    @property
    def do(self) -> str:
        """The name of the command."""
        return self.command.name

    @property
    def wait(self) -> bool:
        """Whether the response is to come when the matter has ended, with its progress before that."""
        return bool(self.command.argument("wait") and self.given["wait"])

    def line(self) -> bytes:
        """The request as it goes over the socket, without empty arguments, which an older daemon may not know."""
        sent = {one.name: self.given[one.name] for one in self.command.arguments if one.sent and self.given[one.name]}
        return _line({"prefork": VERSION, "do": self.do, **sent})


def request(do: str, /, **given: Any) -> Request:
    """A request for a command; arguments that are not given have their defaults. Raises KeyError: no such command."""
    command = COMMANDS[do]
    return Request(command, {one.name: given.get(one.name, one.kind()) for one in command.arguments})


def parse(line: bytes) -> Request:
    """The request in a line of bytes, whatever they are. Raises Misunderstood."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise Misunderstood(f"a request must be one JSON object on a line of at most {LINE_MOST} bytes") from None
    if not isinstance(value, dict) or not isinstance(value.get("do"), str):
        raise Misunderstood('a request must say what to "do"')
    version = value.pop("prefork", None)
    if type(version) is not int or version != VERSION:
        raise Misunderstood(f'a request must say "prefork": {VERSION}, the version of the protocol')
    command = COMMANDS.get(value.pop("do"))
    if command is None:
        raise Misunderstood(f"unknown command; commands: {', '.join(COMMANDS)}")
    for name in value:
        if command.argument(name) is None:
            raise Misunderstood(f"{command.name} takes no {name[:64]!r}")
    for argument in command.arguments:
        _check(command.name, argument, value)
    return request(command.name, **value)


def _check(do: str, argument: Argument, given: Mapping[str, Any]) -> None:
    name = argument.name
    if name not in given:
        if argument.required:
            raise Misunderstood(f"{do} needs {name}")
        return
    value: Any = given[name]
    if not _is(argument.kind, value):
        raise Misunderstood(f"{name} of {do} must be of type {argument.kind.__name__}")
    if argument.kind is int and not argument.least <= value <= argument.most:
        raise Misunderstood(f"{name} of {do} must be {argument.least} to {argument.most}")
    if argument.kind is str and len(value) > TEXT_MOST:
        raise Misunderstood(f"{name} of {do} must have at most {TEXT_MOST} characters")


def _is(kind: type, value: object) -> bool:
    return type(value) is kind  # True is an int, and 2.0 is equal to one


def event(name: str, fields: Mapping[str, Any]) -> bytes:
    """A message about something that happens while a client waits."""
    return _line({**fields, "event": name})


def response(*, ok: bool, **fields: Any) -> bytes:
    """The message that ends a request; ``reason`` says why it was refused."""
    return _line({"ok": ok, **fields})


def refused(reason: str, **fields: Any) -> bytes:
    """The response to a request that is not granted."""
    return response(ok=False, reason=reason, **fields)


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, default=str).encode() + b"\n"
