"""Processes: forking them, starting a stranger, learning how they ended.

Rules. A child that is made here and does not exec ends by ``os._exit`` alone; nothing of it ever unwinds into the
parent's stack. A child never sees a signal that was meant for its parent: signals are blocked from before the fork
until the child unblocks them itself. Nothing is closed by its number that was not opened here: agents and wrappers
have descriptors of their own in every process, and would write into whatever takes the number next.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import fork as _fork  # bound now: a monkey patch's own would start a loop in the child
from threading import get_ident
from typing import NoReturn

from prefork.system import signals

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
READS_MOST = 10  # reads of a pipe that may fail
NOT_EXECUTED = 127  # what shells give a command that was not found
NUMBERS_MOST = 65536  # descriptors that are looked at where /proc does not list them


@dataclass(frozen=True)
class Exit:
    """How a process ended: by a code or by a signal (wait(2)). Neither is known if somebody else has reaped it."""

    code: int | None
    signal: int | None
    peak_memory: int  # bytes that were resident at most; includes what it shared with its parent

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit code {self.code}"
        if self.signal is None:
            return "an unknown end"
        try:
            return f"signal {signal.Signals(self.signal).name}"
        except ValueError:
            return f"signal {self.signal}"  # the real-time signals between the first and the last have no name


def exit_of(status: int, usage: resource.struct_rusage) -> Exit:
    """What ``os.wait4`` gave, in words. ``ru_maxrss`` is in KiB, but in bytes on macOS (getrusage(2))."""
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if os.WIFSIGNALED(status):
        return Exit(None, os.WTERMSIG(status), peak)
    return Exit(os.WEXITSTATUS(status), None, peak)


def reap(pid: int) -> Exit | None:
    """How a child of ours ended; None while it lives. Never blocks, never raises. In the parent."""
    try:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return Exit(None, None, 0)  # reaped elsewhere: it has ended, and how is lost
    return exit_of(status, usage) if ended else None


def reap_orphans(ours: Iterable[int]) -> list[int]:
    """Reap every ended child but ``ours``; the pids of those reaped.

    For a master with pid 1, which inherits the orphans of its container. Ended children of ours are left for
    :func:`reap`, which tells how they ended.
    """
    known, reaped = set(ours), []
    with suppress(ChildProcessError):  # there is no child at all
        # WNOWAIT shows one ended child without reaping it, and the same one again until it is reaped: so an ended child
        # of ours hides the orphans behind it, until the caller has reaped that one and its next SIGCHLD or turn comes.
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in known:
            os.waitpid(ended.si_pid, os.WNOHANG)
            reaped.append(ended.si_pid)
    return reaped


def is_child(pid: int) -> bool:
    """Whether it is a child of this process, ended or not. Never raises."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (OSError, OverflowError):  # ECHILD: it is not; EINVAL: there can be no such pid
        return False
    return True


def send_signal(pid: int, signum: int) -> None:
    """Send a signal to a child that has not been reaped: its pid is its own. In the parent."""
    with suppress(ProcessLookupError):  # it has ended, and is about to be reaped
        os.kill(pid, signum)


def set_subreaper(on: bool) -> bool:  # noqa: FBT001 - it is the value that is set
    """Have orphans below this process become its children (prctl(2), PR_SET_CHILD_SUBREAPER); whether it worked."""
    if sys.platform != "linux":
        return False
    number = ctypes.c_ulong
    prctl = ctypes.CDLL(None).prctl
    return bool(prctl(PR_SET_CHILD_SUBREAPER, number(on), number(0), number(0), number(0)) == 0)


def open_pidfd(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended (pidfd_open(2)), close-on-exec.

    None if there is none to be had: there is no such process, the platform or its sandbox has no pidfd, or too many
    files are open. A child's end is then told by SIGCHLD, a stranger's by ``lives``.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def lives(pid: int) -> bool:
    """Whether there is such a process; one that has ended and was not reaped counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's is one too
    return True


_forking = 0  # the thread that forks here at this moment


def is_forking() -> bool:
    """The fork that is under way in this thread is one of ours. For hooks of ``os.register_at_fork``."""
    return _forking == get_ident()


def flush_streams() -> None:
    """Write what ``print`` has left in the buffers of the standard streams. Raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # an application may have closed or replaced them, or nobody reads any more
            stream.flush()


def fork() -> int:
    """Fork: 0 in the child, which starts with all signals blocked and all handlers of its parent gone.

    What is buffered of the standard streams is written before, or every child would write it again.

    The child calls ``signals.unblock()`` once it has handlers of its own, and ends by ``os._exit``. Raises OSError in
    the parent if the fork fails.
    """
    global _forking
    flush_streams()
    # Python 3.12 warns of threads in the parent after the fork is done: where warnings are errors, that would be
    # taken for a fork that failed, while the child lives.
    with signals.blocked(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        _forking = get_ident()
        try:
            pid = _fork()
        finally:
            _forking = 0
        if pid == 0:
            try:
                signals.forget()
            except BaseException:
                os._exit(NOT_EXECUTED)
    return pid


def leave_terminal() -> None:
    """Be in a session of one's own, with nothing to read and no terminal to control. In a child, right after the fork.

    Else a child could type into the terminal of whoever started its parent (tty_ioctl(4), TIOCSTI), read along there,
    or reach its siblings by a signal to the process group.
    """
    with suppress(PermissionError):  # it leads a session already: it has executed another interpreter since
        os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    if null != 0:
        os.dup2(null, 0)
        os.close(null)
    for descriptor in (1, 2):
        with suppress(OSError):  # closed, or a terminal that cannot be opened again: then it can be read as well
            if os.isatty(descriptor):
                terminal = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NOCTTY)
                os.dup2(terminal, descriptor)
                os.close(terminal)


def kill_and_reap(pid: int) -> None:
    """End a child that was just forked and that nobody can hear. In the parent."""
    send_signal(pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # reaped already
        os.waitpid(pid, 0)


def open_descriptors() -> list[int]:
    """The descriptors that are open now, in order."""
    try:
        numbers = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    except OSError:  # no /proc: then every number that could be open
        numbers = list(range(min(NUMBERS_MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0])))
    return [number for number in numbers if _is_open(number)]


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:  # EBADF: it was that of the listing itself, or never one
        return False
    return True


def open_standard_streams() -> None:
    """Make sure that 0, 1 and 2 are open: the next socket would become somebody's standard output. First of all."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number, which is this one
            os.set_inheritable(descriptor, True)  # as such streams are, for the programs that an application starts
    # Python has None for a stream that was closed at its start; everything here takes all three for granted.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def living_children() -> list[int]:
    """The pids of the children of this process that have not ended; none where the platform does not tell."""
    found = []
    with suppress(OSError):  # no Linux, or one without CONFIG_PROC_CHILDREN
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb") as file:
                found += [int(pid) for pid in file.read().split()]
    return sorted(pid for pid in found if not _has_ended(pid))


def _has_ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] in (b"Z", b"X")
    except OSError:  # it was reaped just now
        return True


def own_memory() -> int:
    """Bytes that this process shares with nobody (USS, from proc(5)); 0 where the platform does not tell."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            lines = file.read().splitlines()
    except OSError:  # no Linux, or one before 4.14
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(b"Private_"))


def set_title(text: str) -> None:
    """What ps shows of this process."""
    try:
        from setproctitle import setproctitle
    except ImportError:  # the interpreter of an application may lack it; only the titles suffer
        return
    setproctitle(text)


def spawn_detached(
    argv: Sequence[str],
    env: Mapping[str, str],
    pass_fds: Collection[int],
    *,
    directory: str | None = None,
    stderr: int = 2,
) -> int:
    """Start a program that is nobody's child here, in ``directory``, with this descriptor as its standard error.

    It is forked twice, so that PID 1 (or the nearest subreaper) adopts it. It has the descriptors 0, 1, 2 and
    ``pass_fds``, under their numbers, and what others have made inheritable; no signal is
    blocked and none ignored. Returns its pid. Raises OSError if it could not be started: then nothing is left of it. In
    the master.
    """
    reader, writer = os.pipe()
    try:
        middle = fork()
        if middle == 0:
            _start_and_exit(argv, env, {*pass_fds, writer}, directory, stderr, writer)
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        said = dict(line.split() for line in _read_all(reader).splitlines())
    finally:
        os.close(reader)
        with suppress(OSError):  # reaped already, where SIGCHLD is ignored
            os.waitpid(middle, 0)
    if b"errno" in said:
        number = int(said[b"errno"])
        raise OSError(number, os.strerror(number), directory if b"directory" in said else argv[0])
    if b"pid" not in said:
        raise OSError(errno.ECHILD, "the process was killed before it could start", argv[0])
    return int(said[b"pid"])


def _read_all(descriptor: int) -> bytes:
    """Everything up to the end of a pipe. A read that fails is tried again: what is in there is said once."""
    said, failures = b"", 0
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:
            failures += 1
            if failures > READS_MOST:
                raise
        else:
            if not piece:
                return said
            said += piece


def _start_and_exit(
    argv: Sequence[str], env: Mapping[str, str], keep: Collection[int], directory: str | None, stderr: int, report: int
) -> NoReturn:
    """The middle process: fork the program, report its pid, leave. The program's own failure is reported by itself."""
    try:
        pid = os.fork()
        if pid == 0:
            _execute(argv, env, keep, directory, stderr, report)
        os.write(report, b"pid %d\n" % pid)
        os._exit(0)
    except OSError as error:
        os.write(report, b"errno %d\n" % (error.errno or errno.EINVAL))
    finally:
        os._exit(NOT_EXECUTED)


def _execute(
    argv: Sequence[str], env: Mapping[str, str], keep: Collection[int], directory: str | None, stderr: int, report: int
) -> NoReturn:
    """Become the program. ``report`` closes by the exec: its end without a word is success."""
    os.dup2(stderr, 2)
    # All that we have opened closes by the exec, and what others have opened here, they chose to hand down or not.
    for descriptor in keep:
        os.set_inheritable(descriptor, descriptor != report)
    if directory:
        try:
            os.chdir(directory)
        except OSError:
            os.write(report, b"directory refused\n")
            raise
    for signum in signals.EVERY - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(signum, signal.SIG_DFL)  # Python ignores SIGPIPE, and an exec keeps that
    signals.unblock()
    os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - no shell is what is wanted
