"""How a worker, or a template, ends after an orderly life: as every Python process does.

Rules. Threads that are no daemons are joined, executors finish their jobs, the handlers of ``atexit`` run, and what is
buffered is written, in the order in which the interpreter would do it: in a forked process nothing else does
(os._exit(2) skips it all, and returning would unwind into the parent's stack). All of it within ``timeout.graceful``,
which the master minds. Who was told to quit, and a child whose fork went wrong, do not come here.

Diagnostics. ``threads_awaited`` names the threads and processes that an end waits for; ``children_left`` the processes
that the application leaves behind.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

from prefork.system import process
from prefork.worker.protocol import Log

NOTICE = 0.1  # seconds of waiting that nobody needs to hear of: idle threads of an executor end in less
HINT = "the end waits for them within timeout.graceful; what they have not finished then is lost"
LEFT_HINT = "the application started these processes, and nothing waits for them"


def disown_inherited() -> None:
    """Leave to the parent what is its own to clean up: its temporary files, and its children. First after a fork.

    Handlers of ``atexit`` are inherited all the same, as by any fork: agents flush what they have in them.
    """
    for finalizer in tuple(getattr(weakref.finalize, "_registry", ())):
        finalizer.atexit = False
    disown_siblings()


def disown_siblings() -> None:
    """Leave to the parent its children of ``multiprocessing``: the handler at exit of this process would end them."""
    children: set[Any] = getattr(sys.modules.get("multiprocessing.process"), "_children", set())
    for child in tuple(children):
        if child._parent_pid != os.getpid():
            children.discard(child)


def finish(log: Log, flush: Callable[[], object] | None = None) -> None:
    """Do what a Python process does at its end. Raises nothing. ``flush``: what the worker itself has buffered."""
    _leave_when_told_to_quit()
    notice = threading.Timer(NOTICE, _tell_awaited, (log,))
    notice.daemon = True
    with suppress(RuntimeError):  # there can be no more threads: then it is waited for in silence
        notice.start()
    conclude(lambda: log.error("exit_handler_failed", traceback=traceback.format_exc()), flush)
    notice.cancel()


def conclude(failed: Callable[[], object], flush: Callable[[], object] | None = None) -> None:
    """Join threads, run the handlers of ``atexit``, ``flush``, and write what is buffered. Raises nothing.

    ``failed`` is called while an exception is handled that one of them raised.
    """
    for step in (_join_threads, atexit._run_exitfuncs, flush):
        try:
            if step:
                step()
        except BaseException:  # an application may raise anything; it is ending already
            failed()
    process.flush_streams()


def tell_left(log: Log) -> None:
    """Name the processes that this one leaves behind, if there are any but those that end by themselves with it."""
    left = [pid for pid in process.living_children() if pid not in _helpers()]
    if left:
        log.warning("children_left", pids=left, hint=LEFT_HINT)


def _helpers() -> Iterator[int | None]:
    """The processes that multiprocessing runs for its own use, which end when nobody holds their pipes any more."""
    for module, name in (("resource_tracker", "_resource_tracker"), ("forkserver", "_forkserver")):
        helper = getattr(sys.modules.get(f"multiprocessing.{module}"), name, None)
        yield getattr(helper, "_pid", None)
        yield getattr(helper, "_forkserver_pid", None)


def _join_threads() -> None:
    """What the interpreter itself calls first at its end: executors are told to finish, and threads joined."""
    threading._shutdown()  # type: ignore[attr-defined]


def _leave_when_told_to_quit() -> None:
    """From here on nobody reads the channel: QUIT and INT end the process at once, and TERM is what is being done."""

    def leave(_signum: int, _frame: FrameType | None) -> None:
        os._exit(0)

    for signum in (signal.SIGQUIT, signal.SIGINT):
        signal.signal(signum, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGQUIT, signal.SIGINT))


def _tell_awaited(log: Log) -> None:
    threads = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not _main()]
    multiprocessing = sys.modules.get("multiprocessing.process")
    processes = [f"{child.name} ({child.pid})" for child in getattr(multiprocessing, "_children", ())]
    if threads or processes:
        log.info("threads_awaited", threads=threads, processes=processes, hint=HINT)


def _main() -> threading.Thread:
    return threading.main_thread()
