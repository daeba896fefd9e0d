"""From the configuration to a worker: the one place where the models become a worker's plain settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prefork.arbiter.services import Berth
from prefork.config.models import Config, Pool
from prefork.errors import PreforkError
from prefork.observe import logs
from prefork.system import privileges
from prefork.system.privileges import Identity
from prefork.worker import boot, dry_run, interpreter, sync, template  # noqa: F401 - imported before the fork, their memory is shared
from prefork.worker.boot import Duty
from prefork.worker.settings import HookSettings, HttpSettings, RecycleSettings, Settings, TimeoutSettings
from prefork.worker.template import Origin


def identity_of(config: Config) -> Identity | None:
    """Whom workers run as; None for whom the master runs as. Raises PrivilegeError."""
    return privileges.identity(config.master.user, config.master.group)


def settings_of(config: Config, pool_name: str, workers: int, start_directory: str) -> Settings:
    """One pool's settings, as its workers are told them."""
    pool = config.pool[pool_name]
    http, timeout = pool.http, pool.timeout
    return Settings(
        pool=pool_name,
        app=pool.app,
        kind=pool.worker,
        preload=pool.preload,
        probe=pool.probe,
        directory=pool.directory or config.master.working_directory or start_directory,
        python_path=tuple(pool.python_path),
        environment=dict(pool.environment),
        workers=workers,
        timeout=TimeoutSettings(
            timeout.graceful, timeout.keepalive, timeout.header, timeout.body, timeout.boot, timeout.request
        ),
        http=HttpSettings(
            max_request_line=http.max_request_line,
            max_header_fields=http.max_header_fields,
            max_header_size=http.max_header_size,
            max_body=http.max_body,
            trusted_proxies=tuple(http.trusted_proxies),
            server_header=http.server_header,
        ),
        recycle=RecycleSettings(pool.recycle.requests, pool.recycle.memory, pool.recycle.jitter),
        hooks=HookSettings(pool.hooks.post_fork, pool.hooks.ready, pool.hooks.exit, pool.hooks.abort),
    )


def run_dry(config: Config, start_directory: str, pool_name: str, writer: int) -> None:
    """Import what a pool names as its workers would, and tell every failure. In a child of ``-t``."""
    settings = settings_of(config, pool_name, 1, start_directory)
    python = config.pool[pool_name].python
    take = partial(boot.take_place, settings, umask=config.master.umask, identity=identity_of(config))
    dry_run.explain_stalls(writer)
    if dry_run.tell(writer, [((), take)]):
        if python:
            dry_run.tell(writer, [(("python",), partial(interpreter.go_on_as_dry_run, python, settings, writer))])
        else:
            dry_run.tell(writer, dry_run.imports(settings))
    dry_run.write(writer, dry_run.DONE)


def live(workers_of: Callable[[Pool], int], start_directory: str, berth: Berth) -> int:
    """A worker's life, in the child after the fork. Returns its exit code."""
    config = berth.config
    pool = config.pool[berth.pool]
    return boot.serve(
        Duty(
            settings=settings_of(config, berth.pool, workers_of(pool), start_directory),
            number=berth.number,
            generation=berth.generation,
            row=berth.board.row(berth.slot),
            channel=berth.channel,
            stacks=berth.stacks,
            listeners={name: listener.socket for name, listener in berth.listeners.items()},
            sinks=berth.sinks,
            log=logs.get(pool=berth.pool, worker=berth.number, generation=berth.generation),
            access_format=config.log.access.format if config.log.access else "",
            umask=config.master.umask,
            identity=identity_of(config),
        )
    )


def live_as_template(workers_of: Callable[[Pool], int], start_directory: str, berth: Berth) -> int:
    """A template's life, in the child after the fork. Returns its exit code."""
    config = berth.config
    pool = config.pool[berth.pool]
    origin = Origin(
        settings=settings_of(config, berth.pool, workers_of(pool), start_directory),
        generation=berth.generation,
        board=berth.board,
        channel=berth.channel,
        stacks=berth.stacks,
        listeners={name: listener.socket for name, listener in berth.listeners.items()},
        sinks=berth.sinks,
        access_format=config.log.access.format if config.log.access else "",
        umask=config.master.umask,
        identity=identity_of(config),
    )
    if pool.python is None:
        return template.serve(origin)
    try:
        boot.take_place(origin.settings, umask=origin.umask, identity=origin.identity)
        interpreter.go_on_as_template(pool.python, origin, level=config.log.level, form=config.log.format)
    except PreforkError as error:
        return boot.fail(origin.channel, error)
