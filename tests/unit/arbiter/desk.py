"""A master with a control socket under test, in virtual time: what clients ask, and what each of them is told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from prefork.arbiter import facts, orders
from prefork.arbiter.control import Controller
from prefork.arbiter.facts import Fact
from prefork.control import protocol
from prefork.control.server import Asking
from tests.unit.arbiter.service import Service, config

Rename = Callable[[str], str]


def as_it_is(event: str) -> str:
    return event


def backwards(event: str) -> str:
    return event[::-1]


class Socket:
    """Stands for the server: what is asked is put into ``asking``, what each client is told is kept."""

    path, listening, holds_path, hindrance = "/run/control.sock", True, True, ""

    def __init__(self) -> None:
        self.asking: list[Asking] = []
        self.told: dict[int, list[dict[str, Any]]] = {}
        self.gone: set[int] = set()

    def fileno(self) -> int:
        return 100

    def turn(self) -> Iterable[Asking]:
        asking, self.asking = self.asking, []
        return asking

    def has(self, client: int) -> bool:
        return client not in self.gone

    def say(self, client: int, line: bytes, *, last: bool = False) -> None:
        message = json.loads(line)
        assert last == ("ok" in message)
        assert client not in self.gone
        self.told.setdefault(client, []).append(message)
        if last:
            self.gone.add(client)

    def close(self, *, unlink: bool) -> None:
        raise AssertionError("nobody closes it here")


class Desk:
    """A master with a control socket, in virtual time. ``rename`` is done to every event that is logged."""

    def __init__(self, rename: Rename = as_it_is) -> None:
        self.rename = rename
        self.service = Service({"web": 2}).up()
        self.measures = True  # the memory, at once
        self.failures: tuple[str, ...] = ()  # of the logs that are reopened
        self.socket = Socket()
        self.sources: dict[int, Callable[[], Iterator[Fact]]] = {}
        self.clients = 0
        self.controller = Controller(self, self.service.master)  # type: ignore[arg-type] - see the names below
        with_socket = SimpleNamespace(control=SimpleNamespace(socket=Socket.path))
        self.controller.open(with_socket)  # type: ignore[arg-type]
        self.controller.adopt(with_socket)  # type: ignore[arg-type]

    # As the controller knows it.

    @property
    def services(self) -> Any:
        return SimpleNamespace(
            log=SimpleNamespace(info=lambda *_words, **_fields: None),
            version="1.2.3",
            title="a.toml",
            control_manner=lambda _config: None,
            open_control=lambda *_how: self.socket,
        )

    @property
    def watch(self) -> Any:
        return SimpleNamespace(add=self.sources.__setitem__)

    def now(self) -> float:
        return self.service.now

    def rows(self) -> dict[int, facts.RequestSeen]:
        return {}

    def addresses(self) -> dict[str, str]:
        return {"web": "unix:/run/web.sock"}

    # As the tests know it.

    def ask(self, do: str, **given: Any) -> int:
        """Ask for something, and have the master told; the client."""
        self.clients += 1
        self.socket.asking.append(Asking(self.clients, protocol.request(do, **given), 1, 0))
        for fact in self.sources[100]():
            self.tell(fact)
        return self.clients

    def tell(self, *told: Fact) -> None:
        waiting = deque(told)
        while waiting:
            found: list[orders.Order] = []
            self.service.master.handle(waiting.popleft(), self.service.now, found)
            for order in found:
                if isinstance(order, orders.Report):
                    self.controller.reported(orders.Report(order.level, self.rename(order.event), order.fields))
                waiting += self.answers_of(order)
        self.controller.settle()

    def answers_of(self, order: orders.Order) -> list[Fact]:
        if isinstance(order, orders.SpawnWorker):
            return [facts.WorkerSpawned(order.worker, 1000 + order.worker)]
        if isinstance(order, orders.ReopenLogs):
            return [facts.LogsReopened(self.failures)]
        if isinstance(order, orders.LoadConfig):
            return [facts.ConfigLoaded(config({"web": 2}))]
        if isinstance(order, orders.OpenListeners):
            return [facts.ListenersOpened(order.generation)]
        if isinstance(order, orders.MeasureRoom) and self.measures:
            return [facts.RoomMeasured(order.pool, order.workers, order.force, 0, 0, 1024)]
        if isinstance(order, orders.Reexec):
            return [facts.SuccessorStarted(4711)]
        return []

    def workers(self) -> list[int]:
        return [worker.id for worker in self.service.master.fleet]

    def answer(self, client: int) -> dict[str, Any] | None:
        """The response, without what differs from one process to the next."""
        responses = [message for message in self.socket.told.get(client, []) if "ok" in message]
        assert len(responses) < 2
        return responses[0] if responses else None
