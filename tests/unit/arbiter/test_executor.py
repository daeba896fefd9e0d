"""The hands of the master: what fails is a fact, never an exception, and costs no descriptor."""

from __future__ import annotations

import errno
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefork.arbiter import facts, orders
from prefork.arbiter.children import Child
from prefork.arbiter.loop import Arbiter
from prefork.arbiter.services import Services
from prefork.config.models import Config
from prefork.errors import ConfigError, Fault
from prefork.observe.sink import Sink
from prefork.system import process
from prefork.system.channel import Channel, Kind
from prefork.system.notify import Notifier
from prefork.system.pidfile import Pidfile

SPAWN = {"worker": 1, "pool": "web", "number": 1, "slot": 0, "generation": 1}


class Journal:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: self.said.append((level, event, fields))

    def events(self) -> list[str]:
        return [event for _level, event, _fields in self.said]


def config(address: str) -> Config:
    return Config.model_validate({"listen": {"http": {"address": address}}, "pool": {"web": {"app": "a:b"}}})


@pytest.fixture
def arbiter(tmp_path: Path) -> Iterator[Arbiter]:
    """A master that has opened its listener and runs no loop."""
    settings = config(f"unix:{tmp_path}/web.sock")
    pidfile = Pidfile(str(tmp_path / "preforkd.pid"))
    pidfile.acquire()
    one = Arbiter(
        Services(
            config=settings,
            load=lambda: settings,
            changed=lambda _old, _new: {},
            workers_of=lambda _pool: 1,
            serve=lambda _birth, _handles: 0,
            environments=0,
            announce=lambda: None,
            leave_starter=lambda: None,
            log=Journal(),
            set_level=lambda _level: None,
            command=["/nonexistent/preforkd"],
            directory=str(tmp_path),
            notifier=Notifier({}, 1),
            control_manner=lambda _config: None,
            open_control=lambda _path, _manner, _over: pytest.fail("there is no control socket"),
            pidfile=pidfile,
        )
    )
    one.resources.sockets.open(1, settings)
    one.services.log.said.clear()
    yield one
    one.resources.sockets.close(unlink=True)
    pidfile.release()
    one.resources.watch.close()


def descriptors() -> set[str]:
    gc.collect()  # what an earlier test has left is not to vanish in between
    return set(os.listdir("/proc/self/fd"))


def refuse(number: int) -> Any:
    def call(*_args: object, **_fields: object) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def test_a_fork_that_fails_is_a_fact(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch):
    """Fault 12: EAGAIN is the policy's business; no descriptor is lost by it."""
    monkeypatch.setattr(process, "fork", refuse(errno.EAGAIN))
    before = descriptors()
    for _ in range(3):
        answer = arbiter.executor.execute(orders.SpawnWorker(**SPAWN, config=arbiter.services.config))
        assert answer == facts.SpawnFailed(1, f"[Errno {errno.EAGAIN}] {os.strerror(errno.EAGAIN)}")
    assert descriptors() == before
    assert len(arbiter.resources.children) == 0


@pytest.mark.parametrize(("owner", "name"), [(Channel, "pair"), (os, "pipe2")])
def test_no_descriptors_left_is_a_fact(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str):
    """Fault 12: the same for what is opened before the fork."""
    monkeypatch.setattr(owner, name, refuse(errno.EMFILE))
    before = descriptors()
    answer = arbiter.executor.execute(orders.SpawnWorker(**SPAWN, config=arbiter.services.config))
    assert isinstance(answer, facts.SpawnFailed)
    assert descriptors() == before


def test_a_child_without_a_pidfd_is_a_child(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch):
    """On an old kernel, or out of descriptors: it is reaped by SIGCHLD. Here the fork only says that it worked."""
    monkeypatch.setattr(process, "fork", lambda: 12345678)
    monkeypatch.setattr(os, "pidfd_open", refuse(errno.EMFILE))
    answer = arbiter.executor.execute(orders.SpawnWorker(**SPAWN, config=arbiter.services.config))
    assert answer == facts.WorkerSpawned(1, 12345678)
    # Nobody's child: reaped elsewhere, as far as wait(2) knows.
    [exited] = [fact for fact in arbiter.reap_workers() if isinstance(fact, facts.ChildExited)]
    assert (exited.worker, exited.clean) == (1, False)
    assert len(arbiter.resources.children) == 0


def test_a_successor_that_cannot_be_executed_is_a_fact(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch):
    """Fault 1: the reason names the program; what was opened for it is closed."""
    monkeypatch.setattr(process, "spawn_detached", refuse(errno.ENOENT))
    before = descriptors()
    answer = arbiter.executor.execute(orders.Reexec())
    assert isinstance(answer, facts.SuccessorFailed)
    assert answer.reason.startswith("/nonexistent/preforkd: ")
    assert descriptors() == before
    arbiter.executor.execute(orders.RestorePidfile())
    assert sorted(name for name in os.listdir(arbiter.services.directory) if "pid" in name) == ["preforkd.pid"]


def test_no_descriptors_left_for_a_successor_is_a_fact(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch):
    """The upgrade fails, and the master goes on."""
    monkeypatch.setattr(os, "pipe2", refuse(errno.EMFILE))
    assert isinstance(arbiter.executor.execute(orders.Reexec()), facts.SuccessorFailed)


def test_an_oldbin_that_another_master_holds_is_a_fact(arbiter: Arbiter):
    """A former master that still lives: the upgrade is refused with its name."""
    assert arbiter.services.pidfile
    rival = Pidfile(arbiter.services.pidfile.oldbin)
    rival.acquire()
    answer = arbiter.executor.execute(orders.Reexec())
    rival.release()
    assert isinstance(answer, facts.SuccessorFailed)
    assert "running already" in answer.reason


def test_a_pidfile_that_cannot_be_put_back_is_logged(arbiter: Arbiter, tmp_path: Path):
    """And the master goes on."""
    assert arbiter.services.pidfile
    arbiter.services.pidfile.name_oldbin()
    for name in ("preforkd.pid", "preforkd.pid.oldbin"):
        (tmp_path / name).unlink()
    rival = Pidfile(str(tmp_path / "preforkd.pid"))
    rival.acquire()
    arbiter.executor.execute(orders.RestorePidfile())
    assert arbiter.services.log.events() == ["pidfile_lost"]
    rival.release()


def test_faults_of_a_file_are_a_fact(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch):
    """All of them."""

    def load() -> Config:
        raise ConfigError(Fault("wrong", "a.b"), Fault("worse", "c.d"))

    object.__setattr__(arbiter.services, "load", load)
    assert arbiter.executor.execute(orders.LoadConfig()) == facts.ReloadRefused(("a.b: wrong", "c.d: worse"))


def test_a_listener_that_cannot_be_opened_is_a_fact(arbiter: Arbiter, tmp_path: Path):
    """The path is a directory: the reload is refused, and the old listener is there."""
    answer = arbiter.executor.execute(orders.OpenListeners(2, config(f"unix:{tmp_path}")))
    assert isinstance(answer, facts.ReloadRefused)
    assert (tmp_path / "web.sock").is_socket()


def test_what_is_gone_is_not_signalled(arbiter: Arbiter, monkeypatch: pytest.MonkeyPatch):
    """A worker that was reaped is not in the table: its pid may be anybody's."""

    def kill(pid: int, signum: int) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "kill", kill)
    arbiter.executor.execute(orders.KillWorker(7, signal.SIGKILL))
    arbiter.executor.execute(orders.DumpStacks(7))
    arbiter.executor.execute(orders.RetireWorker(7, drain=True))
    assert arbiter.executor.execute(orders.WatchWorker(7, watching=True)) is None
    assert arbiter.executor.execute(orders.ReadScoreboard((7,))) == facts.ScoreboardRead({})


def test_logs_are_opened_anew_and_passed_on(arbiter: Arbiter, tmp_path: Path):
    """Each worker gets each log's descriptor by its name; a log that could not be opened anew is said."""
    (tmp_path / "fine").mkdir()
    (tmp_path / "gone").mkdir()
    sinks = {name: Sink.open(str(tmp_path / name / "x.log"), name=name) for name in ("fine", "gone")}
    object.__setattr__(arbiter.services, "sinks", sinks)
    ours, theirs = Channel.pair()
    reader, writer = os.pipe()
    arbiter.resources.children.adopt(Child(1, 0, os.getpid(), None, ours, reader))
    (tmp_path / "gone" / "x.log").unlink()
    (tmp_path / "gone").rmdir()
    answer = arbiter.executor.execute(orders.ReopenLogs())
    assert isinstance(answer, facts.LogsReopened)
    [failure] = answer.failures
    assert failure.startswith("log gone: ")
    assert arbiter.services.log.events() == ["log_not_reopened", "logs_reopened"]
    assert arbiter.services.log.said[0][2]["log"] == "gone"
    for name in ("fine", "gone"):
        message = theirs.receive()
        assert message
        assert (message.kind, message.text) == (Kind.REOPEN, name)
        message.discard()
    child = arbiter.resources.children.get(1)
    assert child
    arbiter.resources.children.disown(child)
    theirs.close()
    os.close(writer)
    for sink in sinks.values():
        sink.close()
