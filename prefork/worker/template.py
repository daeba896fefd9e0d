"""A template: the process that workers of a pool are forked from.

It has their place, and the application if the pool preloads. It serves nobody, and sleeps until the master orders a
fork. A worker is forked twice, so that it is orphaned and the master, a child subreaper, adopts it; who it is, the
master has from the kernel.

Diagnostics. ``template_not_fork_safe``, ``fork_failed``.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from os import waitpid  # bound now, as poll is: those of a monkey patch wait for another loop
from select import POLLIN, poll
from typing import NoReturn

from prefork.errors import BootError
from prefork.observe import logs
from prefork.system import process
from prefork.system.channel import Channel, Kind, Message
from prefork.worker import boot, ending, offspring
from prefork.worker.boot import Loaded
from prefork.worker.fork_safety import ForkSafety
from prefork.worker.orphan_limit import OrphanLimit
from prefork.worker.protocol import Log
from prefork.worker.refork import LetGo, Refork
from prefork.worker.spec import Handles, WorkerSpec
from prefork.worker.supervision import follow, report_failure, run_on_expiry

HINT = "start or open it in the post_fork hook: a forked worker has no such thread, and shares such a socket"


def serve(spec: WorkerSpec, handles: Handles, *, placed: bool = False) -> int:
    """A template's life. Returns its exit code; the caller ends the process with it.

    ``placed``: it has its identity and directory already, for it took them before it executed another interpreter.
    """
    boot.begin(spec, handles)
    limit = OrphanLimit(spec.settings.timeout)
    offspring.add_tie(limit.leave)
    limit.booting()
    try:
        if placed:
            boot.find_modules(spec.settings)
        else:
            boot.take_place(spec)
        loaded = _preload(spec) if spec.settings.preload else None
    except BaseException as error:  # an application may raise anything, SystemExit too; all of it is a failed boot
        return boot.fail(handles.channel, error)
    limit.stop()
    return _offer(spec, handles, loaded)


def _offer(spec: WorkerSpec, handles: Handles, loaded: Loaded | None) -> int:
    # A worker's first collection would otherwise write to, and so copy, every page that it shares with us.
    gc.collect()
    gc.freeze()
    handles.channel.send(Kind.READY)
    return _obey(spec, handles, loaded)


def _preload(spec: WorkerSpec) -> Loaded:
    fork_safety = ForkSafety()
    loaded = offspring.guarded(boot.load)(spec.settings)
    for finding in fork_safety.findings():
        _log(spec).warning("template_not_fork_safe", found=finding, hint=HINT)
    return loaded


def _log(spec: WorkerSpec) -> Log:
    log: Log = logs.get(pool=spec.settings.pool, generation=spec.generation)
    return log


def _obey(spec: WorkerSpec, handles: Handles, loaded: Loaded | None) -> int:
    """Fork when told to, until the master ends it, or has gone."""
    waiting = poll()
    waiting.register(handles.channel.fileno(), POLLIN)
    while True:
        waiting.poll()
        try:
            message = handles.channel.receive()
        except EOFError:
            return _finish(spec)
        if message is not None and message.kind == Kind.QUIT:
            return 0
        if message is not None and message.kind in (Kind.RETIRE, Kind.DRAIN):
            return _finish(spec)
        if message is not None and message.kind == Kind.FORK:
            _fork(spec, handles, loaded, message)
        elif message is not None:
            follow(handles.sinks, message)


def _finish(spec: WorkerSpec) -> int:
    """End as a Python process does: the application was imported here, and may have left something to be done."""
    OrphanLimit(spec.settings.timeout).ending()
    ending.finish(_log(spec))
    ending.tell_left(_log(spec))
    return 0


def _nothing() -> Sequence[str]:
    """A template has nothing that its children do not need."""
    return ()


def _fork(
    spec: WorkerSpec, handles: Handles, loaded: Loaded | None, message: Message, let_go: LetGo = _nothing
) -> None:
    """Fork a process that forks the child and ends. The child goes on when the end of the pipe says that it has."""
    pipe: tuple[int, ...] = ()
    try:
        pipe = os.pipe()
        middle = process.fork()
        if middle == 0:
            _fork_again(spec, handles, loaded, message, let_go, pipe)
        with suppress(ChildProcessError):  # reaped already, where an application ignores SIGCHLD
            waitpid(middle, 0)
    except OSError as error:
        _log(spec).error("fork_failed", reason=str(error))  # the master sees that the worker's channel has ended
    finally:
        message.discard()
        for descriptor in pipe:
            os.close(descriptor)


def _fork_again(
    spec: WorkerSpec, handles: Handles, loaded: Loaded | None, message: Message, let_go: LetGo, pipe: tuple[int, int]
) -> NoReturn:
    code = 1
    try:
        if process.fork() == 0:
            reader, writer = pipe
            os.close(writer)
            os.read(reader, 1)
            os.close(reader)
            code = _live(spec, handles, loaded, message, let_go())
    finally:
        os._exit(code)


def _live(
    spec: WorkerSpec, handles: Handles, loaded: Loaded | None, message: Message, hindrances: Sequence[str]
) -> int:
    """The whole life of the child: a worker, or the next template, unless something hinders it."""
    process.leave_terminal()
    handles.channel.close()
    os.close(handles.stacks)
    descriptor, stacks, *row = message.descriptors
    channel = Channel.adopt(descriptor)
    if not channel.send(Kind.HELLO):
        return 0  # it is not wanted any more
    handles = replace(handles, channel=channel, stacks=stacks, row=row[0] if row else -1)
    spec = replace(spec, **json.loads(message.text))
    if not spec.number:
        return _succeed(spec, handles, loaded, hindrances)
    log = logs.get(pool=spec.settings.pool, worker=spec.number, generation=spec.generation)
    refork = Refork(spec.warm_at, partial(_fork, spec, handles, loaded), log) if spec.warm_at else None
    return boot.serve_in_place(spec, handles, loaded, refork)


def _succeed(spec: WorkerSpec, handles: Handles, loaded: Loaded | None, hindrances: Sequence[str]) -> int:
    """Be the next template, with all that the worker has become that forked this process."""
    boot.begin(spec, handles)
    run_on_expiry(None)
    if hindrances:
        report_failure(handles.channel, "\n".join((*hindrances, HINT)))
        return BootError.exit_code
    return _offer(spec, handles, loaded)
