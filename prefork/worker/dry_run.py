"""Importing what a pool names without serving it, and telling every failure: for ``preforkd -t``.

What is told are lines of JSON, one a failure, then ``done``. In a child that ends afterwards.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from prefork.errors import BootError, PreforkError
from prefork.worker import boot, importer
from prefork.worker.settings import Settings

DONE = "done\n"

Step = tuple[tuple[str, ...], Callable[[], object]]  # the key within the pool, and what must not raise


def explain_stalls(writer: int) -> None:
    """From here on a crash, and ALRM, write the stacks there, even where C code holds the interpreter."""
    faulthandler.enable(writer)
    faulthandler.register(signal.SIGALRM, writer, chain=True)


def tell(writer: int, steps: Sequence[Step]) -> bool:
    """Take the steps, and write a line for each that fails. Returns whether none did; does not write ``done``."""
    tried = ((path, _try(step)) for path, step in steps)
    failures = [{"path": path, **failure} for path, failure in tried if failure]
    with suppress(Exception):  # the application may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()
    write(writer, "".join(json.dumps(failure) + "\n" for failure in failures))
    return not failures


def imports(settings: Settings) -> list[Step]:
    """The steps of a pool's check: its worker class, its application, its hooks."""
    steps: list[Step] = [
        (("worker",), partial(boot.prepare, settings)),  # first, as in a worker: it may patch what is imported next
        (("app",), partial(importer.load, settings.app)),
    ]
    hooks = settings.hooks
    named = {"post_fork": hooks.post_fork, "ready": hooks.ready, "exit": hooks.exit, "abort": hooks.abort}
    steps += ((("hooks", hook), partial(importer.load_hook, spec)) for hook, spec in named.items() if spec)
    return steps


def write(writer: int, text: str) -> None:
    """Write all of a text to a descriptor. Raises OSError."""
    data = text.encode()
    while data:
        data = data[os.write(writer, data) :]


def with_details(summary: str, details: str) -> str:
    """A summary, and below it the details, indented."""
    return "\n".join([summary, *(f"    {line}".rstrip() for line in details.splitlines())])


def _try(step: Callable[[], object]) -> dict[str, str] | None:
    try:
        step()
    except PreforkError as error:
        return _of_error(error)
    except BaseException:  # an application may raise anything, SystemExit too
        return _of_error(BootError(traceback.format_exc()))
    return None


def _of_error(error: PreforkError) -> dict[str, str]:
    """An error as text: its last line in front, where people look first, and what led to it below."""
    lines = str(error.args[0]).strip().splitlines() or [type(error).__name__]
    hint = f" ({error.hint})" if error.hint else ""
    if len(lines) == 1:
        return {"problem": f"{lines[0]}{hint}"}
    return {"problem": with_details(f"cannot be imported: {lines[-1]}{hint}", "\n".join(lines))}
