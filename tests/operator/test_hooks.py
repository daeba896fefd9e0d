"""Hooks run in the worker, never in the master: after the fork, before it is ready, before it ends, before it dies."""

from __future__ import annotations

import signal

from tests.operator.daemon import Preforkd, until

HOOKS = """
import os, pathlib, sys
HERE = pathlib.Path(__file__).parent

def note(what):
    with open(HERE / "hooks.txt", "a") as file:
        file.write(f"{what} {os.getpid()} {'shop' in sys.modules}\\n")

def post_fork(): note("post_fork")
def ready(): note("ready")
def leave(): note("exit")
def abort(): note("abort")
def broken(): raise RuntimeError("this hook is broken")
"""


def write(daemon: Preforkd) -> None:
    (daemon.home / "hooks.py").write_text(HOOKS)
    (daemon.home / "shop.py").write_text((daemon.home / "site_of_test.py").read_text())


def noted(daemon: Preforkd) -> list[str]:
    path = daemon.home / "hooks.txt"
    return path.read_text().splitlines() if path.exists() else []


def hooks(**names: str) -> str:
    lines = "\n".join(f'{hook} = "hooks:{function}"' for hook, function in names.items())
    return f"[pool.web.hooks]\n{lines}"


def test_each_runs_in_the_worker_at_its_time(daemon: Preforkd):
    """post_fork before the application is imported, ready after it, exit at the end; the master runs none."""
    write(daemon)
    daemon.configure(app="shop:application", more=hooks(post_fork="post_fork", ready="ready", exit="leave"))
    daemon.start()
    worker = daemon.served_by()
    assert daemon.stop() == 0
    assert noted(daemon) == [f"post_fork {worker} False", f"ready {worker} True", f"exit {worker} True"]


def test_abort_runs_between_the_stacks_and_the_end(daemon: Preforkd):
    """ABRT: the stacks are written, the hook runs, and the worker dies of the signal all the same."""
    write(daemon)
    daemon.configure(app="shop:application", more=hooks(abort="abort"))
    daemon.start()
    worker = daemon.served_by()
    daemon.signal(signal.SIGABRT, worker)
    died = daemon.expect("worker_died", pid=worker)
    assert died["ending"] == "signal SIGABRT"
    assert "sync.py" in died["stacks"]
    assert noted(daemon) == [f"abort {worker} True"]


def test_a_hook_that_raises_fails_the_boot_and_not_the_master(daemon: Preforkd):
    """PEERS fault 11: its traceback is that of a failed boot."""
    write(daemon)
    daemon.configure(app="shop:application", more=hooks(ready="broken"))
    daemon.start(ready=False)
    assert "this hook is broken" in daemon.expect("worker_died")["traceback"]
    assert daemon.wait() == 70


def test_an_exit_hook_that_raises_is_logged_and_changes_nothing(daemon: Preforkd):
    """The worker ends as it was asked to."""
    write(daemon)
    daemon.configure(app="shop:application", more=hooks(exit="broken"))
    daemon.start()
    assert daemon.stop() == 0
    assert "this hook is broken" in daemon.expect("hook_failed")["traceback"]
    daemon.expect("worker_retired")


def test_a_hook_that_is_not_there_is_a_failed_boot_with_a_hint(daemon: Preforkd):
    """Named wrongly: what is close to it."""
    write(daemon)
    daemon.configure(app="shop:application", more=hooks(post_fork="post_frok"))
    daemon.start(ready=False)
    assert 'did you mean "post_fork"' in daemon.expect("worker_died")["traceback"]
    assert daemon.wait() == 70
    until(lambda: not daemon.pidfile.exists(), "the pidfile to go")
