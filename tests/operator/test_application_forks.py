"""P3. A process that the application forks is no worker: it hears nobody, answers nobody, and holds nothing."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd, gone, until

FORKS = """
import faulthandler, multiprocessing, os, signal, socket, sys, time
from pathlib import Path

HERE = Path(__file__).parent

def note(what):
    with open(HERE / "notes", "a") as file:
        file.write(f"{what} {os.getpid()}\\n")

def terminated():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    process.start()
    process.terminate()
    process.join()
    return str(process.exitcode)

def exits():
    pid = os.fork()
    if pid == 0:
        note("worked")
        print("said by the child")
        sys.exit(7)
    return status(pid)

def returns():
    pid = os.fork()
    if pid == 0:
        return "nobody reads this"
    return status(pid)

def raises():
    pid = os.fork()
    if pid == 0:
        raise ValueError("in the child")
    return status(pid)

def in_between():
    yield b"a"
    pid = os.fork()
    yield b"b" if pid else b"nobody reads this"
    yield status(pid).encode() if pid else b"nor this"

def in_a_pool():
    import concurrent.futures
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        return str(sum(pool.map(abs, range(10))))

def stays():
    pid = os.fork()
    if pid == 0:
        note("stays")
        while True:
            time.sleep(1000)
    return str(pid)

def handlers():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signums = [signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGABRT, signal.SIGRTMIN]
        said = [signal.getsignal(s) is signal.SIG_DFL for s in signums], signal.set_wakeup_fd(-1), faulthandler.is_enabled()
        os.write(writer, repr(said).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return os.read(reader, 1000).decode()

def status(pid):
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

def application(environ, start_response):
    start_response("200 OK", [])
    path = environ["PATH_INFO"][1:]
    if path == "in_between":
        return in_between()
    return [(globals()[path]() if path else "plain").encode()]
"""
WAYS = ["", "preload = true", "python"]


def start(daemon: Preforkd, pool: str = "", **more: str) -> Path:
    (daemon.home / "forks.py").write_text(FORKS)
    pool = f'python = "{sys.executable}"\npreload = true' if pool == "python" else pool
    daemon.configure(app="forks:application", pool=pool, timeout='request = "10s"', **more)
    output = daemon.home / "output"
    with output.open("wb") as file:
        daemon.start(stdout=file)
    return output


@pytest.mark.parametrize("pool", WAYS)
def test_a_child_ends_where_the_application_ends_it(daemon: Preforkd, pool: str):
    """sys.exit, a return, an exception: its status is its parent's to see, and no client reads a byte of it."""
    output = start(daemon, pool)
    idle = [daemon.connect() for _ in range(3)]
    answers = {name: daemon.get(f"/{name}")[1] for name in ("exits", "returns", "raises", "in_between", "in_a_pool")}
    assert answers == {"exits": b"7", "returns": b"0", "raises": b"1", "in_between": b"ab0", "in_a_pool": b"45"}
    for client in idle:  # they are served, by the one worker that there is
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with client, client.makefile("rb") as file:
            assert file.read().endswith(b"plain")
    for _ in range(30):
        assert daemon.get() == (200, b"plain")
    assert daemon.stop() == 0
    assert output.read_text() == "said by the child\n"
    daemon.events.join()
    text = "".join(daemon.events.text)
    assert "worker_died" not in text
    assert "request_failed" not in text
    assert "ValueError: in the child" in text


@pytest.mark.parametrize("pool", WAYS)
def test_a_child_has_the_default_handlers(daemon: Preforkd, pool: str):
    """``Process.terminate()`` ends it; it has neither our wake-up descriptor nor our stacks."""
    start(daemon, pool)
    assert daemon.get("/terminated") == (200, b"-15")
    assert daemon.get("/handlers") == (200, b"([True, True, True, True, True, True], -1, False)")
    assert daemon.get() == (200, b"plain")


@pytest.mark.parametrize("pool", WAYS)
def test_a_child_that_outlives_the_service_holds_nothing_of_it(daemon: Preforkd, pool: str):
    """It is named at the stop; the port is free, and clients that were connected see the end."""
    start(daemon, pool)
    with daemon.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1000)
        _status, body = daemon.get("/stays")
        child = int(body)
        until((daemon.home / "notes").exists, "the child")
        title = Path(f"/proc/{child}/cmdline").read_text()
        assert title.startswith("prefork: child of worker web 1"), title
        daemon.signal(signal.SIGTERM)
        assert client.recv(1000) == b""
    assert child in daemon.expect("children_left")["pids"]
    assert daemon.wait() == 0
    assert not gone(child, patience=0.0)
    address = f"127.0.0.1:{daemon.port}"
    daemon.address = address
    daemon.configure()
    daemon.start()
    assert daemon.get() == (200, b"hello")
    os.kill(child, signal.SIGTERM)
    assert gone(child)


@pytest.mark.parametrize("pool", WAYS)
def test_a_child_of_the_import_is_no_worker(daemon: Preforkd, pool: str):
    """Also one that goes on as if it were the importer itself, or exits in the middle of it."""
    start(daemon, pool)
    (daemon.home / "forks.py").write_text(
        "import os, sys\nif os.fork() == 0:\n    sys.exit(3)\nchild = os.fork()\n" + FORKS + "\nif child: os.wait()\n"
    )
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert daemon.get() == (200, b"plain")
    assert daemon.stop() == 0
