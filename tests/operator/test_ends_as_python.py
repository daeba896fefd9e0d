"""P2. A worker ends as a Python process does: threads, executors, atexit, multiprocessing, and what print has buffered."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd

LATE = """
import atexit, concurrent.futures, multiprocessing, os, threading, time
from pathlib import Path

HERE = Path(__file__).parent
executor = concurrent.futures.ThreadPoolExecutor(2)

def note(what):
    with open(HERE / "notes", "a") as file:
        file.write(f"{what} {os.getpid()}\\n")

def slowly(what):
    time.sleep(0.4)
    note(what)

atexit.register(note, "import")
registered = []

def mail():
    threading.Thread(target=slowly, args=("thread",), name="the-mailer").start()

def waits():
    def wait():
        while not (HERE / "go").exists():
            time.sleep(0.01)
        note("waited")
    threading.Thread(target=wait, name="the-waiter").start()

def job():
    executor.submit(slowly, "executor")

def child():
    multiprocessing.get_context("fork").Process(target=slowly, args=("child",)).start()

def spawns():
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()
    process.join()

def printed():
    print("printed", end="")

def registers():
    atexit.register(note, "request")

def hangs():
    atexit.register(time.sleep, 1000)

def application(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name in globals():
        globals()[name]()
    if name == "errors":
        environ["wsgi.errors"].write("without a newline")
    start_response("200 OK", [])
    return [b"late %d" % os.getpid()]
"""
WAYS = ["", "preload = true", "python"]


def write(daemon: Preforkd, pool: str, **more: str) -> None:
    (daemon.home / "late.py").write_text(LATE)
    daemon.configure(
        app="late:application",
        pool=f'python = "{sys.executable}"\npreload = true' if pool == "python" else pool,
        **more,
    )


def notes(home: Path) -> list[str]:
    path = home / "notes"
    return sorted(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else []


@pytest.mark.parametrize("end", ["TERM", "HUP", "recycling"])
@pytest.mark.parametrize("pool", WAYS)
def test_what_a_worker_owes_is_done(daemon: Preforkd, pool: str, end: str):
    """Mail from a thread, jobs of an executor, children, atexit and text: all of it before the process ends."""
    more = "[pool.web.recycle]\nrequests = 6\njitter = 0.0" if end == "recycling" else ""
    write(daemon, pool, more=more)
    output = daemon.home / "output"
    with output.open("wb") as file:
        daemon.start(stdout=file)
    for name in ("mail", "job", "child", "printed", "registers", "errors"):
        status, body = daemon.get(f"/{name}")
        assert status == 200
    worker = body.decode().split()[1]
    if end == "HUP":
        daemon.signal(signal.SIGHUP)
    if end != "TERM":
        daemon.expect("worker_retired", pid=int(worker))
    assert daemon.stop() == 0
    mine = [line for line in (daemon.home / "notes").read_text().splitlines() if line.split()[1] == worker]
    assert sorted(line.split()[0] for line in mine if "child" not in line) == [
        "executor",
        "import",
        "request",
        "thread",
    ]
    assert "child" in notes(daemon.home)
    assert output.read_text() == "printed"
    daemon.expect("application_stderr", text="without a newline")


@pytest.mark.parametrize("pool", WAYS)
def test_the_log_says_which_threads_are_waited_for(daemon: Preforkd, pool: str):
    """By name, while they are waited for; the end comes when they have ended."""
    write(daemon, pool)
    daemon.start()
    daemon.get("/waits")
    daemon.signal(signal.SIGTERM)
    assert daemon.expect("threads_awaited")["threads"] == ["the-waiter"]
    (daemon.home / "go").touch()
    assert daemon.wait() == 0
    assert "waited" in notes(daemon.home)


def test_a_template_ends_so_too(daemon: Preforkd):
    """What was registered at the import runs in the template as well, at its own end."""
    write(daemon, "preload = true")
    daemon.start()
    template = next(iter(daemon.workers() - {daemon.get("/")[1] and int(daemon.get("/")[1].split()[1])}))
    assert daemon.stop() == 0
    assert f"import {template}" in (daemon.home / "notes").read_text().splitlines()


def test_a_helper_of_multiprocessing_is_not_left(daemon: Preforkd):
    """Its resource tracker ends by itself, right after the worker: nobody needs to hear of it."""
    write(daemon, "")
    daemon.start()
    daemon.get("/spawns")
    assert daemon.stop() == 0
    daemon.events.join()
    assert daemon.events.named("children_left") == []


def test_an_exit_handler_that_hangs_is_bounded_by_graceful(daemon: Preforkd):
    """The master ends it, and its stacks say where it hung."""
    write(daemon, "", timeout='graceful = "500ms"')
    daemon.start()
    daemon.get("/hangs")
    daemon.signal(signal.SIGTERM)
    assert "ending.py" in daemon.expect("worker_stuck", cause="graceful timeout")["stacks"]
    assert daemon.wait() == 0


def test_quit_leaves_at_once(daemon: Preforkd):
    """Who is told to quit waits for nothing: not before, and not during an orderly end."""
    write(daemon, "")
    daemon.start()
    daemon.get("/hangs")
    daemon.signal(signal.SIGTERM)
    daemon.expect("master_stopping")
    time.sleep(0.3)
    began = time.monotonic()
    daemon.signal(signal.SIGQUIT)
    assert daemon.wait() == 0
    assert time.monotonic() - began < 1.9  # after two seconds it would have been killed
    assert notes(daemon.home) == []
