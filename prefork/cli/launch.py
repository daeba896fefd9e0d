"""From a sound configuration to a running master, and from its end to an exit status.

Whoever started it is told how it went, once: the launching shell of a daemon, the old master in an upgrade, or the
terminal. Until then every failure is theirs to read; afterwards it goes to the log.

Diagnostics. ``master_started``, ``master_stopped``, ``master_failed`` (with a traceback), ``predecessor_was_killed``,
``workers_run_as_root``.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import partial
from pathlib import Path

from prefork import __version__
from prefork.arbiter.loop import Arbiter
from prefork.arbiter.services import Services
from prefork.cli import restarting, wiring
from prefork.cli.reading import Reader, runs_as_root
from prefork.config.load import worker_count
from prefork.config.models import Config
from prefork.config.plan import by_cost
from prefork.control.server import Manner, Server
from prefork.errors import BootError, PreforkError, StartError
from prefork.observe import logs
from prefork.observe.sink import Sink
from prefork.system import activation, daemon, handoff
from prefork.system.handoff import Handoff
from prefork.system.notify import Notifier
from prefork.system.pidfile import Pidfile

AS_ROOT = "applications run as root: set user under [master]"
START_ELSEWHERE = "it may have been removed; start preforkd in another"

LINE = "\n"


class Starter:
    """Reports to whoever waits for the start: the launching shell of a daemon, an old master, or the terminal."""

    def __init__(self, launch: daemon.Launch | None, succession: Handoff | None) -> None:
        self._launch = launch
        self._succession = succession

    def ready(self) -> None:
        """Report that the service is up. Called once."""
        if self._launch:
            self._launch.ready()
        if self._succession:
            handoff.report_ready(self._succession.report)
        self._launch = self._succession = None

    def leave(self) -> None:
        """Close the lines to whoever waits, without a word. In a child of the master."""
        if self._launch:
            self._launch.leave()
        if self._succession:
            os.close(self._succession.report)
        self._launch = self._succession = None

    def failed(self, reason: str, code: int, *, logged: bool = False) -> None:
        """Report why the service is not up, in a sentence.

        Once it is up, failures are for the log. ``logged``: the same terminal has the log, with all that follows
        the first line.
        """
        if self._launch:
            self._launch.failed(f"preforkd: {reason}", code)
        elif self._succession:
            handoff.report_failed(self._succession.report, reason)
        else:
            print(f"preforkd: {reason.partition(LINE)[0] if logged else reason}", file=sys.stderr)
        self._launch = self._succession = None


def start_directory() -> str:
    """The directory of the start, by the name that the user knows it by: a symbolic link may point elsewhere next time.

    Raises StartError if that directory has been removed: nothing says what relative paths mean.
    """
    try:
        here = Path.cwd()
    except OSError as error:
        raise StartError(f"the current directory cannot be used: {error.strerror}", hint=START_ELSEWHERE) from error
    named = os.environ.get("PWD", "")
    if named and Path(named).is_absolute() and Path(named).exists() and Path(named).samefile(here):
        return named
    return str(here)


def run(config: Config, reader: Reader) -> int:
    """Be the master until told to stop, and return the exit status. ``reader`` reads the configuration again."""
    succession = handoff.take(os.environ)
    if succession:
        succession.take_stderr()
    launch = None
    if config.master.daemonize and succession is None:  # a successor is detached already
        place = config.master.working_directory or "/"
        launch = daemon.Launch.detach(working_directory=place, umask=config.master.umask)
    elif config.master.working_directory:
        os.chdir(config.master.working_directory)
    starter = Starter(launch, succession)
    try:
        return _serve(config, reader, starter, succession)
    except PreforkError as error:
        starter.failed(str(error), error.exit_code)
        return error.exit_code
    except (OSError, MemoryError) as error:
        starter.failed(refusal(error), StartError.exit_code)
        return StartError.exit_code
    except Exception as error:  # its traceback is in the log
        starter.failed(f"the master failed: {type(error).__name__}: {error}", BootError.exit_code)
        return BootError.exit_code


def refusal(error: OSError | MemoryError) -> str:
    """A sentence about a system call that failed, or memory that ran out."""
    return f"the master cannot start: {error if isinstance(error, OSError) else 'out of memory'}"


def _serve(config: Config, reader: Reader, starter: Starter, succession: Handoff | None) -> int:
    sinks = open_sinks(config)
    pidfile = Pidfile(config.master.pidfile) if config.master.pidfile else None
    if pidfile:
        pidfile.acquire(succeeding=succession is not None)
    logs.configure(sinks["log"], level=config.log.level, format=config.log.format, static={})
    log = logs.get()
    log.info("master_started", pid=os.getpid(), version=__version__, config=reader.title)
    if runs_as_root(config):
        log.warning("workers_run_as_root", hint=AS_ROOT)
    orphaned = pidfile is not None and pidfile.was_stale
    if orphaned:
        hint = (
            "workers of the killed master are still finishing requests and may hold the listening sockets; "
            "waiting for them"
        )
        log.warning("predecessor_was_killed", hint=hint)
    services = Services(
        config=config,
        load=reader.reload,
        changed=by_cost,
        workers_of=worker_count,
        serve=partial(wiring.live, worker_count, reader.directory),
        environments=reader.vault.descriptor,
        announce=starter.ready,
        leave_starter=starter.leave,
        log=log,
        set_level=logs.set_level,
        command=restarting.command(),
        directory=reader.directory,
        control_manner=control_manner,
        open_control=open_control,
        notifier=Notifier(os.environ, os.getpid()),
        kept=activation.kept(),
        patience=max(pool.timeout.graceful for pool in config.pool.values()) if orphaned else 0.0,
        title=reader.title,
        version=__version__,
        sinks=sinks,
        pidfile=pidfile,
        handoff=succession,
        terminal=not config.master.daemonize and sys.stdin is not None and sys.stdin.isatty(),
    )
    try:
        ending = Arbiter(services).run()
    except PreforkError:
        raise
    except Exception:  # a fault of ours: a daemon's standard error is nobody's to read
        log.error("master_failed", traceback=traceback.format_exc())
        raise
    log.info("master_stopped", code=ending.code)
    if ending.code:
        starter.failed(ending.reason, ending.code, logged=config.log.file == "stderr")
    return ending.code


def control_manner(config: Config) -> Manner:
    """Who may use the control socket, and the mode and group of its file. Raises PrivilegeError."""
    assert config.control is not None
    identities = (wiring.identity_of(config, pool) for pool in config.pool)
    workers = frozenset(identity.uid for identity in identities if identity)
    return Manner(config.control.mode, config.control.group, workers)


def open_control(path: str, manner: Manner, over: int | None) -> Server:
    """Open the control socket. Raises BindError."""
    return Server(path, manner, over=over)


def open_sinks(config: Config) -> dict[str, Sink]:
    """Open the logs, by the names under which USR1 passes them on to workers. Raises FileError."""
    sinks = {"log": Sink.open(config.log.file, name="log")}
    if config.log.access:
        sinks["access"] = Sink.open(config.log.access.file, name="access")
    return sinks
