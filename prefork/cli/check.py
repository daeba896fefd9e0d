"""The part of ``preforkd -t`` that imports the applications.

Rules. An application is imported in a child that ends, under the identity and in the directory of its pool: nothing of
it reaches this process but text. No hook is run and no socket is opened, so a check is safe beside a running service.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from math import inf
from typing import NamedTuple, NoReturn

from prefork.config.load import Loaded
from prefork.config.models import Pool
from prefork.config.quantities import duration_text
from prefork.errors import Fault
from prefork.system import process, signals
from prefork.worker.dry_run import DONE, with_details

STACKS_WITHIN = 2.0  # seconds that a child which took too long has to say where it stands


class Story(NamedTuple):
    """What a child told: a JSON object a line for each fault, then ``done``; stacks if it took too long."""

    text: str
    ending: str  # how it ended, if before it was done


def run(loaded: Loaded, wrong: AbstractSet[str], run_dry: Callable[[str, int], None]) -> list[Fault]:
    """What fails when the pools' applications are imported, but for pools whose directory is among the ``wrong`` keys.

    ``run_dry`` is called in the child with the name of a pool and a descriptor; it imports what the pool names, and
    writes what failed (``prefork.worker.dry_run``).
    """
    faults: list[Fault] = []
    for name, pool in loaded.config.pool.items():
        if not wrong & {f"pool.{name}.directory", "master.working_directory"}:
            faults += read_story(loaded, name, import_in_child(name, pool, run_dry))
    return faults


def import_in_child(name: str, pool: Pool, run_dry: Callable[[str, int], None]) -> Story:
    """Import what a pool names, within its boot timeout, and return what the child said of it."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    try:
        with signals.blocked():  # an INT after the fork is for us to see once the pid is known
            pid = process.fork()
            if pid == 0:
                _live(writer, name, run_dry)
        os.close(writer)
        return _listen(reader, pid, pool.timeout.boot)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGKILL)  # it is not reaped yet, so the number is its own
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(reader)


def _live(writer: int, name: str, run_dry: Callable[[str, int], None]) -> NoReturn:
    try:
        process.leave_terminal()
        signals.unblock()
        run_dry(name, writer)
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
    yield loaded.fault(("pool", name, "app"), with_details(f"cannot be imported: {story.ending}", stacks))


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
    if text.endswith(DONE):
        return Story(text.removesuffix(DONE), "")
    if late:
        return Story(text, f"the import took longer than timeout.boot, {duration_text(limit)}")
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
            if not piece or data.endswith(DONE.encode()):
                return data.decode(errors="replace"), False
    return data.decode(errors="replace"), True
