"""worker = "package.module:Class": a worker class of a third party, by the protocol alone."""

from __future__ import annotations

import signal

from tests.operator.daemon import Preforkd

CLASS = """
import select
from prefork.worker.protocol import Directive

class Blunt:
    '''One request a connection, and the same answer to each.'''

    def __init__(self, context):
        self.context = context

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
            self.context.supervisor.begin(request)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 5\\r\\n\\r\\nblunt")
            self.context.supervisor.end(5)
"""


def test_it_is_supervised_like_any_other(daemon: Preforkd):
    """Ready, reload, the row of the scoreboard, retirement: all of it through the protocol."""
    (daemon.home / "blunt.py").write_text(CLASS)
    daemon.configure(pool='worker = "blunt:Blunt"')
    daemon.start()
    assert daemon.get() == (200, b"blunt")
    daemon.signal(signal.SIGHUP)
    assert daemon.expect("reload_done")["generation"] == 2
    assert daemon.expect("worker_retired", generation=1)["served"] == 1
    assert daemon.get() == (200, b"blunt")
    assert daemon.stop() == 0
