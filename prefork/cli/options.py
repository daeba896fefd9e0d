"""The command line of preforkd, as a value.

Rules. Nothing is done here but reading and explaining the options. Whatever can be said in the file is said by
``--set``; an option of its own has only what is needed before there is a file, or at every turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from prefork import __version__

EX_USAGE = 64  # sysexits.h

_DESCRIPTION = "Serve Python web applications from pre-forked workers, as one TOML file says."

_EPILOG = """\
examples:
  preforkd -c prefork.toml             serve in the foreground; Ctrl-C stops
  preforkd -c prefork.toml -t          check it, and import the applications
  preforkd -c prefork.toml --plan --against running.toml
  preforkd -c prefork.toml --set pool.web.workers=8 --set log.level=debug

signals of the master:
  TERM        stop; requests in flight finish
  QUIT, INT   stop at once
  HUP         reload configuration and applications; old workers serve until new ones can
  USR1        reopen the log files
  USR2        upgrade: start a new master on the same sockets; TERM to the old completes it
  TTIN, TTOU  one worker more, one fewer, in the first pool of the file
  WINCH       daemonized: retire all workers; HUP brings them back

exit status:
  0   stopped as asked, or the check found nothing
  64  the command line is wrong                 71  a listener cannot be opened
  70  an application cannot be loaded           75  it is running already
  73  a log or the pidfile cannot be written    77  the user or group cannot be taken
  78  the configuration has faults

"""


class Action(Enum):
    """What preforkd is asked to do."""

    RUN = "run"
    CHECK = "check"
    PRINT_CONFIG = "print-config"
    SCHEMA = "schema"
    PLAN = "plan"


@dataclass(frozen=True)
class Options:
    """``config`` None: where it is looked for is the loader's business. ``overrides`` are ``KEY=VALUE`` in order."""

    action: Action = Action.RUN
    config: str | None = None
    overrides: tuple[str, ...] = ()
    config_writers: tuple[str, ...] = ()  # users and groups beside root who may write to the configuration
    against: str | None = None  # for PLAN: the file of what runs now; "-" is standard input


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def parse(argv: Sequence[str]) -> Options:
    """The options in ``argv``, without the program's name.

    Raises SystemExit: 0 after ``--help`` and ``--version``, 64 (EX_USAGE) after a mistake was explained.
    """
    command_line = parser()
    chosen = command_line.parse_args(argv)
    if chosen.action is Action.PLAN and chosen.against is None:
        command_line.error("--plan needs --against: an older file, or what --print-config printed before")
    if chosen.action is not Action.PLAN and chosen.against is not None:
        command_line.error("--against goes with --plan")
    return Options(chosen.action, chosen.config, tuple(chosen.overrides), tuple(chosen.config_writers), chosen.against)


def parser() -> argparse.ArgumentParser:
    """The options, each with its help: also what the shell completions are made from."""
    parser = _Parser(
        prog="preforkd",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation in a unit file breaks when an option is added
        add_help=False,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: /etc/prefork.toml")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="set one key, whatever the file says; may be repeated",
    )
    parser.add_argument(
        "--config-writer",
        dest="config_writers",
        metavar="NAME",
        action="append",
        default=[],
        help="as root: a user or group, besides root, that may write to the configuration; may be repeated",
    )
    _add_terminal(parser.add_mutually_exclusive_group())
    _add_actions(parser.add_mutually_exclusive_group())
    parser.add_argument("--against", metavar="OLD", help="with --plan: an older file, or - for standard input")
    parser.add_argument("--version", action="version", version=f"prefork {__version__}", help="print it and exit")
    parser.add_argument("-h", "--help", action="help", help="print this and exit")
    parser.set_defaults(action=Action.RUN)
    return parser


def _add_terminal(group: argparse._MutuallyExclusiveGroup) -> None:
    """They are overrides like any other, so that they outlive a reload of the file."""
    for option, value, text in (
        ("--daemon", "true", "detach from the terminal: master.daemonize = true"),
        ("--foreground", "false", "stay on the terminal: master.daemonize = false"),
    ):
        group.add_argument(
            option, dest="overrides", action="append_const", const=f"master.daemonize={value}", help=text
        )


def _add_actions(group: argparse._MutuallyExclusiveGroup) -> None:
    for options, action, text in (
        (("-t", "--check"), Action.CHECK, "check the configuration, import the applications, and exit"),
        (("--print-config",), Action.PRINT_CONFIG, "print the effective configuration with every default, and exit"),
        (("--plan",), Action.PLAN, "print what a reload from OLD to FILE would do, and exit"),
        (("--schema",), Action.SCHEMA, "print the JSON Schema of the configuration, and exit"),
    ):
        group.add_argument(*options, dest="action", action="store_const", const=action, help=text)
