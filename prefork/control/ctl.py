"""preforkctl: steer a running preforkd from the shell, by words instead of signals.

It starts fast: neither the configuration models nor the log are imported. What it prints is in ``shown``, what it
says over the socket in ``words``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from prefork import __version__
from prefork.control import client, protocol, shown
from prefork.control.protocol import Misunderstood, Request
from prefork.errors import PreforkError

EX_REFUSED = 1
EX_USAGE = 64  # sysexits.h
INTERRUPTED = 130  # what shells say of a process that INT ended

_EPILOG = """\
examples:
  preforkctl status
  preforkctl reload --wait             exit 1, and why, if it was refused
  preforkctl -c /etc/shop.toml scale web 8
  preforkctl dump web/2                what is it doing?

exit status:
  0   done                             69  there is none, or you may not ask it
  1   refused or failed, and why       70  it does not answer as it should
  64  the command line is wrong        78  the configuration cannot be read
"""
_COMMANDS = {
    "status": "what runs: pools, workers, listeners, the last reload",
    "reload": "load the configuration and the applications anew; the old ones serve until the new ones do (HUP)",
    "upgrade": "start a successor on the same sockets and retire when it is ready (USR2, then TERM)",
    "scale": "give a pool another number of workers (TTIN, TTOU)",
    "reopen": "reopen every log file (USR1)",
    "stop": "stop; requests in flight finish (TERM)",
    "quit": "stop at once (QUIT)",
    "dump": "print the stacks of a worker, which goes on unharmed",
    "deaths": "the last workers that died unasked or were stuck, and all that is known of it",
}
_WAITING = {
    "reload": "until it is done or refused, with its progress",
    "upgrade": "until the old master has gone, or with --keep until the new one is ready, with its progress",
    "stop": "until the master has gone",
    "quit": "until the master has gone",
}
_GOES_ON = {
    "reload": "the reload goes on: see preforkctl status",
    "upgrade": "the upgrade goes on: see preforkctl status",
    "stop": "preforkd goes on stopping",
    "quit": "preforkd goes on stopping",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``preforkctl``. Returns the exit status; ``--help`` lists what each means."""
    try:
        chosen = parser().parse_args(argv)
        return _Session(chosen).run()
    except PreforkError as error:
        print(f"preforkctl: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever reads has enough, as head(1) does
        sys.stderr.close()
        return EX_REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The commands and options, each with its help: also what the shell completions are made from."""
    every = _Parser(add_help=False)
    every.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="the reply as it is, one object")
    parser = _Parser(
        prog="preforkctl",
        description="Steer a running preforkd over its control socket.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[every],
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-c", "--config", metavar="FILE", help="whose [control].socket it is; without it, /etc/prefork.toml"
    )
    where.add_argument("-s", "--socket", metavar="SOCKET", help="the path of the control socket")
    parser.add_argument("--version", action="version", version=f"prefork {__version__}", help="print it and exit")
    parser.set_defaults(wait=False, pool="", workers=0, worker="", keep=False)
    commands = parser.add_subparsers(dest="do", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, parents=[every], allow_abbrev=False)
        if name in _WAITING:
            command.add_argument("--wait", action="store_true", help=_WAITING[name])
    text = "the old master serves on beside the new one: TERM to either ends the upgrade or backs it out"
    commands.choices["upgrade"].add_argument("--keep", action="store_true", help=text)
    commands.choices["scale"].add_argument("pool", metavar="POOL", help="its name")
    commands.choices["scale"].add_argument("workers", metavar="N", type=int, help="how many")
    text = "pool/number, a pid, or a pool for all of its; absent: every worker"
    commands.choices["dump"].add_argument("worker", metavar="WORKER", nargs="?", default="", help=text)
    return parser


class _Session:
    """One request, from the socket to the last line printed."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._json: bool = "json" in chosen  # absent unless given: it may stand on either side of the command
        self._do: str = chosen.do
        self._wait: bool = chosen.wait
        self._keep: bool = chosen.keep
        self._request = Request(chosen.do, chosen.wait, chosen.pool, chosen.workers, chosen.worker, chosen.keep)
        self._master = 0

    def run(self) -> int:
        """The exit status. Raises PreforkError."""
        try:
            protocol.parse(self._request.line())
        except Misunderstood as reason:
            print(f"preforkctl: {reason}", file=sys.stderr)
            return EX_USAGE
        connection = client.Connection(self._chosen.socket or client.socket_of(self._chosen.config))
        self._master = connection.master
        try:
            return self._converse(connection)
        except KeyboardInterrupt:
            if self._wait:
                print(f"preforkctl: interrupted; {_GOES_ON[self._do]}", file=sys.stderr)
            raise
        finally:
            connection.close()

    def _converse(self, connection: client.Connection) -> int:
        reply: dict[str, Any] = {}
        for reply in connection.ask(self._request):
            if "ok" not in reply:
                self._tell(shown.progress(reply))
        if not reply["ok"]:
            return self._refused(reply)
        if self._wait and self._do != "reload" and not self._keep:
            connection.await_end()
        if self._json:
            print(json.dumps(reply))
        else:
            print(self._said(reply))
        return 0

    def _said(self, reply: Mapping[str, Any]) -> str:
        if self._keep:
            return KEPT[self._wait](reply)
        return (DONE if self._wait and self._do in DONE else ANSWERED)[self._do](reply)

    def _tell(self, line: str) -> None:
        if line and not self._json:
            print(line, flush=True)

    def _refused(self, reply: Mapping[str, Any]) -> int:
        if self._json:
            print(json.dumps(reply))
        reason = shown.lines(reply.get("reason", "for no reason that was given"))
        print(f"preforkctl: {self._do} refused: {reason}", file=sys.stderr)
        if self._do in ("reload", "upgrade"):
            print(f"preforkctl: nothing has changed; master {self._master} serves on as before", file=sys.stderr)
        return EX_REFUSED


# What was answered, in words.
ANSWERED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "status": shown.status,
    "reload": lambda reply: f"the reload is asked for: {reply['course']}",
    "upgrade": lambda reply: f"the successor {reply['successor']} is started; when it is ready, this master retires",
    "scale": lambda reply: f"{shown.text(reply['pool'])} is to have {reply['workers']} workers",
    "reopen": lambda _reply: "the logs are reopened",
    "stop": lambda reply: f"master {reply['master']} stops; requests in flight finish",
    "quit": lambda reply: f"master {reply['master']} stops at once",
    "dump": lambda reply: shown.dumps(reply["workers"]),
    "deaths": lambda reply: shown.deaths(reply["deaths"]),
}
# Of an upgrade with --keep: not waited for, and waited for.
KEPT: tuple[Callable[[Mapping[str, Any]], str], ...] = (
    lambda reply: f"the successor {reply['successor']} is started; this master, {reply['master']}, serves on",
    lambda reply: f"the successor {reply['successor']} is ready; this master, {reply['master']}, serves on beside it",
)
# The same after the end was waited for.
DONE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "reload": lambda reply: f"reloaded: generation {reply['generation']}, {reply['workers']} workers",
    "upgrade": lambda reply: f"upgraded: master {reply['master']} has gone, {reply['successor']} is the master",
    "stop": lambda reply: f"master {reply['master']} has gone",
    "quit": lambda reply: f"master {reply['master']} has gone",
}


if __name__ == "__main__":
    sys.exit(main())
