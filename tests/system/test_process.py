"""Processes: their birth and their end."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import suppress

import pytest

from prefork.system import process, signals
from prefork.system.process import Exit


def ended(pid: int) -> Exit:
    """Wait for a child by its pidfd, then reap it as the master does."""
    descriptor = process.open_pidfd(pid)
    assert descriptor is not None
    try:
        assert select.select([descriptor], [], [], 10)[0]
    finally:
        os.close(descriptor)
    ending = process.reap(pid)
    assert ending is not None
    return ending


def open_descriptors() -> set[int]:
    """Found by asking for each, for listing them opens one."""
    found = set()
    for descriptor in range(1000):
        with suppress(OSError):
            os.fstat(descriptor)
            found.add(descriptor)
    return found


def children() -> str:
    """The pids of the children of this process, zombies included; other tests may have some of their own."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return file.read()


class TestExit:
    def test_a_code(self, child):
        """An exit code is told as such, with the memory that the process had at most."""
        one = child(lambda: os._exit(3))
        one.forget()
        ending = ended(one.pid)
        assert (ending.code, ending.signal, str(ending)) == (3, None, "exit code 3")
        assert 2**20 < ending.peak_memory < 2**33

    def test_a_signal(self, child):
        """A signal is told by its name."""
        one = child(signal.pause)
        one.forget()
        os.kill(one.pid, signal.SIGKILL)
        ending = ended(one.pid)
        assert (ending.code, ending.signal, str(ending)) == (None, signal.SIGKILL, "signal SIGKILL")

    def test_what_has_no_name(self):
        """Real-time signals have numbers only; a process that somebody else reaped has an end, and no more."""
        assert str(Exit(None, 40, 0)) == "signal 40"
        assert str(Exit(None, None, 0)) == "an unknown end"

    def test_a_living_child_is_not_reaped(self, child):
        """None, at once."""
        one = child(signal.pause)
        one.forget()
        assert process.reap(one.pid) is None
        os.kill(one.pid, signal.SIGTERM)
        assert ended(one.pid).signal == signal.SIGTERM

    def test_a_child_that_was_reaped_elsewhere(self, child):
        """It has ended, and nothing is raised."""
        one = child(lambda: None)
        one.result()
        assert process.reap(one.pid) == Exit(None, None, 0)


class TestPidfd:
    def test_nobody_there(self, child):
        """A process that has ended and was reaped has no descriptor."""
        one = child(lambda: None)
        one.result()
        assert process.open_pidfd(one.pid) is None

    def test_it_closes_on_exec(self):
        """No program that is started inherits it."""
        descriptor = process.open_pidfd(os.getpid())
        assert descriptor is not None
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)

    @pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
    def test_a_kernel_without_it(self, monkeypatch, number):
        """Some sandboxes have none; SIGCHLD then has to do."""

        def refuse(pid):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "pidfd_open", refuse)
        assert process.open_pidfd(1) is None


class TestFork:
    def test_a_child_has_its_signals_blocked_until_it_says_so(self, child):
        """A TERM that comes before the child's handlers stand waits for them (PEERS 3.10)."""
        told: list[int] = []

        def live():
            while signal.SIGTERM not in signal.sigpending():
                os.sched_yield()
            signal.signal(signal.SIGTERM, lambda signum, _frame: told.append(signum))
            signals.unblock()
            return told

        one = child(live, blocked=True)
        os.kill(one.pid, signal.SIGTERM)
        assert one.result() == [signal.SIGTERM]

    def test_a_child_forgets_its_parents_handlers(self, child):
        """A signal that is meant for a worker never runs the master's handler in it, nor writes to its pipe."""

        def master():
            inbox = signals.SignalInbox([signal.SIGHUP])
            one = process.fork()
            if one == 0:
                signals.unblock()
                os.kill(os.getpid(), signal.SIGHUP)
                os._exit(0)
            ending = ended(one)
            return ending.signal, select.select([inbox.fileno()], [], [], 0)[0], inbox.take()

        assert child(master).result() == (signal.SIGHUP, [], [])

    def test_the_parents_mask_is_as_before(self):
        """Blocked around the fork only."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        pid = process.fork()
        if pid == 0:
            os._exit(0)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
        ended(pid)

    def test_a_fork_that_fails_is_an_oserror(self, monkeypatch):
        """And the mask is as before."""

        def refuse():
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        monkeypatch.setattr(process, "_fork", refuse)
        with pytest.raises(BlockingIOError):
            process.fork()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.parametrize("proc", ["with", "without"])
def test_open_descriptors(child, monkeypatch, proc):
    """Those that are open, with /proc or without, and not the one that they are listed by."""

    def refuse(_path):
        raise FileNotFoundError

    def live():
        if proc == "without":
            monkeypatch.setattr(os, "listdir", refuse)
        return process.open_descriptors() == sorted(open_descriptors())

    assert child(live).result()


def test_orphans_are_reaped_and_children_left(child):
    """A master with pid 1 reaps what its container leaves behind, and never a worker's end before its time."""
    ours, orphan = child(lambda: None), child(lambda: None)
    for one in (ours, orphan):
        one._report.read()
        one.forget()
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)

    def reap_orphans(known):
        """Without those that another test of this process has left behind."""
        return [pid for pid in process.reap_orphans(known) if pid in (ours.pid, orphan.pid)]

    reaped = reap_orphans([ours.pid])
    assert ours.pid not in reaped
    ending = process.reap(ours.pid)
    assert ending is not None
    assert ending.code == 0
    assert reap_orphans([]) == ([] if reaped else [orphan.pid])
    assert reap_orphans([]) == []


def test_a_title(child):
    """What ps shows."""

    def live():
        process.set_title("prefork: worker web 3 gen 2")
        with open("/proc/self/cmdline", "rb") as cmdline:
            return cmdline.read().rstrip(b"\0")

    assert child(live).result() == b"prefork: worker web 3 gen 2"


def test_no_titles_without_the_library(monkeypatch):
    """The interpreter of an application may lack it."""
    monkeypatch.setitem(sys.modules, "setproctitle", None)
    process.set_title("x")


class TestSpawnDetached:
    def spawn(self, code: str, **keywords):
        """Run Python code in a detached program; what it writes to its descriptor ``out`` comes back."""
        reader, out = os.pipe()
        pid = process.spawn_detached(
            [sys.executable, "-c", f"out = {out}\n{code}"],
            keywords.pop("env", {}),
            {out, *keywords.pop("pass_fds", ())},
            **keywords,
        )
        os.close(out)
        with os.fdopen(reader, "rb") as pipe:
            return pid, pipe.read().decode()

    def test_it_is_nobodys_child_here(self):
        """The pid is the program's own, and its parent is not this process."""
        pid, told = self.spawn("import os; os.write(out, b'%d %d' % (os.getpid(), os.getppid()))")
        assert int(told.split()[0]) == pid
        assert int(told.split()[1]) != os.getpid()
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)

    def test_environment_and_directory(self, tmp_path):
        """Those given, and no other."""
        _pid, told = self.spawn(
            'import os; os.write(out, f\'{os.environ.get("A")} {os.environ.get("HOME")} {os.getcwd()}\'.encode())',
            env={"A": "b"},
            directory=str(tmp_path),
        )
        assert told == f"b None {tmp_path}"

    def test_descriptors_keep_their_numbers(self):
        """Those passed, the standard streams, and what others have made inheritable: nothing is closed by number (P1)."""
        with open(os.devnull) as passed, open(os.devnull) as other, open(os.devnull) as private:
            os.set_inheritable(other.fileno(), True)
            code = "import os\nfor fd in range(1000):\n try: os.fstat(fd)\n except OSError: continue\n os.write(out, b' %d' % fd)"
            _pid, told = self.spawn(code, pass_fds=(passed.fileno(),))
            assert not os.get_inheritable(passed.fileno())
            seen = {int(number) for number in told.split()}
            assert seen > {0, 1, 2, passed.fileno(), other.fileno()}
            assert private.fileno() not in seen

    def test_signals_are_as_for_a_new_program(self):
        """None blocked, none ignored: not even SIGPIPE, which Python ignores for itself."""
        code = "import os; os.write(out, b''.join(l for l in open('/proc/self/status', 'rb') if l[:6] in (b'SigBlk', b'SigIgn')))"
        with signals.blocked():
            _pid, told = self.spawn(code)
        masks = dict(line.split() for line in told.splitlines())
        assert int(masks["SigBlk:"], 16) == 0
        ignored = {signum for signum in range(1, 65) if int(masks["SigIgn:"], 16) >> (signum - 1) & 1}
        # 32 and 33 are the C library's own (nptl(7)).
        assert ignored & signal.valid_signals() == {signal.SIGPIPE, signal.SIGXFSZ}

    @pytest.mark.parametrize(
        ("command", "error"), [("/no/such/program", FileNotFoundError), ("/etc/passwd", PermissionError)]
    )
    def test_a_program_that_cannot_be_started(self, command, error):
        """The reason comes back as an exception, here and nowhere else (PEERS 3.1), and no child is left."""
        before = os.getpid(), children()
        with pytest.raises(error, match=command):
            process.spawn_detached([command], {}, ())
        assert (os.getpid(), children()) == before

    def test_a_directory_that_is_not_there(self, tmp_path):
        """As for the program."""
        with pytest.raises(FileNotFoundError):
            process.spawn_detached(["/bin/true"], {}, (), directory=str(tmp_path / "none"))

    def test_a_passed_descriptor_that_is_closed(self):
        """It is told, not left to the program to find out."""
        with pytest.raises(OSError, match="Bad file descriptor"):
            process.spawn_detached(["/bin/true"], {}, (987,))
