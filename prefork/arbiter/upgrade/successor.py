"""The old master's hold on its successor: how it is started, what it reports, what it says, and its end.

Until a successor has understood what was handed to it, its standard error is a file that the old master reads: a
version that cannot even be imported has no other way to say so, and a daemon's own standard error is nobody's to read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from prefork.arbiter import facts
from prefork.arbiter.facts import Fact
from prefork.arbiter.resources import Resources
from prefork.system import handoff, process
from prefork.system.handoff import Handoff
from prefork.system.memory import memory_file

WORDS_MOST = 8000  # bytes of the standard error of one that failed; the end of a traceback says most
SILENT = "the successor ended before it could report: it was killed, or its log says why"


class Successor:
    """In the old master. ``report`` becomes readable when it has reported, or never will."""

    def __init__(self, pid: int, report: int, stderr: int) -> None:
        self.pid = pid
        self.report = report
        self._stderr = stderr
        self._reported = False

    @classmethod
    def start(cls, resources: Resources) -> Successor:
        """Start it: beside this master, on the same sockets, with the pidfile's name there for it to take.

        Raises OSError or PreforkError; then nothing is left of it.
        """
        services = resources.services
        with ExitStack() as ours, ExitStack() as its:
            report, stderr, original = _descriptors(ours, its)
            hand = Handoff(os.getpid(), resources.sockets.handed_over(), report[1], original)
            if services.pidfile:
                services.pidfile.name_oldbin()
            environment = {**hand.environment(os.environ), **services.notifier.for_successor()}
            if resources.subreaper:
                process.set_subreaper(False)  # else the successor would become our child, and not that of PID 1
                its.callback(process.set_subreaper, True)
            pid = process.spawn_detached(
                services.command, environment, hand.descriptors(), directory=services.directory, stderr=stderr
            )
            ours.pop_all()
        return cls(pid, report[0], stderr)

    def leave(self) -> set[int]:
        """Let go of its report and its standard error, in a child of the master; the descriptor that was watched."""
        os.close(self.report)
        os.close(self._stderr)
        return {self.report}

    def heard(self) -> Iterator[Fact]:
        """The report of the successor, if it has sent one. To be asked once, when ``report`` is readable."""
        try:
            said = handoff.read_report(self.report)
        except BlockingIOError:
            return
        self._reported = True
        if said is not None:
            ready, reason = said
            yield facts.SuccessorReady(handoff.runs_on(), reason) if ready else facts.SuccessorFailed(reason)
        else:
            yield facts.SuccessorFailed(self._last_words() or SILENT)

    def ended(self) -> Iterator[Fact]:
        """The facts that follow from the successor's end; what it had still to report comes first."""
        if not self._reported:
            yield from self.heard()
        if not self._reported:  # a child that it left behind still holds the other end: nobody will report
            yield facts.SuccessorFailed(self._last_words() or SILENT)
        os.close(self.report)
        os.close(self._stderr)
        yield facts.SuccessorGone()

    def _last_words(self) -> str:
        with suppress(OSError):
            size = os.fstat(self._stderr).st_size
            return os.pread(self._stderr, WORDS_MOST, max(0, size - WORDS_MOST)).decode(errors="replace").strip()
        return ""


def _descriptors(ours: ExitStack, its: ExitStack) -> tuple[tuple[int, int], int, int]:
    """A pipe for the report, a file for the successor's standard error, and the descriptor that it is to have later."""
    report = os.pipe2(os.O_CLOEXEC)
    ours.callback(os.close, report[0])
    its.callback(os.close, report[1])
    os.set_blocking(report[0], False)  # now: once it is started, nothing may fail here
    stderr = memory_file("prefork-successor")
    ours.callback(os.close, stderr)
    original = os.dup(2)
    its.callback(os.close, original)
    return report, stderr, original
