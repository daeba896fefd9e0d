"""Pure. The two records that make a worker: what it is told, and what it is given.

Rules. ``WorkerSpec`` is plain data: the same JSON reaches a worker of this interpreter or of another, by a fork or by
an exec. It holds one pool's settings, and nothing of any other's. ``Handles`` are open descriptors and their objects.
Both stay as they are for life: a template hands its children the same with another number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prefork.worker.settings import Settings

if TYPE_CHECKING:
    import socket

    from prefork.observe.sink import Sink
    from prefork.system.channel import Channel


@dataclass(frozen=True)
class Identity:
    """A user, a group and the supplementary groups; ``name`` and ``home`` are empty for a number without an entry."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str = ""
    home: str = ""


@dataclass(frozen=True)
class WorkerSpec:
    """Everything that a worker or a template is told."""

    settings: Settings
    generation: int
    number: int = 0  # of the worker in its pool; 0: a template
    slot: int = 0  # of the scoreboard; a template has no row
    warm_at: int = 0  # requests after which it offers itself as a template; 0: never
    python: str = ""  # the interpreter to execute; empty: the master's own
    identity: Identity | None = None  # None: the master's
    no_new_privileges: bool = True  # with an identity: no exec gives more rights
    umask: int | None = None
    log_level: str = "info"
    log_format: str | None = None  # None: by where the log goes
    access_format: str = ""

    @property
    def title(self) -> str:
        """The title of the process in ps, and its name in logs."""
        kind = f"worker {self.settings.pool} {self.number}" if self.number else f"template {self.settings.pool}"
        return f"{kind} gen {self.generation}"

    def as_json(self) -> dict[str, Any]:
        """The spec as numbers, texts, lists and dictionaries."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> WorkerSpec:
        """The spec of which ``as_json`` made this value."""
        identity = value["identity"]
        parts: dict[str, Any] = {"settings": Settings.of_json(value["settings"])}
        if identity is not None:
            parts["identity"] = Identity(**{**identity, "groups": tuple(identity["groups"])})
        return cls(**{**value, **parts})


@dataclass(frozen=True)
class Handles:
    """Everything that a worker or a template is given. Descriptors that are not in here are not for it."""

    channel: Channel  # to the master
    stacks: int  # where stack dumps are written to
    row: int  # its row of the scoreboard; -1: a template's
    words: int  # the master's words, for reading
    listeners: Mapping[str, socket.socket]  # by name; shared with every other worker
    sinks: Mapping[str, Sink]  # the logs, by the name under which they are opened anew

    def descriptors(self) -> tuple[int, ...]:
        """The numbers of all descriptors among the handles."""
        listeners = (listener.fileno() for listener in self.listeners.values())
        sinks = (sink.fileno() for sink in self.sinks.values())
        row = () if self.row < 0 else (self.row,)
        return (self.channel.fileno(), self.stacks, self.words, *row, *listeners, *sinks)
