"""What ``cli`` hands the arbiter, and what the arbiter hands a newborn worker.

The arbiter knows no worker code and no command line: what a child does with its life, and how the configuration is
read again, come to it as callables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefork.config.models import Config, Pool
from prefork.observe.sink import Sink
from prefork.system.channel import Channel
from prefork.system.handoff import Handoff
from prefork.system.listeners import Listener
from prefork.system.pidfile import Pidfile
from prefork.system.scoreboard import Scoreboard


@dataclass(frozen=True)
class Berth:
    """A newborn worker's place, in the child after the fork. Every other descriptor of the master is closed."""

    pool: str
    number: int  # 0: a template's
    slot: int  # of the scoreboard
    generation: int
    config: Config
    board: Scoreboard
    channel: Channel
    stacks: int  # the descriptor that stack dumps are written to
    listeners: Mapping[str, Listener]
    sinks: Mapping[str, Sink]


@dataclass(frozen=True)
class Backing:
    """What the master needs of the rest of the house."""

    config: Config
    load: Callable[[], Config]  # read the configuration again; raises ConfigError
    restart_keys: Callable[[Config, Config], tuple[str, ...]]  # what changed but takes no effect by a reload
    workers_of: Callable[[Pool], int]  # the number of workers that a pool's configuration means
    serve: Callable[[Berth], int]  # a worker's life, in the child; returns its exit code
    serve_template: Callable[[Berth], int]  # the same of a template
    announce: Callable[[], None]  # the service is up
    log: Any
    set_level: Callable[[str], None]
    command: Sequence[str]  # that starts a successor
    directory: str  # to start it in
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    pidfile: Pidfile | None = None
    handoff: Handoff | None = None  # from the master that this one succeeds
    terminal: bool = False  # a terminal's window changes send WINCH: it means nothing then
