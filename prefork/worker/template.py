"""The process that the workers of a pool are forked from: it has their place, and the application if it is preloaded.

It serves nobody, and sleeps until the master orders a fork. A worker is forked twice, so that it is orphaned and the
master, a child subreaper, adopts it; who it is, the master has from the kernel.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from os import waitpid  # bound now, as poll is: those of a monkey patch wait for another loop
from select import POLLIN, poll
from typing import Any, NoReturn

from prefork.errors import BootError
from prefork.observe import logs
from prefork.observe.sink import Sink
from prefork.system import process
from prefork.system.channel import Channel, Kind, Message
from prefork.system.privileges import Identity
from prefork.system.scoreboard import Scoreboard
from prefork.worker import boot, ending, offspring
from prefork.worker.boot import Duty, Loaded
from prefork.worker.fork_safety import ForkSafety
from prefork.worker.orphan_limit import OrphanLimit
from prefork.worker.refork import LetGo, Refork
from prefork.worker.settings import Settings
from prefork.worker.supervision import follow, report_failure, run_on_expiry

HINT = "start or open it in the post_fork hook: a forked worker has no such thread, and shares such a socket"


@dataclass(frozen=True)
class Origin:
    """Everything that a newborn template has, and that it hands to the workers that it forks."""

    settings: Settings
    generation: int
    board: Scoreboard
    channel: Channel
    stacks: int
    listeners: Mapping[str, Any]  # name -> listening socket
    sinks: Mapping[str, Sink]
    access_format: str
    umask: int | None
    identity: Identity | None


def serve(origin: Origin) -> int:
    """A template's life, forked by the master. Returns its exit code; the caller ends the process with it."""
    settings = origin.settings
    boot.begin(origin.stacks, f"template {settings.pool} gen {origin.generation}", origin.channel, origin.listeners)
    limit = OrphanLimit(settings.timeout)
    offspring.add_tie(limit.leave)
    limit.booting()
    try:
        boot.take_place(settings, umask=origin.umask, identity=origin.identity)
        loaded = _preload(origin) if settings.preload else None
    except BaseException as error:  # an application may raise anything, SystemExit too; all of it is a failed boot
        return boot.fail(origin.channel, error)
    limit.stop()
    return _offer(origin, loaded)


def _offer(origin: Origin, loaded: Loaded | None) -> int:
    # A worker's first collection would otherwise write to, and so copy, every page that it shares with us.
    gc.collect()
    gc.freeze()
    origin.channel.send(Kind.READY)
    return _obey(origin, loaded)


def _preload(origin: Origin) -> Loaded:
    fork_safety = ForkSafety()
    loaded = offspring.guarded(boot.load)(origin.settings)
    for finding in fork_safety.findings():
        log = logs.get(pool=origin.settings.pool, generation=origin.generation)
        log.warning("template_not_fork_safe", found=finding, hint=HINT)
    return loaded


def _obey(origin: Origin, loaded: Loaded | None) -> int:
    """Fork when told to, until the master ends it, or has gone."""
    waiting = poll()
    waiting.register(origin.channel.fileno(), POLLIN)
    while True:
        waiting.poll()
        try:
            message = origin.channel.receive()
        except EOFError:
            return _finish(origin)
        if message is not None and message.kind == Kind.QUIT:
            return 0
        if message is not None and message.kind in (Kind.RETIRE, Kind.DRAIN):
            return _finish(origin)
        if message is not None and message.kind == Kind.FORK:
            _fork(origin, loaded, message)
        elif message is not None:
            follow(origin.sinks, message)


def _finish(origin: Origin) -> int:
    """End as a Python process does: the application was imported here, and may have left something to be done."""
    OrphanLimit(origin.settings.timeout).ending()
    log = logs.get(pool=origin.settings.pool, generation=origin.generation)
    ending.finish(log)
    ending.tell_left(log)
    return 0


def _nothing() -> Sequence[str]:
    """A template has nothing that its children do not need."""
    return ()


def _fork(origin: Origin, loaded: Loaded | None, message: Message, let_go: LetGo = _nothing) -> None:
    """Fork a process that forks the child and ends. The child goes on when the end of the pipe says that it has."""
    pipe: tuple[int, ...] = ()
    try:
        pipe = os.pipe()
        middle = process.fork()
        if middle == 0:
            _fork_again(origin, loaded, message, let_go, pipe)
        with suppress(ChildProcessError):  # reaped already, where an application ignores SIGCHLD
            waitpid(middle, 0)
    except OSError as error:
        log = logs.get(pool=origin.settings.pool, generation=origin.generation)
        log.error("fork_failed", reason=str(error))  # the master sees that the worker's channel has ended
    finally:
        message.discard()
        for descriptor in pipe:
            os.close(descriptor)


def _fork_again(
    origin: Origin, loaded: Loaded | None, message: Message, let_go: LetGo, pipe: tuple[int, int]
) -> NoReturn:
    code = 1
    try:
        if process.fork() == 0:
            reader, writer = pipe
            os.close(writer)
            os.read(reader, 1)
            os.close(reader)
            code = _live(origin, loaded, message, let_go())
    finally:
        os._exit(code)


def _live(origin: Origin, loaded: Loaded | None, message: Message, hindrances: Sequence[str]) -> int:
    """The whole life of the child: a worker, or the next template, unless something hinders it."""
    origin.channel.close()
    os.close(origin.stacks)
    place = json.loads(message.text)
    descriptor, stacks = message.descriptors
    channel = Channel.adopt(descriptor)
    if not channel.send(Kind.HELLO):
        return 0  # it is not wanted any more
    origin = replace(origin, channel=channel, stacks=stacks)
    if not place["number"]:
        return _succeed(origin, loaded, hindrances)
    settings = origin.settings
    log = logs.get(pool=settings.pool, worker=place["number"], generation=origin.generation)
    refork = Refork(place["warm_at"], partial(_fork, origin, loaded), log) if place["warm_at"] else None
    duty = Duty(
        settings=settings,
        number=place["number"],
        generation=origin.generation,
        row=origin.board.row(place["slot"]),
        channel=channel,
        stacks=stacks,
        listeners=origin.listeners,
        sinks=origin.sinks,
        log=log,
        access_format=origin.access_format,
        umask=origin.umask,
        identity=origin.identity,
    )
    return boot.serve_in_place(duty, loaded, refork)


def _succeed(origin: Origin, loaded: Loaded | None, hindrances: Sequence[str]) -> int:
    """Be the next template, with all that the worker has become that forked this process."""
    title = f"template {origin.settings.pool} gen {origin.generation}"
    boot.begin(origin.stacks, title, origin.channel, origin.listeners)
    run_on_expiry(None)
    if hindrances:
        report_failure(origin.channel, "\n".join((*hindrances, HINT)))
        return BootError.exit_code
    return _offer(origin, loaded)
