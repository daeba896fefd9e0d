"""Starts a server on one core, looks at its processes in /proc, and ends every one of them whatever happens.

A server gets a session of its own, which is how its processes are known from all others and found when it has ended
badly. Linux only: sessions and memory are read as proc(5) describes them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from contrib.bench.servers import Server

HERE = Path(__file__).parent
BOOT = 20.0  # seconds until the first answer
MERCY = 5.0  # seconds between TERM and KILL
TICKS = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """A server does not start, does not answer, or does not answer right. The text is for the table."""


class Answer(NamedTuple):
    status: int
    length: int


class Memory(NamedTuple):
    """Of one process, in bytes: what is its own alone, and with its share of what it has in common with others."""

    uss: int
    pss: int


@dataclass(frozen=True)
class Cores:
    load: int
    server: int


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    pid: int  # of the process that was started, and of its session
    home: Path  # its files

    def cpu(self) -> float:
        """Seconds of processor time that its living processes have used."""
        return sum(_cpu(pid) for pid in members(self.pid))

    def worker_memory(self) -> list[Memory]:
        """Of every worker: the children of the first process, or itself if there are none."""
        workers = [pid for pid in members(self.pid) if pid != self.pid and not _is_helper(pid)]
        return [memory(pid) for pid in workers or [self.pid]]

    def ask(self, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One request on a connection of its own. Raises OSError or http.client.HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=BOOT)
        try:
            connection.request("POST" if body else "GET", path, body or None, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, len(response.read()))
        finally:
            connection.close()


@contextlib.contextmanager
def serving(server: Server, venv: Path, workers: int, core: int | None) -> Iterator[Running]:
    """The server, ready, pinned to a core or free; ended on the way out. Raises ServerError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        port = _free_port()
        places = {"bin": venv / "bin", "python": venv / "bin" / "python", "here": HERE, "home": home}
        fields = {**places, "port": port, "workers": workers}
        for name, text in server.files.items():
            Path(home, name).write_text(text.format(**fields), encoding="utf-8")
        command = [argument.format(**fields) for argument in server.command]
        log = Path(home, "output")
        process = _start(command, home, log, core)
        try:
            running = Running(port, process.pid, Path(home))
            _await_answer(running, process, log)
            yield running
        finally:
            _end(process)


def members(session: int) -> list[int]:
    """The living processes of a session, zombies excluded."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if (stat := _stat(pid)) and stat[0] != "Z" and int(stat[3]) == session]


def core_time(core: int) -> float:
    """Seconds in which a core ran processes, whosever they are; interrupts, which nobody is charged for, left out."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    user, nice, system = next(line.split()[1:4] for line in lines if line.startswith(f"cpu{core} "))
    return (int(user) + int(nice) + int(system)) / TICKS


def memory(pid: int) -> Memory:
    """From smaps_rollup; raises OSError when the process has ended."""
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, size, *_ = line.split()
        sizes[name] = int(size) * 1024
    return Memory(sizes["Private_Clean:"] + sizes["Private_Dirty:"], sizes["Pss:"])


def _start(command: list[str], home: str, log: Path, core: int | None) -> subprocess.Popen[bytes]:
    pinned = command if core is None else ["taskset", "--cpu-list", str(core), *command]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        with log.open("wb") as output:
            return subprocess.Popen(
                pinned,
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise ServerError(f"cannot be started: {error.strerror}") from error


def _await_answer(running: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BOOT
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):  # it is not there yet
            if running.ask("/", {}).status == 200:
                return
        time.sleep(0.05)
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    what = "does not start" if process.poll() is not None else f"gives no answer in {BOOT:.0f} s"
    raise ServerError(f"{what}: {lines[-1]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM for the first process, which is to end the others; KILL for whatever is left of its session."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):  # KILL comes next
        process.wait(MERCY)
    for pid in members(process.pid):
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None if there is no such process any more."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _cpu(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / TICKS if stat else 0.0


def _is_helper(pid: int) -> bool:
    """Processes of Python's multiprocessing that serve nobody."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
