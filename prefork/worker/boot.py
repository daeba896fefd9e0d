"""A worker's way from the fork to ready, and to its end.

Runs in the worker only. The order matters: stacks first, so that a boot that hangs can be explained; then the
identity, so that no line of the application runs with the master's rights; then the application. Until it is ready a
worker that is told to go just goes, for it serves nobody.

Diagnostics. ``worker_failed``, ``hook_failed``; a boot that fails is reported to the master with its traceback.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

from prefork.errors import BootError, PreforkError
from prefork.observe import logs
from prefork.observe.access import AccessLog
from prefork.system import privileges, process, signals
from prefork.system.channel import Channel
from prefork.system.scoreboard import Row
from prefork.worker import ending, importer, offspring, probe, stacks, supervision
from prefork.worker.orphan_limit import OrphanLimit
from prefork.worker.protocol import (
    Directive,
    Expires,
    Flushes,
    Forks,
    Log,
    Prepares,
    Starts,
    Worker,
    WorkerContext,
    WsgiApp,
)
from prefork.worker.recycle import RecycleLimits
from prefork.worker.refork import Refork
from prefork.worker.server_state import Errors
from prefork.worker.settings import Settings
from prefork.worker.spec import Handles, WorkerSpec
from prefork.worker.supervision import MasterLink

LOOPS = {"sync": "prefork.worker.sync:SyncWorker"}


@dataclass(frozen=True)
class Loaded:
    """What a worker serves with: the application and the class of the worker."""

    application: WsgiApp
    loop: Callable[[WorkerContext], Worker]


def serve(spec: WorkerSpec, handles: Handles) -> int:
    """A worker's life, forked by the master. Returns its exit code; the caller ends the process with it."""
    return _serve(spec, handles, partial(take_place, spec), None, None)


def serve_in_place(spec: WorkerSpec, handles: Handles, loaded: Loaded | None, refork: Refork | None) -> int:
    """A worker's life, forked by a template: it has the place already, and the application where the pool preloads."""
    return _serve(spec, handles, lambda: None, loaded, refork)


def load(settings: Settings) -> Loaded:
    """Import what a pool names. Raises BootError."""
    # The class first: it prepares the process, and ours must have its names before the application can monkey-patch the
    # modules that they come from.
    loop = prepare(settings)
    return Loaded(importer.load(settings.app), loop)


def prepare(settings: Settings) -> Callable[[WorkerContext], Worker]:
    """Import the class of the worker, and have it prepare this process. Raises BootError, or what the class raises."""
    loop: Callable[[WorkerContext], Worker] = importer.load_attribute(LOOPS.get(settings.kind, settings.kind))
    if isinstance(loop, Prepares):
        loop.prepare()
    return loop


def _serve(
    spec: WorkerSpec, handles: Handles, take: Callable[[], None], loaded: Loaded | None, refork: Refork | None
) -> int:
    begin(spec, handles)
    settings, hooks = spec.settings, spec.settings.hooks
    log = logs.get(pool=settings.pool, worker=spec.number, generation=spec.generation)
    limit = OrphanLimit(settings.timeout)
    offspring.add_tie(limit.leave)
    limit.booting()
    try:
        row = _take_row(spec, handles)
        take()
        _introduce(spec)
        run_hook(hooks.post_fork)
        loaded = loaded or offspring.guarded(load)(settings)
        if hooks.abort:
            supervision.run_on_abort(importer.load_hook(hooks.abort), handles.stacks)
        run_hook(hooks.ready)
        if settings.probe:
            errors = Errors(log)
            try:
                offspring.guarded(probe.ask)(loaded.application, settings.probe, errors)
            finally:
                errors.flush()
        # From here on signals are heard by the loop; until now, being told to go was to go.
        line = MasterLink(row, handles.channel, handles.sinks, RecycleLimits(settings.recycle), refork, limit)
        offspring.add_tie(line.leave)
        worker = offspring.guarded(loaded.loop)(_context(spec, handles, loaded.application, line, log))
        if isinstance(worker, Forks):
            offspring.add_tie(worker.leave)
        if isinstance(worker, Starts):
            offspring.guarded(worker.start)()
        if refork:
            refork.worker = worker
        supervision.run_on_expiry(worker.expire if isinstance(worker, Expires) else None)
        # What is there by now stays: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
    except BaseException as error:  # an application may raise anything, SystemExit too; all of it is a failed boot
        return fail(handles.channel, error)
    return _work(spec, worker, line, limit, log)


def _work(spec: WorkerSpec, worker: Worker, line: MasterLink, limit: OrphanLimit, log: Log) -> int:
    code = 0
    try:
        offspring.guarded(worker.run)()
    except Exception:  # a fault of the loop: the log is the only place left to say so
        log.error("worker_failed", traceback=traceback.format_exc())
        code = 1
    limit.ending()
    run_hook_safely(spec.settings.hooks.exit, log)
    if not code and line.directive is not Directive.QUIT:
        ending.finish(log, worker.flush if isinstance(worker, Flushes) else None)
    ending.tell_left(log)
    return code


def _take_row(spec: WorkerSpec, handles: Handles) -> Row:
    """Map the row, and let go of the descriptors that a row was made of: application code has no use for them."""
    row = Row.map(handles.row, handles.words, spec.slot)
    os.close(handles.row)
    if not spec.warm_at:  # else it may become a template, whose workers need the master's words as well
        os.close(handles.words)
    return row


def take_place(spec: WorkerSpec) -> None:
    """Give this process the identity, directory, environment and import path of a pool's worker.

    Raises PrivilegeError, or BootError for a directory that cannot be entered.
    """
    settings = spec.settings
    if spec.umask is not None:
        os.umask(spec.umask)
    if spec.identity is not None:
        was_root = os.geteuid() == 0
        privileges.drop(spec.identity)
        if was_root:
            privileges.hide()
        if spec.no_new_privileges:
            privileges.no_new_privs()
    try:
        os.chdir(settings.directory)
    except OSError as error:
        raise BootError(f"directory {settings.directory}: {error.strerror}", hint="pool.*.directory") from error
    os.environ.update(settings.environment)
    time.tzset()  # TZ may be among it
    find_modules(settings)


def find_modules(settings: Settings) -> None:
    """Have the application's own modules found first."""
    sys.path[:0] = [*settings.python_path, settings.directory]


def _introduce(spec: WorkerSpec) -> None:
    """Let the application know which worker it is in, by its environment: for metrics, and for the curious."""
    os.environ["PREFORK_POOL"] = spec.settings.pool
    os.environ["PREFORK_WORKER"] = str(spec.number)
    os.environ["PREFORK_GENERATION"] = str(spec.generation)


def run_hook(spec: str) -> None:
    """Run a hook of the configuration, if there is one. Raises what it raises."""
    if spec:
        offspring.guarded(importer.load_hook(spec))()


def run_hook_safely(spec: str, log: Log) -> None:
    """Run a hook where nothing may be stopped by it: what it raises goes to the log."""
    try:
        run_hook(spec)
    except Exception:  # whatever it is, the worker is ending already
        log.error("hook_failed", hook=spec, traceback=traceback.format_exc())


def _context(spec: WorkerSpec, handles: Handles, application: WsgiApp, line: MasterLink, log: Log) -> WorkerContext:
    fields = {"pool": spec.settings.pool, "worker": spec.number, "pid": os.getpid()}
    access = handles.sinks.get("access")

    def lost(count: int) -> None:
        log.warning("log_lines_lost", log="access", count=count)

    return WorkerContext(
        settings=spec.settings,
        number=spec.number,
        app=application,
        listeners=handles.listeners,
        supervisor=line,
        log=log,
        access=AccessLog(access, spec.access_format, fields, lost) if access else None,
    )


def begin(spec: WorkerSpec, handles: Handles) -> None:
    """First of all after a fork: from here on the process can be explained, and told to go."""
    ending.disown_inherited()
    stacks.leave_at(handles.stacks)
    # The channel and the listeners are not for the children of the application.
    offspring.begin(spec.title, handles.channel.close, *(sock.close for sock in handles.listeners.values()))
    _leave_when_told()
    signals.unblock()
    process.set_title(f"prefork: {spec.title}")


def _leave_when_told() -> None:
    """While booting, TERM, QUIT and INT end the process at once: it has nothing to finish."""

    def leave(_signum: int, _frame: FrameType | None) -> None:
        os._exit(0)

    for signum in (signals.RETIRE, signal.SIGQUIT, signal.SIGINT):
        signal.signal(signum, leave)
    signals.disregard_commands()


def fail(channel: Channel, error: BaseException) -> int:
    """Report why a boot failed; the exit code."""
    story = str(error) if isinstance(error, PreforkError) else traceback.format_exc()
    supervision.report_failure(channel, story)
    return BootError.exit_code
