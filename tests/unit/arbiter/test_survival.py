"""M1. Whatever is raised by what the master carries out, hears or tells: it is a fact, and the master goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from prefork.arbiter import executor, facts, orders
from prefork.arbiter.children import Child
from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.loop import Arbiter
from prefork.arbiter.master import Master
from prefork.system import process
from prefork.system.channel import Channel, Kind
from tests.unit.arbiter.service import Service
from tests.unit.arbiter.test_executor import SPAWN, arbiter  # noqa: F401 - a fixture

RAISED = [OSError(12, "Cannot allocate memory"), ValueError("odd"), RecursionError("deep"), MemoryError()]
TEMPLATE = {name: value for name, value in SPAWN.items() if name != "number"}


def example(kind: type[orders.Order], config: Any) -> orders.Order:
    """An order of each kind, about worker 1 and generation 1."""
    known: dict[type[orders.Order], orders.Order] = {
        orders.SpawnWorker: orders.SpawnWorker(**SPAWN, config=config),
        orders.SpawnTemplate: orders.SpawnTemplate(**TEMPLATE, config=config),
        orders.RetireWorker: orders.RetireWorker(1, drain=True),
        orders.KillWorker: orders.KillWorker(1, signal.SIGKILL),
        orders.DumpStacks: orders.DumpStacks(1),
        orders.WatchWorker: orders.WatchWorker(1, watching=True),
        orders.ReadScoreboard: orders.ReadScoreboard((1,)),
        orders.LookAgain: orders.LookAgain((1,)),
        orders.MeasureRoom: orders.MeasureRoom("web", 2, force=False, like=(1,)),
        orders.OpenListeners: orders.OpenListeners(1, config),
        orders.AdoptGeneration: orders.AdoptGeneration(1, config),
        orders.DropGeneration: orders.DropGeneration(2),
        orders.StopListening: orders.StopListening(last=True),
        orders.KillSuccessor: orders.KillSuccessor(signal.SIGTERM),
        orders.Report: orders.report("info", "pool_scaled"),
        orders.Exit: orders.Exit(0),
    }
    return known.get(kind) or kind()


def raiser(raised: Exception) -> Any:
    def call(*_args: object, **_fields: object) -> Any:
        raise raised

    return call


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize("kind", executor.METHODS, ids=lambda kind: kind.__name__)
def test_an_order_that_raises_is_a_fact(
    arbiter: Arbiter,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    kind: type[orders.Order],
    raised: Exception,
):
    """With the order's name and a traceback in the log."""
    monkeypatch.setitem(executor.METHODS, kind, raiser(raised))
    order = example(kind, arbiter.services.config)
    answer = arbiter.executor.execute(order)
    assert isinstance(answer, facts.OrderFailed)
    assert answer.order == order
    assert type(raised).__name__ in answer.reason or "Cannot allocate" in answer.reason
    [(level, event, fields)] = arbiter.services.log.said
    assert (level, event, fields["order"]) == ("error", "order_failed", kind.__name__)
    assert "Traceback" in fields["traceback"]


@pytest.mark.parametrize("kind", [kind for kind in executor.METHODS if kind is not orders.Exit])
def test_an_order_that_failed_is_not_given_again_in_the_same_moment(kind: type[orders.Order]):
    """Nothing is repeated in a tight loop: what is tried again is tried a second later at the earliest."""
    service = Service({"web": 2}).up()
    order = example(kind, service.master.config)
    given = service.tell(facts.OrderFailed(order, "out of memory"))
    assert order not in given
    assert service.master.state is ServiceState.SERVING
    due = service.master.deadline()
    assert due >= service.now + 1.0
    assert "ready" in service.lives()["web"]


def test_what_has_to_be_done_is_tried_again_and_given_up():
    """After 1, 2, 4 seconds and so on; an order that cannot be carried out in six tries is left."""
    service = Service().up()
    order = orders.AnnounceReady()
    started, tries = service.now, []
    service.tell(facts.OrderFailed(order, "no"))
    while order in service.pass_time(31.0):
        tries.append(service.now - started)
        service.tell(facts.OrderFailed(order, "no"))
    assert len(tries) == 5


def test_a_kill_is_never_given_up():
    """A worker that should be gone is not forgotten, however often the signal cannot be sent."""
    service = Service().up()
    order = orders.KillWorker(1, signal.SIGKILL)
    service.tell(facts.OrderFailed(order, "no"))
    for _ in range(20):
        assert order in service.pass_time(31.0)
        service.tell(facts.OrderFailed(order, "no"))
    service.die(1)
    assert order not in service.pass_time(100.0)


def test_the_failure_of_an_order_is_that_of_what_it_was_for():
    """A reload is refused, an upgrade fails, a fork is tried again later; everything else is as it was."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    service.tell(facts.OrderFailed(orders.LoadConfig(), "RecursionError: deep"))
    assert service.reports("reload_refused")[0]["reason"] == "RecursionError: deep"
    service.tell(facts.UpgradeRequested())
    service.tell(facts.OrderFailed(orders.Reexec(), "out of memory"))
    assert service.reports("upgrade_failed")[0]["reason"] == "out of memory"
    service.tell(facts.OrderFailed(orders.MeasureRoom("web", 2, force=False, like=(1,)), "out of memory"))
    assert service.reports("scale_refused")[0]["reason"] == "the memory could not be measured: out of memory"
    service.tell(facts.OrderFailed(orders.ReadScoreboard((1,)), "out of memory"))
    assert service.worker(1).watch.look_at == service.now + 1.0


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize("name", ["load", "changed", "set_level", "announce", "workers_of"])
def test_a_service_that_raises_is_survived(
    arbiter: Arbiter,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    raised: Exception,
):
    """Each callable that the master is handed; the fact that it raised at, if it was the policy's, is told again."""
    monkeypatch.setattr(process, "fork", raiser(OSError(11, "no")))
    object.__setattr__(arbiter.services, name, raiser(raised))
    arbiter.master.state = ServiceState.SERVING
    if name == "workers_of":
        monkeypatch.setattr(arbiter.master.pools, "_workers_of", raiser(raised))
    arbiter._take(facts.ReloadRequested(), 1.0)
    arbiter._take(facts.OrderFailed(orders.AnnounceReady(), "x"), 1.0)
    arbiter._take(facts.TimePassed(), 100.0)
    arbiter.executor.execute(orders.AdoptGeneration(1, arbiter.services.config))
    assert arbiter.executor.ending is None


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize("name", ["handle", "deadline"])
def test_a_policy_that_raises_is_survived(
    arbiter: Arbiter,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    raised: Exception,
):
    """A fault of ours costs a second: the fact is told again, and the loop does not spin meanwhile."""
    arbiter.master.state = ServiceState.SERVING
    with monkeypatch.context() as broken:
        broken.setattr(Master, name, raiser(raised))
        arbiter._take(facts.ReopenRequested(), 0.0)
        assert arbiter._deadline() > arbiter.resources.now()
    arbiter._tell_again(arbiter.resources.now() + 2.0)
    assert "logs_reopened" in arbiter.services.log.events()


def test_orders_that_were_given_before_it_raised_are_carried_out(
    arbiter: Arbiter,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    """Else a worker could be in the table that nobody ever forked."""
    monkeypatch.setattr(Master, "_conclude", raiser(ValueError("odd")))
    forked: list[int] = []
    monkeypatch.setattr(process, "fork", lambda: forked.append(1) or raiser(OSError(11, "no"))())
    arbiter._take(facts.TimePassed(), 1.0)
    assert forked
    assert len(arbiter.master.fleet) == 0


@pytest.fixture
def child(arbiter: Arbiter) -> Iterator[tuple[Child, Channel, int]]:  # noqa: F811
    ours, theirs = Channel.pair()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    one = Child(1, 0, os.getpid(), None, ours, reader)
    arbiter.resources.children.adopt(one)
    yield one, theirs, writer
    if arbiter.resources.children.get(1):
        arbiter.resources.children.disown(one)
    theirs.close()
    os.close(writer)


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize("name", ["hear", "dumped", "seen"])
def test_a_child_that_cannot_be_heard_is_reaped(
    arbiter: Arbiter,  # noqa: F811
    child: tuple[Child, Channel, int],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    raised: Exception,
):
    """Its end is a fact, whatever is raised about its last words or its row; nothing of it stays open."""
    one, theirs, _writer = child
    theirs.send(Kind.READY)
    where = arbiter.resources.children if name == "seen" else Child
    monkeypatch.setattr(where, name, raiser(raised))
    monkeypatch.setattr(process, "reap", lambda _pid: process.Exit(3, None, 0))
    [exited] = [fact for fact in arbiter.reap_workers() if isinstance(fact, facts.ChildExited)]
    assert (exited.worker, exited.ending) == (1, "exit code 3")
    assert len(arbiter.resources.children) == 0
    assert one.channel.fileno() == -1


def test_a_child_that_cannot_be_watched_is_not_left_behind(
    arbiter: Arbiter,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    """ENOSPC of epoll_ctl(2): it is killed and reaped, and the fork has failed."""
    ended: list[int] = []
    monkeypatch.setattr(process, "fork", lambda: 12345678)
    monkeypatch.setattr(process, "kill_and_reap", ended.append)
    monkeypatch.setattr(arbiter.resources.watch, "add", raiser(OSError(28, "No space left on device")))
    before = set(os.listdir("/proc/self/fd"))
    answer = arbiter.executor.execute(orders.SpawnWorker(**SPAWN, config=arbiter.services.config))
    assert isinstance(answer, facts.SpawnFailed)
    assert ended == [12345678]
    assert set(os.listdir("/proc/self/fd")) == before
