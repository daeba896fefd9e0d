"""Pure. What a client of the control socket may ask, and how: one JSON object a line, versioned.

A request is answered by any number of objects with an ``event``, and then by exactly one with ``ok``. Whatever else
arrives is answered by a sentence: nothing that is read here can raise anything but :class:`Misunderstood`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1
LINE_MOST = 64 * 1024  # bytes of a request

# What may be asked -> the arguments that it takes, and their types. ``wait``: until it is done, with its progress.
WORDS: Mapping[str, Mapping[str, type]] = {
    "status": {},
    "reload": {"wait": bool},
    "upgrade": {"wait": bool, "keep": bool},
    "scale": {"pool": str, "workers": int},
    "reopen": {},
    "stop": {},
    "quit": {},
    "dump": {"worker": str},
    "deaths": {},
}
REQUIRED = {"scale": ("pool", "workers")}
WORKERS_MOST = 1000


class Misunderstood(Exception):
    """A sentence for the client."""


@dataclass(frozen=True)
class Request:
    """One request that is understood. ``worker``: a pid, a pool, or pool/number; empty for all."""

    do: str
    wait: bool = False
    pool: str = ""
    workers: int = 0
    worker: str = ""
    keep: bool = False  # of an upgrade: the old master serves on beside the new one, until it is told to stop

    def line(self) -> bytes:
        """As it goes over the socket: without what goes without saying, which an older daemon may not know."""
        given = {name: getattr(self, name) for name in WORDS[self.do] if getattr(self, name)}
        return _line({"prefork": VERSION, "do": self.do, **given})


def parse(line: bytes) -> Request:
    """The request in a line. Raises Misunderstood, whatever the bytes are."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise Misunderstood(f"a request is one JSON object on a line of at most {LINE_MOST} bytes") from None
    if not isinstance(value, dict) or not isinstance(value.get("do"), str):
        raise Misunderstood('a request says what to "do"')
    version = value.pop("prefork", None)
    if type(version) is not int or version != VERSION:
        raise Misunderstood(f'a request says "prefork": {VERSION}, the version of the words that are understood here')
    do = value.pop("do")
    if do not in WORDS:
        raise Misunderstood(f"what is understood: {', '.join(WORDS)}")
    return Request(do, **_arguments(do, value))


def _arguments(do: str, given: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        kind = WORDS[do].get(name)
        if kind is None:
            raise Misunderstood(f"{do} takes no {name[:64]!r}")
        if type(value) is not kind:
            raise Misunderstood(f"{name} of {do} must be of type {kind.__name__}")
    for name in REQUIRED.get(do, ()):
        if name not in given:
            raise Misunderstood(f"{do} needs {name}")
    if do == "scale" and not 1 <= given["workers"] <= WORKERS_MOST:
        raise Misunderstood(f"a pool has 1 to {WORKERS_MOST} workers")
    return dict(given)


def event(name: str, fields: Mapping[str, Any]) -> bytes:
    """Something that happens while a client waits."""
    return _line({"event": name, **fields})


def answer(*, ok: bool, **fields: Any) -> bytes:
    """The end of a request; ``reason`` says why not."""
    return _line({"ok": ok, **fields})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, default=str).encode() + b"\n"
