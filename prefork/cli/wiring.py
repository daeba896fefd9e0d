"""From the configuration to a worker: the one place where the models become a worker's plain settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from prefork.arbiter.orders import SpawnTemplate
from prefork.arbiter.services import Birth
from prefork.cli import apart
from prefork.config.models import Config, Pool
from prefork.errors import PreforkError
from prefork.system import privileges
from prefork.worker import boot, dry_run, interpreter, sync, template  # noqa: F401 - imported before the fork, their memory is shared
from prefork.worker.settings import HookSettings, HttpSettings, RecycleSettings, Settings, TimeoutSettings
from prefork.worker.spec import Handles, Identity, WorkerSpec


def identity_of(config: Config, pool_name: str) -> Identity | None:
    """Whom a pool's workers run as; None for whom the master runs as. Raises PrivilegeError.

    A pool with a user of its own has that user's group, unless it names one.
    """
    pool, master = config.pool[pool_name], config.master
    if pool.user is not None:
        return privileges.identity(pool.user, pool.group)
    return privileges.identity(master.user, pool.group if pool.group is not None else master.group)


def check_identities(config: Config) -> None:
    """Raise PrivilegeError if a pool's workers cannot run as the configuration says."""
    for name in config.pool:
        identity_of(config, name)


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
        environment=apart.environment_of(config, pool_name),
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


def spec_of(config: Config, pool_name: str, workers: int, start_directory: str, generation: int = 0) -> WorkerSpec:
    """Everything that a pool's template is told, and its workers beside their number. Raises PrivilegeError."""
    return WorkerSpec(
        settings=settings_of(config, pool_name, workers, start_directory),
        generation=generation,
        python=config.pool[pool_name].python or "",
        identity=identity_of(config, pool_name),
        no_new_privileges=config.master.no_new_privileges,
        umask=config.master.umask,
        log_level=config.log.level,
        log_format=config.log.format,
        access_format=config.log.access.format if config.log.access else "",
    )


def run_dry(config: Config, start_directory: str, pool_name: str, writer: int) -> None:
    """Import what a pool names as its workers would, and tell every failure. In a child of ``-t``."""
    spec = spec_of(config, pool_name, 1, start_directory)
    apart.forget_others(config)
    dry_run.explain_stalls(writer)
    if dry_run.tell(writer, [((), partial(boot.take_place, spec))]):
        if spec.python:
            dry_run.tell(writer, [(("python",), partial(interpreter.go_on_as_dry_run, spec, writer))])
        else:
            dry_run.tell(writer, dry_run.imports(spec.settings))
    dry_run.write(writer, dry_run.DONE)


def live(workers_of: Callable[[Pool], int], start_directory: str, birth: Birth, handles: Handles) -> int:
    """The life of a worker or a template, in the child after the fork. Returns its exit code."""
    config = birth.config
    workers = workers_of(config.pool[birth.pool])
    try:
        spec = spec_of(config, birth.pool, workers, start_directory, birth.generation)
        apart.forget_others(config)
        if spec.python:
            boot.take_place(spec)
            interpreter.go_on_as_template(spec, handles)
    except PreforkError as error:
        return boot.fail(handles.channel, error)
    if isinstance(birth, SpawnTemplate):
        return template.serve(spec, handles)
    return boot.serve(replace(spec, number=birth.number, slot=birth.slot, warm_at=birth.warm_at), handles)
