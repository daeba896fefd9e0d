"""What a worker can do to the listening socket that it shares (M11): it is noticed, mended, and waited for by nobody."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time

import pytest

from tests.operator.daemon import PATIENCE, Preforkd, until
from tests.operator.test_unix_socket import ask
from tests.security.rogue import as_root, attack, prepare

pytestmark = as_root

# The listening sockets of the process.
FIND = """
import os, socket, struct
listeners = []
# The number of the listing itself is free by then: a duplicate would get it, and be found as well.
numbers = [n for n in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + n)]
for n in numbers:
    try:
        if not os.readlink("/proc/self/fd/" + n).startswith("socket:"):
            continue
        s = socket.socket(fileno=os.dup(int(n)))
        if s.type == socket.SOCK_STREAM and s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listeners.append(s)
    except OSError:
        pass
assert listeners
"""
SHUT_DOWN = FIND + "for s in listeners: s.shutdown(socket.SHUT_RDWR)\n"
HALF_SHUT = FIND + "for s in listeners: s.shutdown(socket.SHUT_RD)\n"
MAKE_BLOCKING = FIND + "for s in listeners: os.set_blocking(s.fileno(), True)\n"
WITHOUT_TIMEOUT = MAKE_BLOCKING + "for s in listeners: s.setsockopt(1, socket.SO_RCVTIMEO, struct.pack('ll', 0, 0))\n"
# A classic BPF program of one instruction: return 0, drop everything.
FILTER = (
    FIND
    + "import array\nprogram = array.array('Q', struct.pack('HBBI', 6, 0, 0, 0))\n"
    + "for s in listeners: s.setsockopt(1, 26, struct.pack('HP', 1, program.buffer_info()[0]))\n"
)
# What connections inherit, and what decides who can connect.
OPTIONS = {
    (1, 8): struct.pack("i", 1),
    (1, 7): struct.pack("i", 1),
    (1, 5): struct.pack("i", 1),
    (1, 13): struct.pack("ii", 1, 0),
    (0, 2): struct.pack("i", 1),
    (0, 21): struct.pack("i", 255),
    (1, 25): b"lo",
    (1, 47): struct.pack("i", 1),
    (6, 2): struct.pack("i", 88),
    (6, 9): struct.pack("i", 60),
    (6, 3): struct.pack("i", 1),
}
READ = FIND + f"for option in {list(OPTIONS)}: print(listeners[0].getsockopt(*option, 16).hex())\n"
CHANGE = FIND + f"for (level, number), value in {OPTIONS}.items(): listeners[0].setsockopt(level, number, value)\n"
QUEUE = FIND + "print(struct.unpack('24xII', listeners[0].getsockopt(6, 11, 32))[1])\n"


@pytest.mark.parametrize("code", [SHUT_DOWN, HALF_SHUT], ids=["both ways", "for reading"])
def test_a_tcp_listener_that_was_shut_down_listens_again(daemon: Preforkd, code: str):
    """M11: within moments, at the same port, without a signal; the log says what happened."""
    prepare(daemon, workers=3)
    daemon.start()
    for _ in range(3):
        assert attack(daemon, code) == ""
        assert "shut the socket down" in daemon.expect("listener_spoiled")["found"]
        assert daemon.get()[0] == 200
    assert daemon.stop() == 0


def test_a_unix_listener_that_was_shut_down_is_opened_anew(daemon: Preforkd):
    """M11: a unix socket's end is final: a new generation gets a new one at the same path."""
    listen = f'[listen.http]\naddress = "127.0.0.1:0"\n[listen.local]\naddress = "unix:{daemon.home}/web.sock"'
    prepare(daemon, workers=2, listen=listen)
    daemon.start()
    path = daemon.home / "web.sock"
    assert ask(path).startswith(b"HTTP/1.1 200")
    assert attack(daemon, FIND + "for s in listeners:\n  if s.family == 1: s.shutdown(socket.SHUT_RDWR)\n") == ""
    daemon.expect("listener_spoiled", name="local")
    daemon.expect("listener_opened", name="local", reason="a worker shut the socket down")
    daemon.expect("reload_done")
    assert ask(path).startswith(b"HTTP/1.1 200")
    assert daemon.get()[0] == 200
    assert daemon.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("code", [MAKE_BLOCKING, WITHOUT_TIMEOUT], ids=["flag", "flag and timeout"])
def test_a_blocking_listener_hangs_nobody_at_the_stop(daemon: Preforkd, code: str):
    """M11: workers that drain an empty queue do not wait in accept; the stop takes moments."""
    prepare(daemon, workers=3, timeout='graceful = "25s"')
    daemon.start()
    assert attack(daemon, code) == ""
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 15
    assert not daemon.events.named("worker_killed")


def test_a_blocking_listener_hangs_nobody_while_serving(daemon: Preforkd):
    """M11: of several workers that are woken for one connection, those who come too late go on at once."""
    prepare(daemon, workers=4)
    daemon.start()
    answered: list[int] = []

    def client() -> None:
        answered.extend(daemon.get()[0] for _ in range(30))

    assert attack(daemon, WITHOUT_TIMEOUT) == ""
    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(PATIENCE)
    assert answered == [200] * 120
    assert daemon.stop() == 0


def test_a_filter_is_taken_off_when_a_worker_ends(daemon: Preforkd):
    """M11: newcomers would wait outside for ever. As root, for some kernels let nobody else attach one."""
    prepare(daemon, workers=2, user="")
    daemon.start()
    with daemon.connect() as client:
        body = (FILTER + "os.kill(os.getpid(), 9)").encode()
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert "filter" in daemon.expect("listener_spoiled")["found"]
    assert daemon.get()[0] == 200


def test_a_reload_undoes_what_was_done_quietly(daemon: Preforkd):
    """M11: the flag is put back for all, and the log names it."""
    prepare(daemon)
    daemon.start()
    assert attack(daemon, MAKE_BLOCKING) == ""
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert daemon.get()[0] == 200
    spoiled = daemon.events.named("listener_spoiled")
    assert not spoiled or "blocking" in spoiled[0]["found"]  # a worker that accepted meanwhile has put it back itself


def test_clients_are_served_by_others_while_one_worker_is_at_it_all_the_time(daemon: Preforkd):
    """M11: shut down again and again; the master does not spin, and a client that tries again is served."""
    prepare(daemon, workers=2)
    daemon.start()
    assert (
        attack(
            daemon,
            FIND + "if not os.fork():\n  import time\n  for _ in range(20):\n    "
            "for s in listeners:\n      try: s.shutdown(2)\n      except OSError: pass\n    time.sleep(0.05)\n"
            "  os._exit(0)",
        )
        == ""
    )

    def served() -> bool:
        try:
            return daemon.get()[0] == 200
        except OSError:  # refused, or reset
            return False

    until(served, "an answer")
    daemon.expect("listener_spoiled")
    assert os.path.exists(f"/proc/{daemon.pid}")


def test_options_of_the_socket_are_put_back_by_a_reload(daemon: Preforkd):
    """M11: with some of them nobody from outside could connect, or would get an answer; the log names them."""
    prepare(daemon, workers=2)
    daemon.start()
    before = attack(daemon, READ)
    assert attack(daemon, CHANGE) == ""
    daemon.signal(signal.SIGHUP)
    found = daemon.expect("listener_spoiled")["found"]
    for name in ("IP_TTL", "IP_MINTTL", "SO_BINDTODEVICE", "SO_LINGER", "TCP_MAXSEG", "SO_SNDBUF"):
        assert name in found
    daemon.expect("reload_done")
    assert attack(daemon, READ) == before
    assert daemon.stop() == 0
    assert len(daemon.events.named("listener_spoiled")) == 1


def test_a_queue_that_was_made_short_is_as_long_as_before_when_a_worker_ends(daemon: Preforkd):
    """M11: with a queue of one, clients wait for seconds at the door."""
    prepare(daemon, workers=2)
    daemon.start()
    before = attack(daemon, QUEUE)
    assert attack(daemon, FIND + "listeners[0].listen(0)\n") == ""
    assert attack(daemon, QUEUE) == "0\n"
    os.kill(int(attack(daemon, "import os; print(os.getpid())")), signal.SIGKILL)
    daemon.expect("worker_died")
    until(lambda: attack(daemon, QUEUE) == before, "a queue as long as before")
