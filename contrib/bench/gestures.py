"""What an operator does to a service, and how to know when it is done, whichever server it is.

Nothing of a server's own is used for that, only its processes: a gesture is done when the workers that it replaces
have gone and as many as before are there.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contrib.bench.processes import Running, members

WORKERS = 3
PATIENCE = 15.0  # seconds for a gesture to be done
MOMENT = 0.2  # seconds between gestures that follow each other
CONSIDERED = 3.0  # seconds until an operator looks what became of it

SHOP = """\
BODY = b"Hello, World!\\n"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
"""
SLOW = "import time\ntime.sleep(3)\n" + SHOP
BROKEN = "raise RuntimeError('a bad deploy')\n"


class Service:
    """A running server, as its operator sees it."""

    def __init__(self, running: Running, config: str) -> None:
        self.master = running.pid
        self.notes: list[str] = []
        self._session = running.pid
        self._shop = running.home / "shop.py"
        self._config = running.home / config
        self._sound = self._config.read_text(encoding="utf-8")

    def workers(self) -> set[int]:
        return children(self.master)

    def tell(self, signum: signal.Signals) -> None:
        os.kill(self.master, signum)

    def deploy(self, text: str) -> None:
        """Put another version of the application in place."""
        replace(self._shop, text)

    def configure(self, *, broken: bool) -> None:
        """Break the configuration, or mend it."""
        replace(self._config, self._sound + ("\n[[broken = (\n" if broken else ""))

    @property
    def alive(self) -> bool:
        return self.master in members(self._session)

    def reload(self) -> None:
        """HUP, and wait until every worker is another."""
        before = self.workers()
        self.tell(signal.SIGHUP)
        done = until(lambda: not before & self.workers() and len(self.workers()) == WORKERS)
        if not done:
            self.notes.append(f"not done in {PATIENCE:.0f} s")

    def successor(self) -> int:
        """The new master that USR2 has started, when it has all of its workers; 0 if there is none in time."""
        found: list[int] = []

        def look() -> bool:
            others = [pid for pid in members(self._session) if pid != self.master]
            found[:] = [pid for pid in others if len(children(pid)) == WORKERS]
            return bool(found)

        return found[0] if until(look) else 0

    def see(self) -> None:
        """Look, a while later, whether it still serves."""
        time.sleep(CONSIDERED)
        if not self.alive:
            self.notes.append("the service has ended")


def children(pid: int) -> set[int]:
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except FileNotFoundError:
        return set()


def until(done: Callable[[], bool]) -> bool:
    """Wait for it; false if it was not so in time."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def replace(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(file)


def reload_ten_times(service: Service) -> None:
    for _ in range(10):
        service.reload()


def reload_slow_import(service: Service) -> None:
    service.deploy(SLOW)
    service.reload()


def reload_broken(service: Service) -> None:
    service.deploy(BROKEN)
    service.tell(signal.SIGHUP)
    service.see()


def reload_bad_file(service: Service) -> None:
    service.configure(broken=True)
    service.tell(signal.SIGHUP)
    service.see()


def upgrade(service: Service) -> None:
    service.tell(signal.SIGUSR2)
    successor = service.successor()
    if not successor:
        service.notes.append("no new master came up")
        return
    time.sleep(1.0)  # it does not say when it serves, or not in a way that all share
    old = service.master
    service.tell(signal.SIGTERM)
    until(lambda: old not in members(service._session) and not children(old))
    service.master = successor


def upgrade_broken(service: Service) -> None:
    service.deploy(BROKEN)
    service.tell(signal.SIGUSR2)
    service.see()


def scale_ten_times(service: Service) -> None:
    for _ in range(10):
        service.tell(signal.SIGTTIN)
        time.sleep(MOMENT)
        service.tell(signal.SIGTTOU)
        time.sleep(MOMENT)


def serve_on(_service: Service) -> None:
    time.sleep(5.0)


def kill_a_worker(service: Service) -> None:
    for _ in range(3):
        os.kill(min(service.workers()), signal.SIGKILL)
        until(lambda: len(service.workers()) == WORKERS)
        time.sleep(1.0)


def rest_and_return(service: Service) -> None:
    service.tell(signal.SIGUSR2)
    successor = service.successor()
    if not successor:
        service.notes.append("no new master came up")
        return
    time.sleep(1.0)
    service.tell(signal.SIGWINCH)
    until(lambda: not service.workers() - {successor})
    service.tell(signal.SIGHUP)
    until(lambda: len(service.workers() - {successor}) == WORKERS)
    time.sleep(1.0)
    os.kill(successor, signal.SIGTERM)
    until(lambda: successor not in members(service._session))


def stop(service: Service) -> None:
    service.tell(signal.SIGTERM)
    until(lambda: not members(service._session))


@dataclass(frozen=True)
class Gesture:
    """``expected``: kinds of loss that are what was asked for. ``recycles``: workers end after 50 requests."""

    name: str
    act: Callable[[Service], None]
    expected: frozenset[str] = frozenset()
    recycles: bool = False


GESTURES = (
    Gesture("HUP, ten times", reload_ten_times),
    Gesture("HUP, 3 s to import", reload_slow_import),
    Gesture("HUP, broken application", reload_broken),
    Gesture("HUP, faulty configuration", reload_bad_file),
    Gesture("USR2, TERM to the old master", upgrade),
    Gesture("USR2, broken application", upgrade_broken),
    Gesture("USR2, WINCH, and back", rest_and_return),
    Gesture("TTIN, TTOU, ten times", scale_ten_times),
    Gesture("recycling every 50 requests", serve_on, recycles=True),
    Gesture("kill -9 of a worker, three times", kill_a_worker),
    Gesture("TERM", stop, expected=frozenset({"refused"})),
)
