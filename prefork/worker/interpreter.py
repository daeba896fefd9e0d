"""Going on under the application's own interpreter (``python = "..."``): what a process hands itself across the exec.

Rules. The process has the identity of a worker before it executes: nothing of an application's environment runs with
the master's rights. There, the application and its environment come first on the import path, and what prefork needs
of its own comes last. The spec crosses as JSON in sealed memory, everything else as descriptors: no directory has to be
writable. Whatever goes wrong on the way is told: by Python itself on descriptor 2, which is the pipe of the stacks
until the bootstrap runs, and from there on by its traceback.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import structlog

import prefork
from prefork.errors import BootError
from prefork.observe import logs
from prefork.observe.sink import Sink
from prefork.system import memory, privileges
from prefork.system.channel import Channel
from prefork.worker import dry_run, template
from prefork.worker.spec import Handles, WorkerSpec

# Understood by any Python: one that is too old says so. The arguments: the descriptors of what was handed over, of the
# place for a failure, and of standard error; how a failure is written; whether other processes of its user are to be
# kept from looking into this one; what comes last on the import path.
BOOTSTRAP = """
import os, sys
handed, writer, stderr = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def fail(text):
    if sys.argv[4] == "message":
        os.write(writer, ("F" + text[-8000:]).encode("utf-8", "replace"))
    else:
        import json
        os.write(writer, (json.dumps({"path": ["python"], "problem": text}) + "\\ndone\\n").encode())
    os._exit(70)
if sys.argv[5] == "1":
    try:
        import ctypes
        ctypes.CDLL(None).prctl(4, *[ctypes.c_ulong(0)] * 4)
    except Exception:
        fail("%s cannot be protected from other processes of its user: %s" % (sys.executable, sys.exc_info()[1]))
os.dup2(stderr, 2)
os.close(stderr)
if sys.version_info < (3, 10):
    fail("%s is Python %d.%d; prefork needs 3.10 or newer" % ((sys.executable,) + tuple(sys.version_info[:2])))
sys.path[:] = [entry for entry in sys.path if entry] + sys.argv[6:]
try:
    from prefork.worker import interpreter
    code = interpreter.main(handed)
except BaseException:
    import traceback
    fail(traceback.format_exc())
sys.exit(code)
"""


def go_on_as_template(spec: WorkerSpec, handles: Handles) -> NoReturn:
    """Execute the interpreter of the spec, which is then the template. Raises BootError if that cannot be done."""
    value = {
        "task": "template",
        "spec": spec.as_json(),
        "handles": {
            "channel": handles.channel.fileno(),
            "stacks": handles.stacks,
            "words": handles.words,
            "listeners": {name: listener.fileno() for name, listener in handles.listeners.items()},
            "sinks": {name: (sink.place, sink.fileno()) for name, sink in handles.sinks.items()},
        },
    }
    _execute(spec, value, handles.descriptors(), (handles.channel.fileno(), "message"), handles.stacks)


def go_on_as_dry_run(spec: WorkerSpec, writer: int) -> NoReturn:
    """Execute the interpreter, which then tells every failure. Raises BootError if that cannot be done."""
    value = {"task": "dry_run", "spec": spec.as_json(), "writer": writer}
    _execute(spec, value, [writer], (writer, "line"), writer)


def _execute(
    spec: WorkerSpec, value: Mapping[str, Any], keep: Iterable[int], failures: tuple[int, str], stderr: int
) -> NoReturn:
    """``failures``: where the bootstrap writes its failure, and how; ``stderr``: what Python itself complains to."""
    hidden = "1" if privileges.is_hidden() else "0"  # an exec ends it
    trees = dict.fromkeys(str(Path(module.__file__ or "").parents[1]) for module in (prefork, structlog))
    environment = {**os.environ, **spec.settings.environment}
    ours = os.dup(2)
    try:
        handed = memory.written("prefork-spec", json.dumps(value).encode())
        for descriptor in (handed, ours, *keep):
            os.set_inheritable(descriptor, True)
        arguments = [str(number) for number in (handed, failures[0], ours)]
        os.dup2(stderr, 2)
        os.execve(spec.python, [spec.python, "-c", BOOTSTRAP, *arguments, failures[1], hidden, *trees], environment)  # noqa: S606
    except OSError as error:
        os.dup2(ours, 2)
        raise BootError(f"{spec.python} cannot be executed: {error.strerror}", hint="pool.*.python") from error


def main(handed: int) -> int:
    """In the executed interpreter: go on with what was handed over. Returns the exit code."""
    with os.fdopen(handed, "rb") as file:
        value = json.load(file)
    return TASKS[value["task"]](WorkerSpec.of_json(value["spec"]), value)


def _be_template(spec: WorkerSpec, value: Mapping[str, Any]) -> int:
    given = value["handles"]
    sinks = {name: Sink.inherit(place, name=name, descriptor=fd) for name, (place, fd) in given["sinks"].items()}
    logs.configure(sinks["log"], static={}, level=spec.log_level, format=spec.log_format)
    handles = Handles(
        channel=Channel.adopt(given["channel"]),
        stacks=given["stacks"],
        row=-1,
        words=given["words"],
        listeners={name: socket.socket(fileno=fd) for name, fd in given["listeners"].items()},
        sinks=sinks,
    )
    for descriptor in handles.descriptors():
        os.set_inheritable(descriptor, descriptor <= 2)  # what the application starts is not to have them
    return template.serve(spec, handles, placed=True)


def _dry_run(spec: WorkerSpec, value: Mapping[str, Any]) -> int:
    writer, settings = value["writer"], spec.settings
    os.set_inheritable(writer, False)
    dry_run.explain_stalls(writer)
    sys.path[:0] = [*settings.python_path, settings.directory]
    dry_run.tell(writer, dry_run.imports(settings))
    dry_run.write(writer, dry_run.DONE)
    return 0


TASKS: Mapping[str, Callable[[WorkerSpec, Mapping[str, Any]], int]] = {"template": _be_template, "dry_run": _dry_run}
