"""P2, P3, P4, P12. What applications do with the standard library: processes, threads, signals, buffers and forks.

Each job is accepted by a request that is answered before the job is done. All of them are done at the end of the
service, whatever ended the worker that accepted them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.applications.wrapped import EVERY_WAY, MODES, Wrapped, has_silence
from tests.operator.daemon import until

APPLICATION = '''
import asyncio, atexit, concurrent.futures, faulthandler, logging, logging.handlers, multiprocessing, os, signal
import subprocess, sys, threading, time
from pathlib import Path

faulthandler.enable()
HERE = Path(__file__).parent
fork = multiprocessing.get_context("fork")
threads = concurrent.futures.ThreadPoolExecutor(2)
executors = []

class Late(logging.handlers.MemoryHandler):
    """Keeps its records until logging.shutdown() at exit."""

logger = logging.getLogger("late")
logger.propagate = False
logger.setLevel("INFO")
logger.addHandler(Late(1000, target=logging.FileHandler(HERE / "late.log")))

def note(what):
    with open(HERE / "done", "a") as file:
        file.write(f"{what}\\n")

def slowly(what):
    time.sleep(0.1)
    note(what)

def thread(what):
    threading.Thread(target=slowly, args=(what,)).start()

def timer(what):
    threading.Timer(0.1, note, (what,)).start()

def in_threads(what):
    threads.submit(slowly, what)

def in_processes(what):
    if not executors:  # its pipes are a worker's own: not made at the import, where a template would share them out
        executors.append(concurrent.futures.ProcessPoolExecutor(1, fork))
    executors[0].submit(slowly, what)

def process(what):
    fork.Process(target=slowly, args=(what,)).start()

def spawned(what):
    multiprocessing.get_context("spawn").Process(target=os.mkdir, args=(HERE / what,)).start()

def pool(what):
    with fork.Pool(2) as workers:
        note(f"{what}" if workers.map(abs, [-1, 2, -3]) == [1, 2, 3] else "wrong")

def daemonic(what):
    def live():
        signal.signal(signal.SIGTERM, lambda *_: (note(what), os._exit(0)))
        ready.set()
        time.sleep(1000)
    ready = fork.Event()
    fork.Process(target=live, daemon=True).start()  # ended by its parent, at exit
    ready.wait()

def terminated(what):
    child = fork.Process(target=time.sleep, args=(1000,))
    child.start()
    child.terminate()
    child.join()
    note(what if child.exitcode == -signal.SIGTERM else f"wrong: {child.exitcode}")

def loop(what):
    async def main():
        running = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            running.add_signal_handler(signum, note, "wrong: a signal")
        child = await asyncio.create_subprocess_exec("true")
        await asyncio.gather(child.wait(), asyncio.to_thread(slowly, what))
    asyncio.run(main())

def program(what):
    subprocess.run(["sh", "-c", 'echo "$0" >> done', what], cwd=HERE, check=True)

def forked(what):
    if os.fork() == 0:
        atexit.register(note, what)
        sys.exit()

def forked_thread(what):
    if os.fork() == 0:
        threading.Thread(target=slowly, args=(what,)).start()
        sys.exit()

def logged(what):
    logger.info(what)

def at_exit(what):
    atexit.register(note, what)

JOBS = [thread, timer, in_threads, in_processes, process, spawned, pool, daemonic, terminated, loop, program, forked,
        forked_thread, logged, at_exit]
BY_NAME = {job.__name__: job for job in JOBS}

def application(environ, start_response):
    _, name, number = environ["PATH_INFO"].split("/")
    if name in BY_NAME:
        BY_NAME[name](f"{name} {number}")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(f"{os.getpid()}" if name == "pid" else "\\n".join(BY_NAME)).encode()]
'''
RECYCLE = "[pool.web.recycle]\nrequests = {requests}\njitter = 0.0"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Wrapped]:
    """One with the application above."""
    one = Wrapped(tmp_path)
    (tmp_path / "jobs.py").write_text(APPLICATION)
    try:
        yield one
    finally:
        one.end()


def done(home: Path) -> list[str]:
    """What has been done so far."""
    files = [home / "done", home / "late.log"]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return sorted([*lines, *(path.name for path in home.glob("spawned *"))])


@pytest.mark.parametrize(("mode", "daemonize"), EVERY_WAY)
def test_what_is_accepted_is_done(daemon: Wrapped, mode: str, daemonize: bool):  # noqa: FBT001
    """At recycling, at HUP and at TERM; nothing of it goes to a client, and nobody is killed or left behind."""
    jobs = 15
    recycle = RECYCLE.format(requests=jobs + 1)
    daemon.launch(daemonize=daemonize, app="jobs:application", pool=MODES[mode], more=recycle)
    idle = [daemon.connect() for _ in range(3)]
    names = daemon.get("/names/0")[1].decode().splitlines()
    assert len(names) == jobs
    everything = []
    for end in ("recycling", "HUP", "TERM"):
        for name in names:
            status, body = daemon.get(f"/{name}/{end}")
            assert status == 200, body
            everything.append(f"{name} {end}")
        if end == "recycling":
            assert all(has_silence(client) for client in idle)
            for client in idle:
                client.close()
            daemon.await_retired(daemon.events_named("worker_ready")[0]["pid"])
        if end == "HUP":
            os.kill(daemon.master, signal.SIGHUP)
            until(lambda: daemon.events_named("reload_done"), "the reload")
    daemon.stop_and_wait()
    until(lambda: len(done(daemon.home)) >= len(everything), "what children that nobody waits for do")
    assert done(daemon.home) == sorted(everything)
    events = {entry["event"] for entry in daemon.log_entries()}
    assert not events & {"worker_died", "worker_stuck", "request_failed", "exit_handler_failed"}
