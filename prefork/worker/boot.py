"""A worker's way from the fork to ready, and to its end.

Runs in the worker only. The order matters: stacks first, so that a boot that hangs can be explained; then the
identity, so that no line of the application runs with the master's rights; then the application. Until it is ready a
worker that is told to go just goes, for it serves nobody.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from prefork.errors import BootError, PreforkError
from prefork.observe.access import AccessLog
from prefork.observe.sink import Sink
from prefork.system import privileges, process, signals
from prefork.system.channel import Channel
from prefork.system.privileges import Identity
from prefork.system.scoreboard import Row
from prefork.worker import importer, probe, supervision
from prefork.worker.protocol import Log, Worker, WorkerContext, WsgiApp
from prefork.worker.recycle import RecycleLimits
from prefork.worker.refork import Refork
from prefork.worker.server_state import Errors
from prefork.worker.settings import Settings
from prefork.worker.supervision import MasterLink

LOOPS = {"sync": "prefork.worker.sync:SyncWorker"}


@dataclass(frozen=True)
class Duty:
    """Everything that a newborn worker has."""

    settings: Settings
    number: int
    generation: int
    row: Row
    channel: Channel
    stacks: int
    listeners: Mapping[str, Any]  # name -> listening socket
    sinks: Mapping[str, Sink]
    log: Log
    access_format: str
    umask: int | None
    identity: Identity | None


@dataclass(frozen=True)
class Loaded:
    """What a worker serves with: the application and the class of the worker."""

    application: WsgiApp
    loop: Callable[[WorkerContext], Worker]


def serve(duty: Duty) -> int:
    """A worker's life, forked by the master. Returns its exit code; the caller ends the process with it."""
    return _serve(duty, lambda: take_place(duty.settings, umask=duty.umask, identity=duty.identity), None, None)


def serve_in_place(duty: Duty, loaded: Loaded | None, refork: Refork | None) -> int:
    """The same, forked by a template: it has the place already, and, where the pool preloads, the application."""
    return _serve(duty, lambda: None, loaded, refork)


def load(settings: Settings) -> Loaded:
    """Import what a pool names. Raises BootError."""
    application = importer.load(settings.app)
    return Loaded(application, importer.load_attribute(LOOPS.get(settings.kind, settings.kind)))


def _serve(duty: Duty, take: Callable[[], None], loaded: Loaded | None, refork: Refork | None) -> int:
    begin(duty.stacks, f"worker {duty.settings.pool} {duty.number} gen {duty.generation}")
    try:
        take()
        _introduce(duty)
        run_hook(duty.settings.hooks.post_fork)
        loaded = loaded or load(duty.settings)
        if duty.settings.hooks.abort:
            supervision.run_on_abort(importer.load_hook(duty.settings.hooks.abort), duty.stacks)
        run_hook(duty.settings.hooks.ready)
        if duty.settings.probe:
            errors = Errors(duty.log)
            try:
                probe.ask(loaded.application, duty.settings.probe, errors)
            finally:
                errors.flush()
        # From here on signals are heard by the loop; until now, being told to go was to go.
        line = MasterLink(duty.row, duty.channel, duty.sinks, RecycleLimits(duty.settings.recycle), refork)
        worker = loaded.loop(_context(duty, loaded.application, line))
        if refork:
            refork.worker = worker
        supervision.run_on_expiry(getattr(worker, "expire", None))
        # What is there by now stays: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
    except BaseException as error:  # an application may raise anything, SystemExit too; all of it is a failed boot
        return fail(duty.channel, error)
    return _work(duty, worker)


def _work(duty: Duty, worker: Worker) -> int:
    try:
        worker.run()
    except Exception:  # a fault of the loop: the log is the only place left to say so
        duty.log.error("worker_failed", traceback=traceback.format_exc())
        return 1
    finally:
        run_hook_safely(duty.settings.hooks.exit, duty.log)
    return 0


def take_place(settings: Settings, *, umask: int | None, identity: Identity | None) -> None:
    """Give this process the identity, directory, environment and import path of a pool's worker.

    Raises PrivilegeError, or BootError for a directory that cannot be entered.
    """
    if umask is not None:
        os.umask(umask)
    if identity is not None:
        privileges.drop(identity)
        privileges.no_new_privs()
    try:
        os.chdir(settings.directory)
    except OSError as error:
        raise BootError(f"directory {settings.directory}: {error.strerror}", hint="pool.*.directory") from error
    os.environ.update(settings.environment)
    sys.path[:0] = [*settings.python_path, settings.directory]


def _introduce(duty: Duty) -> None:
    """Let the application know which worker it is in, by its environment: for metrics, and for the curious."""
    os.environ["PREFORK_POOL"] = duty.settings.pool
    os.environ["PREFORK_WORKER"] = str(duty.number)
    os.environ["PREFORK_GENERATION"] = str(duty.generation)


def run_hook(spec: str) -> None:
    """Run a hook of the configuration, if there is one. Raises what it raises."""
    if spec:
        importer.load_hook(spec)()


def run_hook_safely(spec: str, log: Log) -> None:
    """The same where nothing may be stopped by it."""
    try:
        run_hook(spec)
    except Exception:  # whatever it is, the worker is ending already
        log.error("hook_failed", hook=spec, traceback=traceback.format_exc())


def _context(duty: Duty, application: WsgiApp, line: MasterLink) -> WorkerContext:
    fields = {"pool": duty.settings.pool, "worker": duty.number, "pid": os.getpid()}
    access = duty.sinks.get("access")
    return WorkerContext(
        settings=duty.settings,
        number=duty.number,
        app=application,
        listeners=duty.listeners,
        supervisor=line,
        log=duty.log,
        access=AccessLog(access, duty.access_format, fields) if access else None,
    )


def begin(stacks: int, title: str) -> None:
    """First of all after a fork: from here on the process can be explained, and told to go."""
    supervision.leave_stacks(stacks)
    _leave_when_told()
    signals.unblock()
    process.set_title(f"prefork: {title}")


def _leave_when_told() -> None:
    """While booting, TERM, QUIT and INT end the process at once: it has nothing to finish."""

    def leave(_signum: int, _frame: FrameType | None) -> None:
        os._exit(0)

    for signum in (signals.RETIRE, signal.SIGQUIT, signal.SIGINT):
        signal.signal(signum, leave)


def fail(channel: Channel, error: BaseException) -> int:
    """Report why a boot failed; the exit code."""
    story = str(error) if isinstance(error, PreforkError) else traceback.format_exc()
    supervision.report_failure(channel, story)
    return BootError.exit_code
