"""A master whose system calls fail: one call, one error, at one occurrence, in one gesture of the operator.

Rules. ``strace --inject`` makes the call fail in the master alone: it is attached to the running process just before
the gesture, so that the first occurrence is the gesture's own, and children are not followed. Afterwards it is detached
and the service has to do everything again: answer a request, reload, and stop with status 0. What the gesture itself
came to is ``done``, ``refused`` (with a sentence) or ``made good`` (by the time that the fault was over).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.needs import find
from tests.operator.daemon import PATIENCE, Events, Preforkd, children, gone, until

STRACE = find("strace")
ERRORS = ("ENOMEM", "EMFILE", "EINTR", "EAGAIN", "ENOSPC", "EPERM")
WITHIN = 2.0  # seconds in which a gesture comes to an outcome; else it is made good after the fault
DOCUMENTED = {64, 70, 71, 73, 75, 76, 77, 78}  # exit statuses of a start that is refused: README
# Calls that cannot fail, or whose failure is the C library's own fault and ends any program.
LEFT_OUT = {
    "rt_sigreturn": "not a call: the return from a signal handler",
    "rt_sigprocmask": "cannot fail; the C library does not look",
    "rt_sigaction": "cannot fail for the signals that are used",
    "futex": "the C library aborts the process",
    "close": "Linux gives the descriptor back whatever close(2) returns; injected, it would stay open",
    "exit_group": "cannot fail",
    "restart_syscall": "the kernel's own",
    "umask": "cannot fail",
    "getpid": "cannot fail",
    "getppid": "cannot fail",
    "geteuid": "cannot fail",
    "getuid": "cannot fail",
    "getegid": "cannot fail",
    "getgid": "cannot fail",
    "gettid": "cannot fail",
}
# What the interpreter makes something else of.
EXEMPT = {
    ("start", "read", "EAGAIN"): "a regular file never says so, and Python takes it for one that has no bytes yet",
}
# A start of which the interpreter is told to wait until it is traced: everything is imported by then.
LAUNCHER = """
import sys
import prefork.cli.wiring, prefork.cli.launch, prefork.control.server, prefork.system.daemon
from prefork.cli import main
print("imported", flush=True)
while True:
    try:
        sys.stdin.readline()
        break
    except OSError:  # it is this read that failed
        continue
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Case:
    """One call that fails. ``when``: its occurrence since the gesture began, from 1."""

    gesture: str
    call: str
    error: str
    when: int

    def __str__(self) -> str:
        return f"{self.gesture}-{self.call}-{self.error}-{self.when}"


@contextlib.contextmanager
def traced(pid: int, output: Path, *options: str) -> Iterator[None]:
    """strace attached to a process; detached at the end. What it saw is in ``output``."""
    assert STRACE
    command = [STRACE, "-p", str(pid), "-o", str(output), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr
    try:
        line = tracer.stderr.readline()
        assert "attached" in line, line + tracer.stderr.read()
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)
        tracer.stderr.close()


def may_trace() -> bool:
    """Whether a process of ours may be traced: a container may forbid it."""
    if not STRACE:
        return True  # it is missing, which is said first
    command = [STRACE, "-o", os.devnull, "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Faulty:
    """A daemon whose gestures are made while a call fails."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.trace = home / "trace"
        self.control = home / "control.sock"
        self.daemon = self._daemon()

    def _daemon(self) -> Preforkd:
        daemon = Preforkd(self.home)
        more = f'[log.access]\nfile = "{self.home}/access.log"\n[control]\nsocket = "{self.control}"'
        daemon.configure(workers=1, more=more)
        return daemon

    # Running.

    def start(self) -> None:
        """Without a fault."""
        self.daemon.start()

    def end(self) -> None:
        self.daemon.end()

    def renew(self) -> None:
        """Another daemon, after one that has suffered."""
        self.end()
        self.daemon = self._daemon()

    def calls(self, gesture: str) -> dict[str, int]:
        """How often the master makes each call in a gesture that succeeds."""
        with self._during(gesture, "-e", "trace=all"):
            pass
        names = re.findall(r"^(?:\d+ +)?(\w+)\(", self.trace.read_text(), re.MULTILINE)
        return {name: names.count(name) for name in sorted(set(names) - LEFT_OUT.keys())}

    def outcome(self, case: Case) -> str:
        """Make the gesture while the call fails; what came of it. Raises AssertionError if the service has suffered."""
        inject = f"inject={case.call}:error={case.error}:when={case.when}"
        with self._during(case.gesture, "-e", f"trace={case.call}", "-e", inject) as found:
            pass
        if "(INJECTED)" not in self.trace.read_text():
            return f"not reached; {found[0]}"
        return found[0]

    @contextlib.contextmanager
    def _during(self, gesture: str, *options: str) -> Iterator[list[str]]:
        found: list[str] = []
        yield found
        if gesture == "start":
            found.append(self._start(options))
        else:
            found.append(self._gesture(GESTURES[gesture], options))

    def _is_up(self, events: Events) -> bool:
        """By its log; or, should it be that line that was lost, by its own word."""
        if events.named("service_ready"):
            return True
        with contextlib.suppress(OSError, ValueError, KeyError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)  # it is not there yet, or not yet listening
            client.connect(str(self.control))
            client.sendall(b'{"prefork": 1, "do": "status"}\n')
            return bool(json.loads(client.makefile().readline())["state"] == "serving")
        return False

    # Gestures on a daemon that serves.

    def _gesture(self, gesture: Gesture, options: tuple[str, ...]) -> str:
        daemon = self.daemon
        if not hasattr(daemon, "process"):
            self.start()
        events = daemon.events
        before = len(events.all)
        with traced(daemon.pid, self.trace, *options):
            daemon.signal(gesture.signal)
            said = _first(events, before, gesture.ends, WITHIN)
        assert daemon.process.poll() is None, f"the master has ended; its log:\n{events}"
        gesture.undo(self, said)
        self._serves()
        assert "Traceback" not in _ours(events.text), events
        if said is None:
            return "made good"
        return "refused" if said["event"] in REFUSALS else "done"

    def _serves(self) -> None:
        """Everything works again: the service answers, and reloads."""
        daemon = self.daemon
        before = len(daemon.events.all)
        end = time.monotonic() + PATIENCE
        while True:  # one that is refused is the fault's last trace: what rests does so for a second
            daemon.signal(signal.SIGHUP)
            said = _first(daemon.events, before, ("reload_done", "reload_refused"), PATIENCE)
            assert said is not None, f"it does not reload; the log:\n{daemon.events}"
            if said["event"] == "reload_done":
                break
            before = len(daemon.events.all)
            assert time.monotonic() < end, daemon.events
        assert daemon.get() == (200, b"hello")

    # The start.

    def _start(self, options: tuple[str, ...]) -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, "-c", str(self.daemon.file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.daemon.environment(),
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            process.stdout.readline()
            with traced(process.pid, self.trace, *options):
                events = Events(process.stderr)
                process.stdin.write("\n")
                process.stdin.flush()
                until(lambda: self._is_up(events) or process.poll() is not None, "the start to be over")
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE) == 0, events
                outcome = "done"
            else:
                events.join()
                outcome = _refusal(process.returncode, _ours(events.text))
            return outcome
        finally:
            for pid in {process.pid, *children(process.pid)}:
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, signal.SIGKILL)
            process.wait(PATIENCE)
            process.stdin.close()
            process.stdout.close()


def _ours(lines: list[str]) -> str:
    """What is not the interpreter's own word of a byte that it could not write to wake the loop (signal(7) handlers)."""
    text = "".join(lines)
    return re.sub(
        r"Exception ignored when trying to write to the signal wakeup fd:\n(?:.*\n)*?\w+Error: .*\n", "", text
    )


def _refusal(status: int, said: str) -> str:
    """A start that failed: a documented status, and a sentence."""
    assert status in DOCUMENTED, (status, said)
    assert "Traceback" not in said, said
    assert said.strip(), "not a word"
    return f"refused ({status})"


def _first(events: Events, before: int, names: tuple[str, ...], within: float) -> dict[str, Any] | None:
    """The first of these events that was logged after so many; None if none was in time."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        for entry in events.all[before:]:
            if entry.get("event") in names:
                return entry
        time.sleep(0.005)
    return None


@dataclass(frozen=True)
class Gesture:
    """A signal, the events that end it, and what has to be undone before the next."""

    signal: signal.Signals
    ends: tuple[str, ...]
    undo: Callable[[Faulty, dict[str, Any] | None], None] = lambda _faulty, _said: None


REFUSALS = ("reload_refused", "scale_refused", "upgrade_refused", "upgrade_failed", "log_not_reopened", "spawn_failed")


def _scaled(faulty: Faulty, said: dict[str, Any] | None) -> None:
    faulty.daemon.signal(signal.SIGTTOU)
    _first(faulty.daemon.events, 0, ("pool_scaled",), PATIENCE)


def _back_out(faulty: Faulty, said: dict[str, Any] | None) -> None:
    """The successor goes; whatever the fault did to its report, its end is noticed."""
    daemon = faulty.daemon
    before = 0
    if said is not None and said["event"] in ("upgrade_refused", "upgrade_failed"):
        daemon.signal(signal.SIGUSR2)  # without the fault it works, as soon as the last one has gone
        before = len(daemon.events.all)
        said = _first(daemon.events, before, ("upgrade_ready", "upgrade_refused"), PATIENCE)
        assert said is not None, daemon.events
    successor = int(said["successor"]) if said and said["event"] == "upgrade_ready" else _pid(daemon)
    if successor and successor != daemon.pid:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(successor, signal.SIGTERM)
        assert gone(successor)
        until(lambda: _pid(daemon) == daemon.pid, "the pidfile to be put back")


def _pid(daemon: Preforkd) -> int:
    with contextlib.suppress(OSError, ValueError):  # between two names
        return int(daemon.pidfile.read_text())
    return 0


GESTURES = {
    "reload": Gesture(signal.SIGHUP, ("reload_done", "reload_refused")),
    "scale": Gesture(signal.SIGTTIN, ("worker_ready", "scale_refused", "spawn_failed"), _scaled),
    "reopen": Gesture(signal.SIGUSR1, ("logs_reopened", "log_not_reopened")),
    "upgrade": Gesture(signal.SIGUSR2, ("upgrade_ready", "upgrade_refused", "upgrade_failed"), _back_out),
}
