"""preforkctl: the operator's hand on a running daemon.

Exit status: 0 done, 1 refused or failed, 64 the command line is wrong, 69 no daemon answers, 130 interrupted. With
``--json`` the answer is printed as it came, one object.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from prefork import __version__
from prefork.control import client, shown
from prefork.control.words import WORDS, Request
from prefork.errors import PreforkError

DEFAULT_PATH = "/etc/prefork.toml"
REFUSED = 1
EX_USAGE = 64
INTERRUPTED = 130

HELP = {
    "status": "what the master and its workers are at",
    "reload": "the same as HUP: the file and the applications anew; --wait tells how it went",
    "upgrade": "the same as USR2, and the old master retires when the new one is ready",
    "scale": "how many workers a pool has, until the file says another number",
    "reopen": "the same as USR1: open the log files anew",
    "stop": "the same as TERM: requests in flight finish",
    "quit": "the same as QUIT: at once",
    "dump": "the stacks of a worker (pid, pool or pool/number), or of all, unharmed",
    "deaths": "the last workers that ended unasked, and why",
}
WAITING = ("reload", "upgrade", "stop", "quit")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    chosen = _parser().parse_args(argv)
    try:
        path = chosen.socket or client.socket_of(chosen.config)
        return _act(path, chosen)
    except PreforkError as error:
        print(f"preforkctl: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\npreforkctl: interrupted; what was asked for goes on", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="preforkctl", description="Talk to a running preforkd over its control socket.")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_PATH, help="find the socket in this file")
    place.add_argument("-s", "--socket", metavar="SOCKET", help="the control socket itself")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--version", action="version", version=f"prefork {__version__}")
    commands = parser.add_subparsers(dest="do", metavar="COMMAND", required=True, parser_class=_Parser)
    for do in WORDS:
        command = commands.add_parser(do, help=HELP[do], description=HELP[do])
        if do in WAITING:
            command.add_argument("--wait", action="store_true", help="until it is done, with its progress")
        if do == "scale":
            command.add_argument("pool")
            command.add_argument("workers", type=int, metavar="N")
        if do == "dump":
            command.add_argument("worker", nargs="?", default="")
    return parser


def _act(path: str, chosen: argparse.Namespace) -> int:
    given = {name: getattr(chosen, name) for name in WORDS[chosen.do]}
    answer: dict[str, Any] = {}
    leaving = _watched(path, chosen)
    for answer in client.ask(path, Request(chosen.do, **given)):
        if "ok" not in answer and not chosen.json:
            print(shown.progress(answer), flush=True)
    if answer["ok"] and leaving is not None:
        select.select([leaving], [], [])
    if chosen.json:
        print(json.dumps(answer))
    elif answer["ok"]:
        print(shown.SHOWN[chosen.do](answer), end="")
    else:
        print(f"preforkctl: {answer['reason']}", file=sys.stderr)
    return 0 if answer["ok"] else REFUSED


def _watched(path: str, chosen: argparse.Namespace) -> int | None:
    """A descriptor that tells of the end of the master, where that is waited for."""
    if not getattr(chosen, "wait", False) or chosen.do == "reload":
        return None
    *_, status = client.ask(path, Request("status"))
    return os.pidfd_open(status["pid"]) if hasattr(os, "pidfd_open") and status["ok"] else None


if __name__ == "__main__":
    sys.exit(main())
