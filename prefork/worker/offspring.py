"""A process that the application forks is no worker, however much of one it has inherited.

Rules. Such a child hears no signal of the master, accepts nobody, answers nobody, and holds none of the service's
sockets, so that it may live as long as it likes. What the application returns or raises in it ends it, without a byte
to any client: no code of the loop ever runs there. Forks of our own (``system.process.fork``) are none of this.

What has to be let go of is registered by those who own it, as they open it. In a worker or a template, after fork.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, NoReturn, TypeVar

from prefork.system import process, signals
from prefork.worker import ending, stacks

Result = TypeVar("Result")

forked = False  # this process was forked by the application: asked after each call of it
_title = ""
_ties: list[Callable[[], object]] = []
_watching = False
_masks = threading.local()  # the signal mask of each thread that forks at this moment


def begin(title: str, *ties: Callable[[], object]) -> None:
    """From here on children of the application let go of this process's ties. First of all in a worker or template.

    ``ties``: each lets go of something, in the child.
    """
    global _watching, _title
    _title = title
    _ties[:] = ties
    if not _watching:
        _watching = True  # such a hook is inherited, and cannot be taken back
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_become_stranger)


def add_tie(tie: Callable[[], object]) -> None:
    """Have one thing more let go of, before those that were there."""
    _ties.insert(0, tie)


def guarded(call: Callable[..., Result]) -> Callable[..., Result]:
    """The same callable of the application, which in a child that it forks never returns, and raises nothing."""

    @wraps(call, updated=())
    def guard(*arguments: Any, **keywords: Any) -> Result:
        try:
            result = call(*arguments, **keywords)
        except BaseException as error:
            if forked:
                end(error)
            raise
        if forked:
            end()
        return result

    return guard


def end(error: BaseException | None = None) -> NoReturn:
    """End this child as Python ends a program that returned, or raised ``error``: sys.exit(n) is honoured.

    Threads are joined, and handlers of ``atexit`` run, those that it has inherited as well.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if code and not isinstance(error.code, int):
            _say(f"{error.code}\n")
    elif error is not None:
        code = 1
        _say("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    ending.disown_siblings()
    ending.conclude(lambda: _say(traceback.format_exc()))
    os._exit(code & 0xFF)


def _say(text: str) -> None:
    with suppress(Exception):  # standard error may be closed, replaced or gone
        sys.stderr.write(text)


def _block() -> None:
    """Before the fork: a signal to the child must find the handlers that are its own (``p.start(); p.terminate()``)."""
    if not process.is_forking():
        _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.EVERY)


def _unblock() -> None:
    if not process.is_forking():
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _become_stranger() -> None:
    """In the child, before the application goes on there. Never raises: nobody could see it."""
    global forked
    if process.is_forking():
        return
    forked = True
    _put_signals_back()
    stacks.give_back()
    while _ties:
        with suppress(Exception):  # each for itself: what one cannot let go of must not keep the others
            _ties.pop(0)()
    with suppress(Exception):
        process.set_title(f"prefork: child of {_title}")
    _unblock()


def _put_signals_back() -> None:
    """Handlers that are ours give way to the defaults; those that the application has chosen stay, as by any fork."""
    before = signal.set_wakeup_fd(-1)
    for signum in signals.EVERY:
        handler = signal.getsignal(signum)
        if getattr(handler, "__module__", "").startswith("prefork."):
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    if before >= 0 and not signals.is_wakeup(before):
        with suppress(ValueError, OSError):  # it is closed by now
            signal.set_wakeup_fd(before)
