"""Where log lines go, and what becomes of them when they cannot."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import socket
import struct

import pytest

from prefork.errors import PreforkError
from prefork.observe import secure_open
from prefork.observe.journal import Journal
from prefork.observe.sink import Sink
from prefork.observe.syslog import Syslog
from prefork.observe.targets import File


@pytest.fixture
def made():
    """Make sinks that are closed at the end."""
    sinks: list[Sink] = []

    def make(target) -> Sink:
        sinks.append(Sink.open(target, name="log") if isinstance(target, str) else Sink(target, "log"))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "prefork.log"


class TestFile:
    def test_lines_are_appended(self, made, path):
        """What was there stays, also when somebody else appends meanwhile."""
        path.write_bytes(b"before\n")
        sink = made(str(path))
        sink.write(b"one\n")
        with path.open("ab") as other:
            other.write(b"other\n")
        sink.write(b"two\n")
        assert path.read_bytes() == b"before\none\nother\ntwo\n"

    def test_the_file_is_not_for_everybody(self, made, path):
        """Logs hold addresses of people."""
        before = os.umask(0)
        try:
            made(str(path))
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o640

    def test_no_program_that_is_started_inherits_it(self, made, path):
        """The descriptor closes on exec."""
        assert not os.get_inheritable(made(str(path)).fileno())

    def test_what_cannot_be_opened_is_explained(self, tmp_path):
        """At the start, a log that cannot be is an error."""
        with pytest.raises(PreforkError, match=r"the log .*none/x.log cannot be opened: No such file.*must exist"):
            Sink.open(str(tmp_path / "none" / "x.log"), name="log")

    def test_reopen_makes_a_moved_file_anew(self, made, path):
        """logrotate moves the file away: until reopen lines follow it, then they go to a new one."""
        sink = made(str(path))
        number = sink.fileno()
        path.rename(path.with_suffix(".1"))
        sink.write(b"old\n")
        assert sink.reopen() is None
        sink.write(b"new\n")
        assert path.with_suffix(".1").read_bytes() == b"old\n"
        assert path.read_bytes() == b"new\n"
        assert sink.fileno() == number
        assert not os.get_inheritable(number)

    def test_reopen_that_fails_keeps_the_old_file(self, made, tmp_path):
        """A vanished directory costs lines, not the log: the reason is returned, and writing goes on as before."""
        directory = tmp_path / "logs"
        directory.mkdir()
        sink = made(str(directory / "x.log"))
        shutil.rmtree(directory)
        assert isinstance(sink.reopen(), FileNotFoundError)
        sink.write(b"into the void\n")
        directory.mkdir()
        assert sink.reopen() is None
        sink.write(b"here\n")
        assert (directory / "x.log").read_bytes() == b"here\n"

    def test_a_relative_path_survives_a_change_of_directory(self, made, tmp_path, monkeypatch):
        """The master goes to its working directory after it opened its logs."""
        monkeypatch.chdir(tmp_path)
        sink = made("x.log")
        monkeypatch.chdir("/")
        (tmp_path / "x.log").unlink()
        sink.reopen()
        assert (tmp_path / "x.log").exists()

    def test_a_worker_adopts_what_the_master_opened(self, made, path, tmp_path):
        """The received descriptor goes to the sink's own number, and is closed itself."""
        sink = made(str(path))
        received = os.open(tmp_path / "new.log", os.O_WRONLY | os.O_CREAT)
        sink.adopt(received)
        sink.write(b"line\n")
        assert (tmp_path / "new.log").read_bytes() == b"line\n"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(received)


class TestTrouble:
    def test_a_full_disk_costs_lines(self, made):
        """/dev/full answers every write with ENOSPC: nothing is raised, everything is counted."""
        sink = made("/dev/full")
        sink.write(b"one\ntwo\n")
        sink.write(b"three\n")
        assert sink.lost == 3
        assert sink.recovered() == 0

    def test_recovery_is_told_once(self, made, path):
        """After the first line that goes through, it is known how many did not."""
        sink = made("/dev/full")
        sink.write(b"one\ntwo\n")
        sink.adopt(os.open(path, os.O_WRONLY | os.O_CREAT))
        assert sink.recovered() == 0
        sink.write(b"three\n")
        assert (sink.recovered(), sink.recovered()) == (2, 0)
        assert sink.lost == 2

    def test_half_a_line_is_ended_before_the_next(self, made, path, monkeypatch):
        """When the disk filled up within a line, what comes later stands on a line of its own."""
        sink = made(str(path))
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
        sink.write(b"first\n")
        monkeypatch.undo()
        sink.write(b"second\n")
        assert path.read_bytes() == b"fir\nsecond\n"
        assert sink.lost == 1

    def test_a_descriptor_that_was_closed_by_an_application(self, made, path):
        """Applications do odd things: logging survives them."""
        sink = made(str(path))
        os.close(sink.fileno())
        sink.write(b"line\n")
        assert sink.lost == 1
        os.dup2(2, sink.fileno(), inheritable=False)  # for the end of the test

    def test_a_pipe_that_nobody_reads_does_not_block(self, made, tmp_path):
        """The writer waits a blink, then lines are lost until the reader is back."""
        os.mkfifo(tmp_path / "fifo")
        reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        sink = made(str(tmp_path / "fifo"))
        for _ in range(100):
            sink.write(b"x" * 4095 + b"\n")
        lost = sink.lost
        assert lost > 50
        assert os.read(reader, 2**20).count(b"\n") == 100 - lost
        sink.write(b"back\n")
        assert sink.lost == lost
        assert sink.recovered() == lost
        assert os.read(reader, 65536) == b"back\n"
        os.close(reader)

    def test_a_pipe_whose_reader_died(self, made, tmp_path):
        """EPIPE is a lost line, and no signal."""
        os.mkfifo(tmp_path / "fifo")
        reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        sink = made(str(tmp_path / "fifo"))
        os.close(reader)
        sink.write(b"line\n")
        assert sink.lost == 1

    def test_a_batch_larger_than_a_pipe_takes_at_once_goes_in_whole_lines(self, made, tmp_path):
        """P5: each write is of whole lines, and no longer than what others cannot tear."""
        os.mkfifo(tmp_path / "fifo")
        reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        sink = made(str(tmp_path / "fifo"))
        batch = b"".join(b"%d %s\n" % (number, b"x" * 700) for number in range(60))
        sink.write(batch)
        assert sink.lost == 0
        assert os.read(reader, 65536) == batch
        os.close(reader)

    def test_a_line_that_a_pipe_does_not_take_at_once_is_never_torn(self, made, tmp_path):
        """P5: who writes has to shorten it to ``limit``; what is longer is lost whole, and counted."""
        os.mkfifo(tmp_path / "fifo")
        reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        sink = made(str(tmp_path / "fifo"))
        assert sink.limit == select.PIPE_BUF
        sink.write(b"one\n" + b"x" * sink.limit + b"\n" + b"two\n")
        assert sink.lost == 1
        assert os.read(reader, 65536) == b"one\ntwo\n"
        os.close(reader)

    def test_a_full_pipe_that_blocks_does_not_block_us(self, made, monkeypatch):
        """P5: others may have made the description that we share with them a blocking one."""
        reader, writer = os.pipe()
        monkeypatch.setattr(secure_open, "open_again", refuse)
        sink = Sink(File(os.devnull), "log", descriptor=writer)
        for _ in range(100):
            sink.write(b"x" * 2999 + b"\n")  # leaves room that a poll calls writable, and that is too small
        assert 50 < sink.lost < 100
        os.set_blocking(reader, False)
        assert os.read(reader, 2**20).count(b"\n") == 100 - sink.lost
        sink.close()
        os.close(reader)


def refuse(*_arguments):
    raise PermissionError


class TestDescriptions:
    """M6: nobody shares an open file description with the master."""

    @pytest.mark.parametrize("flag", [os.O_NONBLOCK, os.O_APPEND])
    def test_a_childs_flags_are_its_own(self, made, path, flag):
        """What a child does to its description leaves the parent's alone."""
        sink = made(str(path))
        before = fcntl.fcntl(sink.fileno(), fcntl.F_GETFL)
        theirs = os.dup(sink.fileno())  # the parent's, to look at afterwards
        sink.separate()
        fcntl.fcntl(sink.fileno(), fcntl.F_SETFL, fcntl.fcntl(sink.fileno(), fcntl.F_GETFL) & ~flag)
        assert fcntl.fcntl(theirs, fcntl.F_GETFL) == before
        os.close(theirs)

    def test_it_is_the_same_file_wherever_that_was_moved(self, made, path):
        """Between logrotate's rename and USR1 all go on in the old file."""
        sink = made(str(path))
        path.rename(path.with_suffix(".1"))
        sink.separate()
        sink.write(b"line\n")
        assert path.with_suffix(".1").read_bytes() == b"line\n"
        assert not path.exists()
        assert not os.get_inheritable(sink.fileno())

    def test_what_is_lent_is_another_description(self, made, path):
        """For a worker, at USR1."""
        sink = made(str(path))
        lent = sink.lend()
        fcntl.fcntl(lent, fcntl.F_SETFL, 0)
        assert fcntl.fcntl(sink.fileno(), fcntl.F_GETFL) & os.O_APPEND
        assert not os.get_inheritable(lent)
        os.close(lent)

    def test_where_none_is_to_be_had_it_is_shared(self, made, path, monkeypatch):
        """A socket, or another user's pipe: the log goes on."""
        sink = made(str(path))
        monkeypatch.setattr(secure_open, "open_again", refuse)
        sink.separate()
        lent = sink.lend()
        assert os.path.samestat(os.fstat(lent), os.fstat(sink.fileno()))
        os.close(lent)
        sink.write(b"line\n")
        assert path.read_bytes() == b"line\n"

    def test_a_connection_to_a_daemon_is_each_ones_own(self, made, daemon):
        """A socket's description can be connected elsewhere."""
        sink = made(Syslog("prefork", daemon.getsockname()))
        before = os.fstat(sink.fileno()).st_ino
        sink.separate()
        assert os.fstat(sink.fileno()).st_ino != before
        sink.write(b"line\n")
        assert daemon.recv(65536).endswith(b"line")


class TestStderr:
    def test_it_is_descriptor_2(self, made, capfd):
        """Whatever that is, by a description of our own; what others print goes behind our lines, not over them."""
        sink = made("stderr")
        sink.write(b"line\n")
        os.write(2, b"printed\n")
        assert sink.reopen() is None
        sink.write(b"more\n")
        assert capfd.readouterr().err == "line\nprinted\nmore\n"

    def test_a_socket_is_written_to_without_blocking(self, made, monkeypatch):
        """As under systemd: its description is shared, and may be a blocking one."""
        ours, theirs = socket.socketpair()
        before = os.dup(2)
        os.dup2(theirs.fileno(), 2)
        try:
            sink = made("stderr")
            for _ in range(1000):
                sink.write(b"x" * 999 + b"\n")
        finally:
            os.dup2(before, 2)
            os.close(before)
        assert 0 < sink.lost < 1000
        ours.close()
        theirs.close()

    def test_closing_the_sink_leaves_it_open(self, capfd):
        """Standard error belongs to the process."""
        Sink.open("stderr", name="log").close()
        os.write(2, b"still there\n")
        assert capfd.readouterr().err == "still there\n"


@pytest.fixture
def daemon(tmp_path):
    """A logging daemon, as far as its socket goes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log.sock"))
        sock.settimeout(5)
        yield sock


class TestSyslog:
    def test_a_line_is_a_datagram(self, made, daemon):
        """Priority, local time, name and pid, as syslog(3) writes them."""
        sink = made(Syslog("prefork", daemon.getsockname()))
        sink.send(b'{"event": "x"}\n', "error", {"event": "x"})
        pattern = rb'<27>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d prefork\[%d\]: \{"event": "x"\}' % os.getpid()
        assert re.fullmatch(pattern, daemon.recv(65536))

    def test_a_batch_of_access_lines_is_a_datagram_each(self, made, daemon):
        """Lines without an event are of level info."""
        made(Syslog("prefork-access", daemon.getsockname())).write(b"one\ntwo\n")
        assert [daemon.recv(65536).partition(b"]: ")[2] for _ in range(2)] == [b"one", b"two"]

    def test_an_event_is_one_record_whatever_it_holds(self, made, daemon):
        """A traceback in console form cannot make records of its own."""
        made(Syslog("prefork", daemon.getsockname())).send(b"one\n<0>two\n", "info", {"event": "x"})
        assert daemon.recv(65536).endswith(b"one\\n<0>two")

    def test_a_long_line_is_cut(self, made, daemon):
        """So that the daemon takes it at all."""
        sink = made(Syslog("prefork", daemon.getsockname()))
        sink.write(b"x" * 1_000_000 + b"\n")
        assert sink.lost == 0
        assert len(daemon.recv(2**20)) < 33_000

    def test_a_restarted_daemon_is_found_again(self, made, daemon):
        """Only what was sent while it was away is lost."""
        path = daemon.getsockname()
        sink = made(Syslog("prefork", path))
        number = sink.fileno()
        daemon.close()
        os.unlink(path)
        sink.write(b"lost\n")
        assert sink.lost == 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
            again.bind(path)
            sink.write(b"found\n")
            assert again.recv(65536).endswith(b"found")
        assert sink.recovered() == 1
        assert sink.fileno() == number

    def test_a_stuck_daemon_does_not_block(self, made, daemon):
        """Its queue is full: lines are lost, and nobody waits."""
        sink = made(Syslog("prefork", daemon.getsockname()))
        sink.write(b"line\n" * 5000)
        assert 0 < sink.lost < 5000

    def test_no_daemon_at_the_start_is_explained(self, monkeypatch, tmp_path):
        """A log that goes nowhere is found out at once."""
        monkeypatch.setattr(Syslog.__init__, "__defaults__", (str(tmp_path / "none"),))
        with pytest.raises(PreforkError, match="the log syslog cannot be opened"):
            Sink.open("syslog", name="log")


def entries(datagram: bytes) -> dict[str, bytes]:
    """Read the journal's protocol the way that its documentation describes it."""
    fields: dict[str, bytes] = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + length], datagram[8 + length + 1 :]
        fields[name.decode()] = value
    return fields


class TestJournal:
    def test_an_event_has_its_fields(self, made, daemon):
        """Each field of an event is one of the journal's, so that journalctl finds it by name."""
        sink = made(Journal("prefork", daemon.getsockname()))
        sink.send(b"line\n", "warning", {"event": "worker_died", "pid": 7, "peak-memory": 1})
        assert entries(daemon.recv(65536)) == {
            "MESSAGE": b"line",
            "PRIORITY": b"4",
            "SYSLOG_IDENTIFIER": b"prefork",
            "PREFORK_EVENT": b"worker_died",
            "PREFORK_PID": b"7",
            "PREFORK_PEAK_MEMORY": b"1",
        }

    def test_no_value_begins_another_field(self, made, daemon):
        """A newline in a value, of an attacker perhaps, puts it into the binary form."""
        sink = made(Journal("prefork", daemon.getsockname()))
        sink.send(b"one\ntwo\n", "info", {"event": "x", "path": "/\nPRIORITY=0\n", "odd\nPRIORITY=0": 1})
        fields = entries(daemon.recv(65536))
        assert fields["MESSAGE"] == b"one\ntwo"
        assert fields["PREFORK_PATH"] == b"/\nPRIORITY=0\n"
        assert fields["PREFORK_ODD_PRIORITY_0"] == b"1"
        assert fields["PRIORITY"] == b"6"

    def test_a_batch_of_access_lines_is_an_entry_each(self, made, daemon):
        """Lines without an event are of level info."""
        made(Journal("prefork-access", daemon.getsockname())).write(b"one\ntwo\n")
        assert [entries(daemon.recv(65536))["MESSAGE"] for _ in range(2)] == [b"one", b"two"]

    def test_long_values_are_cut(self, made, daemon):
        """An entry always fits into the socket's buffer."""
        sink = made(Journal("prefork", daemon.getsockname()))
        sink.send(b"x" * 10**6, "info", {"event": "x", "traceback": "y" * 10**6})
        assert sink.lost == 0
        assert len(entries(daemon.recv(2**20))["PREFORK_TRACEBACK"]) == 32 * 1024

    def test_an_entry_of_many_long_values_fits(self, made, daemon):
        """P5: fields that would be too much for a datagram are left out, the entry is there."""
        sink = made(Journal("prefork", daemon.getsockname()))
        sink.send(b"x\n", "info", {"event": "x", **{f"field{number}": "y" * 10**6 for number in range(30)}})
        assert sink.lost == 0
        assert entries(daemon.recv(2**20))["PREFORK_EVENT"] == b"x"

    def test_a_value_that_cannot_be_written(self, made, daemon):
        """Its entry goes out without it."""

        class Odd:
            def __str__(self) -> str:
                raise ValueError

        made(Journal("prefork", daemon.getsockname())).send(b"x\n", "info", {"odd": Odd(), "text": "\udc80"})
        fields = entries(daemon.recv(65536))
        assert (fields["PREFORK_ODD"], fields["PREFORK_TEXT"]) == (b"?", b"\\udc80")


def test_a_file_target_by_itself(made, path):
    """Targets are values: a sink is made of any."""
    made(File(str(path))).write(b"line\n")
    assert path.read_bytes() == b"line\n"
