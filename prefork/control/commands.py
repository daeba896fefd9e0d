"""Pure. What a client may ask over the control socket: one record a command, for both ends and for the shells.

Rules. Whatever is known of a command stands in its record: what it takes, what its help says, what is printed when it
went well. ``protocol`` reads requests by it, ``ctl`` makes its command line from it, ``arbiter.control`` logs by it. A
new command is one record here, and a class in ``arbiter.answers`` for what the master does about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prefork.control import shown

Arguments = Mapping[str, Any]
Message = Mapping[str, Any]

WORKERS_MOST = 1000
TEXT_MOST = 256  # characters of an argument


@dataclass(frozen=True)
class Argument:
    """What a command takes: a bool is an option of the command line, everything else has a place there.

    ``least`` and ``most`` bound a number; ``sent`` is False for what concerns ``preforkctl`` alone.
    """

    name: str
    kind: type
    help: str
    metavar: str = ""
    required: bool = False
    sent: bool = True
    least: int = 0
    most: int = WORKERS_MOST


@dataclass(frozen=True)
class Command:
    """One thing that may be asked. ``says`` gives what is printed of a request that was granted."""

    name: str
    help: str
    says: Callable[[Arguments, Message], str]
    arguments: tuple[Argument, ...] = ()
    goes_on: str = ""  # what is printed when Ctrl-C ends a wait
    master_ends: Callable[[Arguments], bool] = lambda _given: False  # with --wait: wait until the master has gone
    looks: bool = False  # nothing changes by it, so nobody needs to know who looked: not logged
    transaction: bool = False  # when it is refused, nothing has changed
    progress: Mapping[str, str] = field(
        default_factory=dict
    )  # events that are printed while it is waited for -> how they read

    def argument(self, name: str) -> Argument | None:
        """The argument of this name that goes over the socket, if the command takes one."""
        return next((one for one in self.arguments if one.name == name and one.sent), None)


def _sentence(asked: str, done: str = "") -> Callable[[Arguments, Message], str]:
    """``asked`` filled in with the fields of the response; ``done`` when the end was waited for."""
    return lambda given, message: shown.filled(done if done and given.get("wait") else asked, message)


def _upgraded(given: Arguments, message: Message) -> str:
    if not given["keep"]:
        started = "the successor {successor} was started; when it is ready, this master retires"
        return shown.filled(
            "upgraded: master {master} has ended, {successor} is the master" if given["wait"] else started, message
        )
    beside = "the successor {successor} is ready; this master, {master}, keeps serving beside it"
    started = "the successor {successor} was started; this master, {master}, keeps serving"
    return shown.filled(beside if given["wait"] else started, message)


def _wait(text: str, *, sent: bool) -> Argument:
    return Argument("wait", bool, text, sent=sent)


_FORKED = {
    "worker_ready": "{pool}/{worker} of generation {generation} is ready (pid {pid}, after {boot_seconds} s)",
    "template_ready": "the template of {pool} is ready (pid {pid}, after {boot_seconds} s)",
    "worker_retired": "{pool}/{worker} of generation {generation} has retired (pid {pid})",
    "worker_died": "{pool}/{worker} of generation {generation} died: {cause}",
    "template_died": "the template of {pool} died: {cause}",
}
_RELOADED = {
    "reload_started": "reading the configuration",
    "adjustment_kept": "{pool} keeps its {workers} workers (the file says {file})",
    "restart_needed": "{keys}: no effect until an upgrade or a restart",
}
_UPGRADED = {
    "upgrade_started": "the successor was started",
    "upgrade_ready": "the successor {successor} is ready; {hint}",
}

_ALL = (
    Command(
        "status",
        "show what runs: pools, workers, listeners, the last reload",
        lambda _given, message: shown.status(message),
        looks=True,
    ),
    Command(
        "reload",
        "reload the configuration and the applications; the old workers serve until new ones are ready (HUP)",
        _sentence("reload requested: {state}", "reloaded: generation {generation}, {workers} workers"),
        (_wait("print the progress; return when the reload is done or refused", sent=True),),
        goes_on="the reload continues: see preforkctl status",
        transaction=True,
        progress={**_FORKED, **_RELOADED},
    ),
    Command(
        "upgrade",
        "start a new master on the same sockets; the old one retires when the new one is ready (USR2, then TERM)",
        _upgraded,
        (
            _wait(
                "print the progress; return when the old master has ended, or with --keep when the new one is ready",
                sent=True,
            ),
            Argument(
                "keep",
                bool,
                "the old master keeps serving beside the new one: TERM to the old one completes the upgrade, "
                "TERM to the new one backs out",
            ),
        ),
        goes_on="the upgrade continues: see preforkctl status",
        master_ends=lambda given: not given["keep"],
        transaction=True,
        progress={**_FORKED, **_UPGRADED},
    ),
    Command(
        "scale",
        "give a pool another number of workers (TTIN, TTOU)",
        _sentence("{pool}: {workers} workers requested"),
        (
            Argument("pool", str, "name of the pool", "POOL", required=True),
            Argument("workers", int, "number of workers", "N", required=True, least=1),
            Argument("force", bool, "scale even if memory may not suffice"),
        ),
    ),
    Command("reopen", "reopen every log file (USR1)", _sentence("logs reopened")),
    Command(
        "stop",
        "stop; requests in flight finish (TERM)",
        _sentence("master {master} is stopping; requests in flight finish", "master {master} has ended"),
        (_wait("return when the master has ended", sent=False),),
        goes_on="preforkd continues to stop",
        master_ends=lambda _given: True,
    ),
    Command(
        "quit",
        "stop at once (QUIT)",
        _sentence("master {master} is stopping at once", "master {master} has ended"),
        (_wait("return when the master has ended", sent=False),),
        goes_on="preforkd continues to stop",
        master_ends=lambda _given: True,
    ),
    Command(
        "dump",
        "print the stacks of workers without disturbing them",
        lambda _given, message: shown.dumps(message),
        (
            Argument(
                "worker", str, "pool/number, a pid, or a pool for all of its workers; default: every worker", "WORKER"
            ),
        ),
    ),
    Command(
        "deaths",
        "show the last workers that died unasked or were stuck, with cause and stacks",
        lambda _given, message: shown.deaths(message),
        looks=True,
    ),
)
COMMANDS: Mapping[str, Command] = {command.name: command for command in _ALL}
