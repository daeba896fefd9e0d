"""worker = "package.module:Class": a worker class of a third party, by the protocol alone."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.operator.daemon import Preforkd

CLASS = """
import select, sys
from pathlib import Path
from prefork.worker.protocol import Directive

HERE = Path(__file__).parent
prepared = []

class Blunt:
    '''One request a connection, and the same answer to each.'''

    def __init__(self, context):
        self.context = context

    @classmethod
    def prepare(cls):
        prepared.append("app_of_blunt" in sys.modules)

    def start(self):
        if (HERE / "broken").exists():
            raise RuntimeError("this worker does not start")
        self.started = f"{prepared}".encode()

    def run(self):
        line, listeners = self.context.supervisor, {s.fileno(): s for s in self.context.listeners.values()}
        with select.epoll() as epoll:
            for descriptor in (*line.filenos(), *listeners):
                epoll.register(descriptor, select.EPOLLIN)
            line.ready()
            while line.attend() is Directive.SERVE:
                for descriptor, _ in epoll.poll():
                    if descriptor in listeners:
                        self.serve(listeners[descriptor])

    def serve(self, listener):
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        with client:
            client.setblocking(True)
            request = client.recv(65536).partition(b"\\r\\n")[0]
            ticket = self.context.supervisor.begin(request)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 7\\r\\n\\r\\n" + self.started)
            ticket.end(7)
"""


def write(daemon: Preforkd, pool: str = "") -> None:
    (daemon.home / "blunt.py").write_text(CLASS)
    (daemon.home / "app_of_blunt.py").write_text("application = print\n")
    daemon.configure(app="app_of_blunt:application", pool=f'worker = "blunt:Blunt"\n{pool}')


@pytest.mark.parametrize("pool", ["", "preload = true"])
def test_it_is_supervised_like_any_other(daemon: Preforkd, pool: str):
    """Ready, reload, the row of the scoreboard, retirement: all of it through the protocol."""
    write(daemon, pool)
    daemon.start()
    assert daemon.get() == (200, b"[False]")
    daemon.signal(signal.SIGHUP)
    assert daemon.expect("reload_done")["generation"] == 2
    assert daemon.expect("worker_retired", generation=1)["served"] == 1
    assert daemon.get() == (200, b"[False]")
    assert daemon.stop() == 0


@pytest.mark.parametrize("pool", ["", "preload = true"])
def test_a_start_that_fails_is_a_failed_boot(daemon: Preforkd, pool: str):
    """``start()`` comes before ready: its traceback is that of a boot, and a reload that meets it changes nothing."""
    write(daemon, pool)
    daemon.start()
    (daemon.home / "broken").touch()
    daemon.signal(signal.SIGHUP)
    assert "this worker does not start" in daemon.expect("worker_died", generation=2)["traceback"]
    assert daemon.get() == (200, b"[False]")
    assert daemon.stop() == 0


@pytest.mark.parametrize("python", ["", f'python = "{sys.executable}"'])
def test_a_check_prepares_as_a_worker_does(daemon: Preforkd, python: str):
    """P10, U2. What the class patches is patched when the application is imported, and what it raises is a fault."""
    write(daemon, python)
    (daemon.home / "app_of_blunt.py").write_text(
        "import blunt\nassert blunt.prepared == [False]\napplication = print\n"
    )
    done = daemon.run("-t")
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    (daemon.home / "blunt.py").write_text(CLASS.replace("prepared.append", "raise RuntimeError"))
    done = daemon.run("-t")
    assert done.returncode == 70
    assert "pool.web.worker: cannot be imported: RuntimeError: False" in done.stderr
