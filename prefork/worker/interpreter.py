"""Going on under the application's own interpreter (``python = "..."``): what a process hands itself across the exec.

The process has the identity of a worker before it executes: nothing of an application's environment runs with the
master's rights. There, the application and its environment come first on the import path, and what prefork needs of
its own comes last. Everything crosses as JSON in a file without a name, and as descriptors.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import structlog

import prefork
from prefork.errors import BootError
from prefork.observe import logs
from prefork.observe.sink import Sink
from prefork.system.channel import Channel
from prefork.system.scoreboard import Scoreboard
from prefork.worker import dry_run, template
from prefork.worker.settings import Settings
from prefork.worker.template import Origin

# Understood by any Python: one that is too old says so. What is told, and where, is the caller's to choose.
BOOTSTRAP = """
import os, sys
handed, writer, complaint = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if sys.version_info < (3, 10):
    os.write(writer, (complaint % ("it is Python %d.%d, and 3.10 is needed" % sys.version_info[:2])).encode())
    sys.exit(70)
sys.path[:] = [entry for entry in sys.path if entry] + sys.argv[4:]
from prefork.worker import interpreter
sys.exit(interpreter.main(handed))
"""
FAILED = "F%s"  # as the channel has it
FAULT = '{"path": ["python"], "problem": "%s"}\n' + dry_run.DONE


def go_on_as_template(python: str, origin: Origin, *, level: str, form: str | None) -> NoReturn:
    """Execute the interpreter, which is then the template. Raises BootError if that cannot be done."""
    listeners = {name: sock.fileno() for name, sock in origin.listeners.items()}
    sinks = {name: (sink.place, sink.fileno()) for name, sink in origin.sinks.items()}
    descriptors = [origin.channel.fileno(), origin.stacks, origin.board.descriptor, *listeners.values()]
    descriptors += (descriptor for _place, descriptor in sinks.values())
    value = {
        "task": "template",
        "settings": origin.settings.as_json(),
        "generation": origin.generation,
        "board": (origin.board.capacity, origin.board.descriptor),
        "channel": origin.channel.fileno(),
        "stacks": origin.stacks,
        "listeners": listeners,
        "sinks": sinks,
        "access_format": origin.access_format,
        "log": {"level": level, "format": form},
    }
    _execute(python, origin.settings, value, descriptors, (origin.channel.fileno(), FAILED))


def go_on_as_dry_run(python: str, settings: Settings, writer: int) -> NoReturn:
    """Execute the interpreter, which then tells every failure. Raises BootError if that cannot be done."""
    value = {"task": "dry_run", "settings": settings.as_json(), "writer": writer}
    _execute(python, settings, value, [writer], (writer, FAULT))


def _execute(
    python: str, settings: Settings, value: Mapping[str, Any], keep: Iterable[int], complain: tuple[int, str]
) -> NoReturn:
    handed = tempfile.TemporaryFile()  # noqa: SIM115 - it is open across the exec
    handed.write(json.dumps(value).encode())
    handed.seek(0)
    for descriptor in (handed.fileno(), *keep):
        os.set_inheritable(descriptor, True)
    trees = dict.fromkeys(str(Path(module.__file__ or "").parents[1]) for module in (prefork, structlog))
    arguments = [str(handed.fileno()), str(complain[0]), complain[1], *trees]
    try:
        os.execve(python, [python, "-c", BOOTSTRAP, *arguments], {**os.environ, **settings.environment})  # noqa: S606
    except OSError as error:
        raise BootError(f"{python} cannot be executed: {error.strerror}", hint="pool.*.python") from error


def main(handed: int) -> int:
    """In the executed interpreter: go on with what was handed over. Returns the exit code."""
    with os.fdopen(handed, "rb") as file:
        value = json.load(file)
    return TASKS[value["task"]](value)


def _be_template(value: Mapping[str, Any]) -> int:
    sinks = {name: Sink.inherit(place, name=name, descriptor=fd) for name, (place, fd) in value["sinks"].items()}
    logs.configure(sinks["log"], static={}, **value["log"])
    capacity, board = value["board"]
    held = [value["channel"], value["stacks"], board, *value["listeners"].values()]
    for descriptor in (*held, *(sink.fileno() for sink in sinks.values())):
        os.set_inheritable(descriptor, descriptor <= 2)  # what the application starts is not to have them
    return template.serve(
        Origin(
            settings=Settings.of_json(value["settings"]),
            generation=value["generation"],
            board=Scoreboard(capacity, board),
            channel=Channel.adopt(value["channel"]),
            stacks=value["stacks"],
            listeners={name: socket.socket(fileno=fd) for name, fd in value["listeners"].items()},
            sinks=sinks,
            access_format=value["access_format"],
            umask=None,  # both were taken before the exec
            identity=None,
        )
    )


def _dry_run(value: Mapping[str, Any]) -> int:
    writer, settings = value["writer"], Settings.of_json(value["settings"])
    os.set_inheritable(writer, False)
    dry_run.explain_stalls(writer)
    sys.path[:0] = [*settings.python_path, settings.directory]
    dry_run.tell(writer, dry_run.imports(settings))
    dry_run.write(writer, dry_run.DONE)
    return 0


TASKS: Mapping[str, Callable[[Mapping[str, Any]], int]] = {"template": _be_template, "dry_run": _dry_run}
