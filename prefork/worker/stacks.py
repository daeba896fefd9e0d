"""Stacks of all threads, written in C: at a fatal signal, and when the master asks (``signals.DUMP``).

Rules. They go to the pipe that the master reads, for as long as the process is a worker: an application that calls
``faulthandler.enable()`` would take them away from the death certificate, so what it asks for is kept for children that
it forks. In a worker or a template, after fork.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from contextlib import suppress
from typing import Any

from prefork.system import signals

# By their real names, for those of the module are replaced.
_enable, _disable, _is_enabled = faulthandler.enable, faulthandler.disable, faulthandler.is_enabled

_descriptor = -1
_wanted: dict[str, Any] | None = None  # what the application has asked for: the arguments of its enable()


def leave_at(descriptor: int) -> None:
    """From here on a fatal signal, ABRT and DUMP write the stacks of all threads there. First thing after fork."""
    global _descriptor, _wanted
    if _descriptor < 0 and _is_enabled():  # by PYTHONFAULTHANDLER, or by an agent
        _wanted = {"file": sys.stderr}
    _descriptor = descriptor
    _enable(file=descriptor, all_threads=True)
    signals.widen_alternate_stack()
    faulthandler.register(signals.DUMP, file=descriptor, all_threads=True, chain=False)
    faulthandler.enable, faulthandler.disable = _asked, _declined  # type: ignore[assignment]
    faulthandler.is_enabled = _is_wanted


def give_back() -> None:
    """Be as the application wants it. In a child that it has forked: the pipe is its parent's, and is closed."""
    global _descriptor
    faulthandler.enable, faulthandler.disable, faulthandler.is_enabled = _enable, _disable, _is_enabled
    if _descriptor < 0:
        return
    faulthandler.unregister(signals.DUMP)
    _disable()
    descriptor, _descriptor = _descriptor, -1
    os.close(descriptor)
    if _wanted is not None:
        with suppress(Exception):  # its file is closed by now
            _enable(**_wanted)


def _asked(file: Any = None, all_threads: bool = True, **more: Any) -> None:  # noqa: FBT002 - as in the library
    """``faulthandler.enable`` of an application: a worker leaves its stacks in the log, with the death certificate."""
    global _wanted
    _wanted = {"file": sys.stderr if file is None else file, "all_threads": all_threads, **more}


def _declined() -> bool:
    """``faulthandler.disable`` of an application."""
    global _wanted
    before, _wanted = _wanted, None
    return before is not None


def _is_wanted() -> bool:
    return _wanted is not None
