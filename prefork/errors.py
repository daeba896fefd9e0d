"""The deliberate errors: each carries an exit code or an HTTP status, and a hint.

Rules. What a user or a client can cause is raised as one of these and shown as one sentence; anything
else that escapes is a fault of prefork and keeps its traceback. The exit codes are those of sysexits.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class PreforkError(Exception):
    """A failure that is explained to the operator in a sentence, with what to do next in ``hint``."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


@dataclass(frozen=True)
class Fault:
    """One mistake in the configuration and its place; line and column count from 1, 0 is unknown."""

    problem: str
    key: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = ": ".join(part for part in (place, self.key, self.problem) if part)
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(PreforkError):
    """The configuration has faults; all of them are in ``faults``."""

    exit_code = 78  # EX_CONFIG

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class BindError(PreforkError):
    """A listener or the control socket cannot be opened."""

    exit_code = 71  # EX_OSERR


class StartError(PreforkError):
    """The operating system refuses something that the master cannot start without, such as memory or a descriptor."""

    exit_code = 71  # EX_OSERR


class AlreadyRunning(PreforkError):
    """Another daemon holds the pidfile; the message names it and its pid."""

    exit_code = 75  # EX_TEMPFAIL


class PrivilegeError(PreforkError):
    """The identity asked for cannot be taken."""

    exit_code = 77  # EX_NOPERM


class FileError(PreforkError):
    """A log or the pidfile cannot be written."""

    exit_code = 73  # EX_CANTCREAT


class HandoffError(PreforkError):
    """This version cannot use what an old master handed over."""

    exit_code = 76  # EX_PROTOCOL


class AbsentError(PreforkError):
    """No daemon is to be found where ``preforkctl`` looks for it, or it may not be asked."""

    exit_code = 69  # EX_UNAVAILABLE


class AnswerError(PreforkError):
    """A daemon does not respond as preforkd does."""

    exit_code = 70  # EX_SOFTWARE


class BootError(PreforkError):
    """The application of a pool does not start; the message holds its traceback."""

    exit_code = 70  # EX_SOFTWARE


class BootFaults(ConfigError):
    """What the pools name does not load: every failure of a check, at its key."""

    exit_code = BootError.exit_code


class RequestError(PreforkError):
    """A request that is refused before the application sees it; ``status`` is what the client is told."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to ``word``, or an empty text when none is near."""
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""
