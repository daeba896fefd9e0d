"""preforkd: the command line, and the only room where everything meets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prefork.cli import check, launch, options, wiring
from prefork.cli.options import Action, Options
from prefork.config import dump, plan
from prefork.config.load import DEFAULT_PATH, check_environment, read
from prefork.config.models import Config
from prefork.errors import ConfigError, PreforkError
from prefork.system import process, signals

__all__ = ["main"]

INTERRUPTED = 130  # what shells say of a process that INT ended


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``preforkd``. Returns the exit status; README lists what each means."""
    signals.start_afresh()
    process.open_standard_streams()  # before anything is opened: a log or a socket must not get such a number
    try:
        return _act(options.parse(sys.argv[1:] if argv is None else argv))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except PreforkError as error:
        print(f"preforkd: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # in a check, or before the master has handlers of its own
        return INTERRUPTED


def _act(chosen: Options) -> int:
    if chosen.action is Action.SCHEMA:
        print(dump.schema())
        return 0
    if chosen.action is Action.PLAN:
        return _plan(chosen)
    directory = launch.start_directory()
    if chosen.action is Action.CHECK:
        return _check(chosen, directory)
    load = partial(_load, chosen.config and str(Path(chosen.config).absolute()), chosen.overrides)  # a daemon moves
    config = load()
    if chosen.action is Action.PRINT_CONFIG:
        print(dump.toml(config), end="")
        return 0
    return launch.run(config, load, chosen.config or DEFAULT_PATH, directory)


def _plan(chosen: Options) -> int:
    assert chosen.against is not None
    new = read(chosen.config, chosen.overrides).config
    old = read("/dev/stdin" if chosen.against == "-" else chosen.against).config
    print("\n".join(plan.lines(old, new)))
    return 0


def _check(chosen: Options, directory: str) -> int:
    loaded = read(chosen.config, chosen.overrides)
    faults = check.run(loaded, partial(wiring.run_dry, loaded.config, directory))
    if faults:
        raise ConfigError(*faults)
    print("ok")
    return 0


def _load(path: str | None, overrides: Sequence[str]) -> Config:
    """A configuration that is sound, on this machine too. Raises ConfigError or PrivilegeError."""
    loaded = read(path, overrides)
    check_environment(loaded.config, loaded.fault)
    wiring.identity_of(loaded.config)
    return loaded.config
