"""What is raised where nothing should be: logged with its traceback, and survived.

Rules. Whatever the master carries out, hears or decides runs inside a guard that ends here; nothing unwinds through the
loop. A forked child that comes here has left its own way, and ends at once: there is one master. Even the log may be
what fails.

Diagnostics. ``order_failed``, ``source_failed``, ``reaction_failed``, ``wait_failed`` and ``update_failed``, each with
the traceback: please report them, unless the reason is a limit of the machine.
"""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from typing import Any

EX_SOFTWARE = 70  # sysexits.h


class Survival:
    """Logs what was raised where nothing should be. Belongs to the process that made it, the master."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._pid = os.getpid()

    def note(self, event: str, error: BaseException, **fields: Any) -> str:
        """Log the exception in hand, and return the reason as one line. Never raises."""
        if os.getpid() != self._pid:
            os._exit(EX_SOFTWARE)
        reason = describe(error)
        with suppress(Exception):  # the log itself fails, or there is no memory for a traceback
            self._log.error(event, **fields, reason=reason, traceback=traceback.format_exc())
        return reason


def describe(error: BaseException) -> str:
    """What was raised, for people. Never raises."""
    try:
        return str(error) if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
