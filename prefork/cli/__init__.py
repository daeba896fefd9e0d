"""preforkd: the command line, and the only room where everything meets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from prefork.cli import check, launch, options, wiring
from prefork.cli.options import Action, Options
from prefork.cli.reading import Reader, runs_as_root, start_faults
from prefork.config import dump, plan
from prefork.config.load import read
from prefork.errors import BootFaults, ConfigError, PreforkError, StartError
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
    except (OSError, MemoryError) as error:
        print(f"preforkd: {launch.refusal(error)}", file=sys.stderr)
        return StartError.exit_code
    except KeyboardInterrupt:  # in a check, or before the master has handlers of its own
        return INTERRUPTED


def _act(chosen: Options) -> int:
    if chosen.action is Action.SCHEMA:
        print(dump.schema())
        return 0
    if chosen.action is Action.PLAN:
        return _plan(chosen)
    reader = Reader(chosen.config, chosen.overrides, launch.start_directory(), chosen.config_writers)
    if chosen.action is Action.CHECK:
        return _check(reader)
    if chosen.action is Action.PRINT_CONFIG:
        print(dump.toml(reader.read_plain().config), end="")
        return 0
    return launch.run(reader.start(), reader)


def _plan(chosen: Options) -> int:
    assert chosen.against is not None
    new = read(chosen.config, chosen.overrides).config
    old = read(chosen.against).config
    print("\n".join(plan.lines(old, new)))
    return 0


def _check(reader: Reader) -> int:
    """Tell what a start would tell, with the status that it would have."""
    loaded = reader.read()
    faults = start_faults(loaded)
    wrong = {fault.key for fault in faults}
    if any(key.endswith((".user", ".group")) and key.startswith(("master.", "pool.")) for key in wrong):
        raise ConfigError(*faults)  # as whom should it be imported?
    wiring.check_identities(loaded.config)
    broken = check.run(loaded, wrong, partial(wiring.run_dry, loaded.config, reader.directory))
    if faults:
        raise ConfigError(*faults, *broken)
    if broken:
        raise BootFaults(*broken)
    if runs_as_root(loaded.config):
        print(f"warning: {launch.AS_ROOT}", file=sys.stderr)
    print("ok")
    return 0
