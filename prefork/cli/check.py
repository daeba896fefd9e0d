"""The part of ``preforkd -t`` that needs the machine: users, directories, and whether the applications import.

Rules. An application is imported in a child that ends, under the identity and in the directory of its pool: nothing of
it reaches this process but text. No hook is run and no socket is opened, so a check is safe beside a running service.
"""

from __future__ import annotations

import faulthandler
import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, NamedTuple, NoReturn

from prefork.config.load import Loaded, check_environment
from prefork.config.models import Pool
from prefork.config.models.values import WORKER_KINDS
from prefork.config.quantities import duration_text
from prefork.errors import BootError, ConfigError, Fault, PreforkError
from prefork.system import process, signals

STACKS_WITHIN = 2.0  # seconds that a child which took too long has to say where it stands

_DONE = "done\n"

Step = tuple[tuple[str, ...], Callable[[], object]]  # the key within the pool, and what must not raise


class Story(NamedTuple):
    """What a child told: a JSON object a line for each fault, then ``done``; stacks if it took too long."""

    text: str
    ending: str  # how it ended, if before it was done


def run(loaded: Loaded, prepare: Callable[[str], None]) -> list[Fault]:
    """Every fault that only shows on this machine.

    ``prepare`` is called in the child with the name of a pool; it makes the process like that pool's workers, and
    raises PreforkError if it cannot.
    """
    faults = _environment(loaded)
    wrong = {fault.key for fault in faults}
    if wrong & {"master.user", "master.group"}:
        return faults  # as whom should it be imported?
    for name, pool in loaded.config.pool.items():
        if f"pool.{name}.directory" not in wrong:
            faults += read_story(loaded, name, import_in_child(name, pool, prepare))
    return faults


def _environment(loaded: Loaded) -> list[Fault]:
    try:
        check_environment(loaded.config, loaded.fault)
    except ConfigError as error:
        return list(error.faults)
    return []


def import_in_child(name: str, pool: Pool, prepare: Callable[[str], None]) -> Story:
    """Import what a pool names, within its boot timeout, and return what the child said of it."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    try:
        with signals.blocked():  # an INT after the fork is for us to see once the pid is known
            pid = process.fork()
            if pid == 0:
                _live(writer, name, pool, prepare)
        os.close(writer)
        return _listen(reader, pid, pool.timeout.boot)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGKILL)  # it is not reaped yet, so the number is its own
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(reader)


def _live(writer: int, name: str, pool: Pool, prepare: Callable[[str], None]) -> NoReturn:
    try:
        signals.unblock()
        _tell(writer, name, pool, prepare)
    finally:
        os._exit(0)


def read_story(loaded: Loaded, name: str, story: Story) -> Iterator[Fault]:
    """The faults in it, each at its key."""
    told = [json.loads(line) for line in story.text.splitlines() if line.startswith("{")]
    for fault in told:
        yield loaded.fault(("pool", name, *fault["path"]), fault["problem"])
    if not story.ending:
        return
    stacks = "\n".join(line for line in story.text.splitlines() if not line.startswith("{"))
    yield loaded.fault(("pool", name, "app"), _with_details(f"cannot be imported: {story.ending}", stacks))


def _tell(writer: int, name: str, pool: Pool, prepare: Callable[[str], None]) -> None:
    """In the child: import, and write a line for each failure."""
    # These are handlers in C: they report even when an extension module holds the interpreter, or crashes.
    faulthandler.enable(writer)
    faulthandler.register(signal.SIGALRM, writer, chain=True)
    faults = _failures([((), partial(prepare, name))]) or _failures(_imports(pool))
    with suppress(Exception):  # the application may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()
    lines = "".join(json.dumps(fault) + "\n" for fault in faults)
    _write(writer, f"{lines}{_DONE}".encode())


def _imports(pool: Pool) -> list[Step]:
    from prefork.worker import app

    steps: list[Step] = [(("app",), partial(app.load, pool.app))]
    if pool.worker not in WORKER_KINDS:
        steps.append((("worker",), partial(app.load_attribute, pool.worker)))
    steps += ((("hooks", hook), partial(app.load_attribute, spec)) for hook, spec in pool.hooks if spec)
    return steps


def _failures(steps: Sequence[Step]) -> list[dict[str, Any]]:
    tried = ((path, _try(step)) for path, step in steps)
    return [{"path": path, **failure} for path, failure in tried if failure]


def _try(step: Callable[[], object]) -> dict[str, str] | None:
    try:
        step()
    except PreforkError as error:
        return _of_error(error)
    except BaseException:  # an application may raise anything, SystemExit too
        return _of_error(BootError(traceback.format_exc()))
    return None


def _of_error(error: PreforkError) -> dict[str, str]:
    """Its last line in front, where people look first; what led to it below."""
    lines = str(error.args[0]).strip().splitlines() or [type(error).__name__]
    hint = f" ({error.hint})" if error.hint else ""
    if len(lines) == 1:
        return {"problem": f"{lines[0]}{hint}"}
    return {"problem": _with_details(f"cannot be imported: {lines[-1]}{hint}", "\n".join(lines))}


def _with_details(summary: str, details: str) -> str:
    return "\n".join([summary, *(f"    {line}".rstrip() for line in details.splitlines())])


def _write(writer: int, data: bytes) -> None:
    while data:
        data = data[os.write(writer, data) :]


def _listen(reader: int, pid: int, limit: float) -> Story:
    """Read until the child is done, has ended or is late; reap it in any case."""
    text, late = _read(reader, limit or inf)
    if late:
        os.kill(pid, signal.SIGALRM)
        stacks, stuck = _read(reader, STACKS_WITHIN)
        text += stacks
        if stuck:
            os.kill(pid, signal.SIGKILL)
    _pid, status, usage = os.wait4(pid, 0)
    if text.endswith(_DONE):
        return Story(text.removesuffix(_DONE), "")
    if late:
        return Story(text, f"it took longer than timeout.boot, {duration_text(limit)}")
    return Story(text, f"the import ended with {process.exit_of(status, usage)}")


def _read(reader: int, seconds: float) -> tuple[str, bool]:
    """What arrives until the child is done or the pipe is closed, and whether that took too long."""
    deadline = time.monotonic() + seconds
    data = b""
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(min(left, 3600.0)):
                continue
            piece = os.read(reader, 65536)
            data += piece
            if not piece or data.endswith(_DONE.encode()):
                return data.decode(errors="replace"), False
    return data.decode(errors="replace"), True
