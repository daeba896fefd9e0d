"""preforkctl: control a running preforkd from the shell, by commands instead of signals.

Rules. It starts fast: neither the configuration models nor the log are imported. What a command takes and what is
printed of it stands in ``commands``; nothing that the other end says is printed but through ``shown``.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from prefork import __version__
from prefork.control import client, protocol, shown
from prefork.control.commands import COMMANDS, Argument
from prefork.control.protocol import Misunderstood
from prefork.errors import AnswerError, PreforkError

EX_REFUSED = 1
EX_USAGE = 64  # sysexits.h
INTERRUPTED = 130  # what shells say of a process that INT ended

_EPILOG = """\
examples:
  preforkctl status
  preforkctl reload --wait             exit 1, and the reason, if it was refused
  preforkctl -c /etc/shop.toml scale web 8
  preforkctl dump web/2                print where a worker is

exit status:
  0   done                             69  no daemon found, or access denied
  1   refused or failed (see stderr)   70  the response is not one of a daemon
  64  wrong command line               78  the configuration cannot be read
"""
# What the fields of a response from who is not preforkd can make of our own code.
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``preforkctl``. Returns the exit status; ``--help`` lists what each means."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack a character that a response has
    try:
        chosen = parser().parse_args(argv)
        return _Session(chosen).run()
    except PreforkError as error:
        print(f"preforkctl: {shown.lines(error)}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever reads has enough, as head(1) does
        sys.stderr.close()
        return EX_REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {shown.lines(message)}\n")


def parser() -> argparse.ArgumentParser:
    """The commands and options, each with its help: also what the shell completions are made from."""
    every = _Parser(add_help=False)
    every.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print the response as one JSON object"
    )
    parser = _Parser(
        prog="preforkctl",
        description="Control a running preforkd over its control socket.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[every],
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-c", "--config", metavar="FILE", help="configuration that names the socket; default: /etc/prefork.toml"
    )
    where.add_argument("-s", "--socket", metavar="SOCKET", help="path of the control socket")
    parser.add_argument("--version", action="version", version=f"prefork {__version__}", help="print it and exit")
    commands = parser.add_subparsers(dest="do", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name, help=command.help, description=command.help, parents=[every], allow_abbrev=False
        )
        for argument in command.arguments:
            _add(sub, argument)
    return parser


def _add(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.kind is bool:
        parser.add_argument(f"--{argument.name}", action="store_true", help=argument.help)
    elif argument.required:
        parser.add_argument(argument.name, metavar=argument.metavar, type=argument.kind, help=argument.help)
    else:
        parser.add_argument(
            argument.name,
            metavar=argument.metavar,
            type=argument.kind,
            nargs="?",
            default=argument.kind(),
            help=argument.help,
        )


class _Session:
    """One request, from the socket to the last line printed."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._json: bool = "json" in chosen  # absent unless given: it may stand on either side of the command
        self._request = protocol.request(chosen.do, **vars(chosen))
        self._command, self._given = self._request.command, self._request.given
        self._wait = bool(self._given.get("wait"))
        self._master = 0

    def run(self) -> int:
        """The exit status. Raises PreforkError."""
        try:
            protocol.parse(self._request.line())
        except Misunderstood as reason:
            print(f"preforkctl: {shown.lines(reason)}", file=sys.stderr)
            return EX_USAGE
        connection = client.Connection(self._chosen.socket or client.socket_of(self._chosen.config))
        self._master = connection.master
        try:
            return self._converse(connection)
        except _MALFORMED as error:
            lacking = f"the response lacks {error}" if isinstance(error, KeyError) else str(error)
            raise AnswerError(f"the response is not one that preforkd gives: {lacking}", hint=client.NOT_OURS) from None
        except KeyboardInterrupt:
            if self._wait:
                print(f"preforkctl: interrupted; {self._command.goes_on}", file=sys.stderr)
            raise
        finally:
            connection.close()

    def _converse(self, connection: client.Connection) -> int:
        reply: dict[str, Any] = {}
        for reply in connection.ask(self._request):
            if "ok" not in reply:
                self._tell(shown.progress(reply, self._command.progress))
        if reply["ok"] is not True:
            return self._refused(reply)
        if self._master:  # who answers is the kernel's word, as far as it knows the process (not across namespaces)
            reply = {**reply, **{name: self._master for name in ("pid", "master") if name in reply}}
        said = self._said(reply)  # before a wait: what cannot be read is not waited for
        if self._wait and self._command.master_ends(self._given):
            connection.await_end()
        print(said)
        return 0

    def _said(self, reply: Mapping[str, Any]) -> str:
        return _json(reply) if self._json else self._command.says(self._given, reply)

    def _tell(self, line: str) -> None:
        if line and not self._json:
            print(line, flush=True)

    def _refused(self, reply: Mapping[str, Any]) -> int:
        if self._json:
            print(_json(reply))
        print(f"preforkctl: {self._command.name} {shown.refusal(reply)}", file=sys.stderr)
        if self._command.transaction:
            print(f"preforkctl: nothing has changed; master {self._master} keeps serving as before", file=sys.stderr)
        return EX_REFUSED


def _json(reply: Mapping[str, Any]) -> str:
    """ASCII without control characters: those that JSON escapes, and DEL, which it does not."""
    return json.dumps(reply).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    sys.exit(main())
