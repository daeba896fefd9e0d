"""The faults of the peers that ours does not share, by their number; those that a gesture's test shows are named."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd, children, gone, open_to_others, until
from tests.operator.test_hup import write
from tests.operator.test_stop import in_flight

HERE = Path(__file__).parent
TESTS = HERE.parent

# Fault -> the tests that show it, or why it cannot be had yet.
SHOWN: dict[int, tuple[str, ...] | str] = {
    1: (
        "operator/test_peers_faults.py::test_a_failed_reexec_leaves_the_master_as_it_was",
        "operator/test_usr2.py::test_a_successor_that_cannot_boot_changes_nothing",
    ),
    2: ("operator/test_peers_faults.py::test_a_child_whose_logging_raises_ends_alone",),
    3: ("operator/test_systemd_activation.py::test_named_sockets_are_served_and_survive_an_upgrade",),
    4: ("operator/test_systemd_activation.py::test_named_sockets_are_served_and_survive_an_upgrade",),
    5: ("operator/test_peers_faults.py::test_a_successor_reloads_like_any_master",),
    6: ("operator/test_peers_faults.py::test_an_old_master_that_is_a_zombie_has_gone",),
    7: (
        "operator/test_hup.py::test_a_listener_is_added_beside_one_that_is_kept",
        "operator/test_hup.py::test_an_address_that_cannot_be_bound_refuses_the_reload",
    ),
    8: (
        "operator/test_peers_faults.py::test_term_during_a_slow_reload_stops_at_once",
        "operator/test_peers_faults.py::test_a_worker_killed_during_a_slow_reload_is_replaced",
        "operator/test_peers_faults.py::test_a_stuck_request_during_a_slow_reload_is_ended",
    ),
    9: ("operator/test_workers_that_end.py::test_a_boot_that_hangs_ends_the_start_with_its_stacks",),
    10: (
        "operator/test_peers_faults.py::test_a_term_that_meets_newborn_workers_is_not_lost",
        "system/test_process.py::test_a_child_has_its_signals_blocked_until_it_says_so",
    ),
    11: (
        "operator/test_peers_faults.py::test_a_hook_that_raises_costs_the_reload_only",
        "operator/test_peers_faults.py::test_a_hook_that_raises_at_the_end_is_logged",
        "operator/test_peers_faults.py::test_an_abort_hook_that_raises_changes_nothing",
    ),
    12: (
        "operator/test_peers_faults.py::test_a_fork_that_fails_is_tried_again",
        "unit/arbiter/test_executor.py::test_a_fork_that_fails_is_a_fact",
    ),
    13: ("operator/test_peers_faults.py::test_the_master_neither_sleeps_nor_reads_the_wall_clock",),
    14: (
        "operator/test_peers_faults.py::test_the_master_neither_sleeps_nor_reads_the_wall_clock",
        "operator/test_workers_that_end.py::test_an_idle_master_sleeps",
    ),
    15: ("operator/test_workers_that_end.py::test_an_idle_master_sleeps",),
    16: ("operator/test_workers_that_end.py::test_the_master_killed_leaves_workers_that_finish_and_go",),
    17: (
        "operator/test_peers_faults.py::test_the_pidfile_is_never_absent",
        "operator/test_second_start_refused.py::test_a_stale_pidfile_is_no_obstacle",
        "system/test_pidfile.py::test_of_many_starts_exactly_one_wins",
    ),
    18: (
        "operator/test_ttin_ttou.py::test_a_reload_keeps_the_adjustment_and_says_so_unless_the_file_has_a_new_number",
    ),
    19: ("operator/test_unix_socket.py::test_it_serves_with_the_mode_of_the_file_whatever_the_umask",),
    20: ("operator/test_unix_socket.py::test_a_stale_socket_is_replaced_and_a_living_servers_is_not",),
    21: "there is no TLS yet, and a listener that asks for it is refused",
    22: ("operator/test_peers_faults.py::test_a_drain_longer_than_the_request_timeout_is_left_alone",),
    23: ("operator/test_workers_that_end.py::test_the_stacks_come_while_c_code_holds_the_interpreter",),
    24: ("operator/test_peers_faults.py::test_the_master_has_one_thread",),
    25: ("operator/test_peers_faults.py::test_a_kill_of_ours_is_explained_as_ours",),
    26: "there is no TLS yet, and a listener that asks for it is refused",
    27: ("operator/test_stop.py::test_connections_in_the_accept_queue_are_served_at_term",),
}


def test_every_fault_is_shown_by_a_test_that_exists_and_says_its_number():
    """1 to 27; what cannot be had yet has its reason."""
    assert sorted(SHOWN) == list(range(1, 28))
    for fault, tests in SHOWN.items():
        if isinstance(tests, str):
            continue
        for test in tests:
            assert fault in numbers_in(docstring_of(*test.split("::"))), f"{test} does not say fault {fault}"


def docstring_of(file: str, name: str) -> str:
    tree = ast.parse((TESTS / file).read_text())
    [found] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    return ast.get_docstring(found) or ""


def numbers_in(text: str) -> set[int]:
    """Of ``Fault 7``, ``faults 3 and 4``, ``PEERS 3.10``."""
    named = re.findall(r"[Ff]aults? ((?:\d+(?:, | and )?)+)", text) + re.findall(r"PEERS 3\.(\d+)", text)
    return {int(number) for numbers in named for number in re.findall(r"\d+", numbers)}


def test_a_listener_that_asks_for_tls_is_refused(daemon: Preforkd):
    """Faults 21 and 26 cannot be had: nothing that was to be TLS is ever served in plain text."""
    daemon.configure(
        listen='[listen.https]\naddress = "127.0.0.1:0"\ntls = { certificate = "/none.pem", key = "/none.key" }'
    )
    done = daemon.run()
    assert done.returncode == 78
    assert "not yet supported" in done.stderr


# Upgrades.


def removable_interpreter(daemon: Preforkd) -> dict[str, str]:
    """A python that can be taken away; the environment in which it finds what this one does."""
    link = daemon.home / "python"
    link.symlink_to(os.path.realpath(sys.executable))
    daemon.interpreter = str(link)
    here = [path or os.getcwd() for path in sys.path]
    return {**daemon.environment(), "PYTHONPATH": os.pathsep.join(here)}


def test_a_failed_reexec_leaves_the_master_as_it_was(daemon: Preforkd):
    """Fault 1: the program has gone. No worker is killed, no socket unlinked, the pidfile is put back; then it works."""
    env = removable_interpreter(daemon)
    listen = f'[listen.http]\naddress = "{daemon.address}"\n[listen.local]\naddress = "unix:{daemon.home}/web.sock"\n'
    daemon.configure(workers=2, listen=listen)
    daemon.start(env=env)
    before = daemon.workers()
    link = Path(daemon.interpreter)
    link.rename(daemon.home / "away")
    daemon.signal(signal.SIGUSR2)
    failed = daemon.expect("upgrade_failed")
    assert "No such file or directory" in failed["reason"]
    assert str(link) in failed["reason"]
    assert daemon.get() == (200, b"hello")
    assert daemon.workers() == before
    assert (daemon.home / "web.sock").is_socket()
    assert daemon.pidfile.read_text() == f"{daemon.pid}\n"
    until(lambda: not daemon.pidfile.with_name("preforkd.pid.oldbin").exists(), "the second name to go")
    (daemon.home / "away").rename(link)
    daemon.signal(signal.SIGUSR2)
    daemon.successor()


def test_a_successor_reloads_like_any_master(daemon: Preforkd):
    """Fault 5: HUP to the successor while the old master still runs reloads it, and kills nobody."""
    daemon.configure()
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    new = daemon.successor()
    daemon.signal(signal.SIGHUP, new)
    daemon.expect("reload_done", generation=2)
    assert daemon.stop() == 0
    daemon.expect("upgrade_completed")
    assert daemon.get() == (200, b"hello")
    daemon.signal(signal.SIGHUP, new)
    daemon.expect("reload_done", generation=3)


def test_an_old_master_that_is_a_zombie_has_gone(daemon: Preforkd):
    """Fault 6: the end of the old master is noticed though nobody has reaped it."""
    daemon.configure()
    daemon.start()
    daemon.signal(signal.SIGUSR2)
    new = daemon.successor()
    daemon.signal(signal.SIGKILL)
    daemon.expect("upgrade_completed")
    state = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state == "Z"
    assert daemon.get() == (200, b"hello")
    daemon.signal(signal.SIGUSR2, new)
    daemon.expect("upgrade_ready")


class Watcher:
    """Looks for a file again and again, as a supervisor would, and keeps what it found."""

    def __init__(self, path: Path) -> None:
        self.found: set[str | None] = set()
        self.looks = 0
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.found.add(self._path.read_text())
            except FileNotFoundError:
                self.found.add(None)
            self.looks += 1

    def __enter__(self) -> Watcher:  # noqa: PYI034 - typing.Self is of 3.11
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()


def test_the_pidfile_is_never_absent(daemon: Preforkd):
    """Fault 17: through a reload, an upgrade, its way back, and one that is completed, it always names a master."""
    daemon.configure()
    daemon.start()
    with Watcher(daemon.pidfile) as watcher:
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_done")
        daemon.signal(signal.SIGUSR2)
        first = daemon.successor()
        until(lambda: f"{first}\n" in watcher.found, "a look at the pidfile of the first successor")
        daemon.signal(signal.SIGTERM, first)
        daemon.expect("upgrade_backed_out")
        until(lambda: daemon.pidfile.read_text() == f"{daemon.pid}\n", "the pidfile to be put back")
        daemon.signal(signal.SIGUSR2)
        second = daemon.successor()
        assert daemon.stop() == 0
        daemon.expect("upgrade_completed")
        until(lambda: watcher.looks > 100 and f"{second}\n" in watcher.found, "a look at that of the second")
    assert watcher.found == {f"{pid}\n" for pid in (daemon.pid, first, second)}


# Children.


def test_a_child_whose_logging_raises_ends_alone(daemon: Preforkd):
    """Fault 2: whatever raises in a child, even while it reports a failure, never gets into the master's loop."""
    write(daemon, "old")
    daemon.configure(app="shop:application")
    daemon.start()
    sabotage = (
        "import prefork.observe.sink, prefork.system.channel\n"
        "def fail(*_args, **_fields): raise RuntimeError('no log')\n"
        "prefork.observe.sink.Sink.send = prefork.observe.sink.Sink.write = fail\n"
        "prefork.system.channel.Channel.send = fail\n"
        "raise SystemExit\n"
    )
    write(daemon, "new", before=sabotage)
    daemon.signal(signal.SIGHUP)
    died = daemon.expect("worker_died", generation=2)
    assert died["ending"] == "exit code 1"
    daemon.expect("reload_refused")
    assert daemon.get()[1] == b"old"
    assert len(daemon.workers()) == 1
    assert not any(children(pid) for pid in daemon.workers())
    write(daemon, "mended")
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert daemon.get()[1] == b"mended"


def test_a_term_that_meets_newborn_workers_is_not_lost(daemon: Preforkd):
    """Fault 10: whatever a worker has got to since its fork, TERM ends it; nobody has to be killed for it."""
    daemon.configure(workers=8)
    for spawned in range(1, 9):
        daemon.start(ready=False)
        for _ in range(spawned):
            daemon.expect("worker_spawned")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        daemon.events.join()
        assert daemon.events.named("worker_died") == []


def limit_processes(pid: int, user: int, limit: str) -> None:
    """Set the soft RLIMIT_NPROC of a process, as its own user, for root needs a capability that containers lack."""
    script = (
        "import resource, sys\n"
        "of, kind = int(sys.argv[1]), resource.RLIMIT_NPROC\n"
        "hard = resource.prlimit(of, kind)[1]\n"
        "resource.prlimit(of, kind, (hard if sys.argv[2] == 'hard' else int(sys.argv[2]), hard))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(pid), limit], user=user, group=user, extra_groups=[], check=True)


def test_a_fork_that_fails_is_tried_again(daemon: Preforkd):
    """Fault 12: out of processes, the master goes on, says so, and forks once it can."""
    if os.getuid() != 0:
        pytest.skip("only root can start a daemon as a user that nobody else is")
    user = 54321  # nobody's: the limit counts the processes of a user
    open_to_others(daemon.home)
    daemon.home.chmod(0o777)
    daemon.configure(workers=2)
    daemon.start(user=user, group=user, extra_groups=[])
    victim = daemon.served_by()
    limit_processes(daemon.pid, user, "1")
    daemon.signal(signal.SIGKILL, victim)
    failed = daemon.expect("spawn_failed")
    assert failed["next_try_in"] >= 1.0
    assert daemon.get() == (200, b"hello")
    limit_processes(daemon.pid, user, "hard")
    until(lambda: len(daemon.workers()) == 2, "the replacement")
    assert daemon.stop() == 0


# Hooks.


def hooked(daemon: Preforkd, hook: str, body: str) -> str:
    """TOML for a hook with this body."""
    (daemon.home / "hooks.py").write_text(f"import signal\ndef hook():\n    {body}\n")
    return f'[pool.web.hooks]\n{hook} = "hooks:hook"'


@pytest.mark.parametrize("hook", ["post_fork", "ready"])
def test_a_hook_that_raises_costs_the_reload_only(daemon: Preforkd, hook: str):
    """Fault 11: the hook runs in the worker; its traceback is the reason why the reload is refused."""
    daemon.configure()
    daemon.start()
    for body in ("raise ValueError('the hook')", "raise SystemExit('the hook')"):
        daemon.configure(more=hooked(daemon, hook, body))
        daemon.signal(signal.SIGHUP)
        refused = daemon.expect("reload_refused")
        assert "hooks.py" in refused["reason"]
        assert "the hook" in refused["reason"]
    assert daemon.get() == (200, b"hello")
    assert len(daemon.workers()) == 1


def test_a_hook_that_raises_at_the_end_is_logged(daemon: Preforkd):
    """Fault 11: the worker ends as it would have, and so does the service."""
    daemon.configure(more=hooked(daemon, "exit", "raise ValueError('the hook')"))
    daemon.start()
    assert daemon.stop() == 0
    assert "ValueError: the hook" in daemon.expect("hook_failed")["traceback"]
    daemon.expect("worker_retired")


def test_an_abort_hook_that_raises_changes_nothing(daemon: Preforkd):
    """Fault 11: it was to be aborted, and it is."""
    daemon.configure(timeout='request = "200ms"', more=hooked(daemon, "abort", "raise ValueError('the hook')"))
    daemon.start()
    with daemon.connect() as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        assert daemon.expect("worker_died")["ending"] == "signal SIGABRT"
    assert daemon.get() == (200, b"hello")


# The loop.


def slow_reload(daemon: Preforkd, **config: object) -> None:
    """A daemon in the middle of a reload whose new workers wait for the file ``boot``."""
    daemon.configure(app="slow:application", **config)
    site = (daemon.home / "site_of_test.py").read_text()
    (daemon.home / "slow.py").write_text(site)
    daemon.start()
    (daemon.home / "slow.py").write_text(
        f"import time\nwhile not __import__('os').path.exists({str(daemon.home / 'boot')!r}): time.sleep(0.005)\n{site}"
    )
    daemon.signal(signal.SIGHUP)
    daemon.expect("worker_spawned", generation=2)


def test_term_during_a_slow_reload_stops_at_once(daemon: Preforkd):
    """Fault 8: TERM does not wait for the reload, nor is anybody killed for it."""
    slow_reload(daemon)
    assert daemon.stop() == 0
    daemon.events.join()
    assert daemon.events.named("worker_died") == []
    assert daemon.events.named("worker_stuck") == []


def test_a_worker_killed_during_a_slow_reload_is_replaced(daemon: Preforkd):
    """Fault 8: the old generation keeps its number while the new one boots, or the new one takes the place."""
    slow_reload(daemon)
    old = daemon.served_by()
    daemon.signal(signal.SIGKILL, old)
    daemon.expect("worker_died", pid=old)
    spawned = daemon.expect("worker_spawned", generation=1, worker=1)  # the one of the start
    spawned = daemon.expect("worker_spawned", generation=1)
    assert spawned["pid"] != old
    (daemon.home / "boot").touch()
    daemon.expect("reload_done", generation=2)
    assert daemon.get() == (200, b"hello")


def test_a_stuck_request_during_a_slow_reload_is_ended(daemon: Preforkd):
    """Fault 8: deadlines hold while a reload is on."""
    slow_reload(daemon, workers=2, timeout='request = "200ms"')
    with daemon.connect() as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        assert daemon.expect("worker_died")["cause"] == "request timeout"
    (daemon.home / "boot").touch()
    daemon.expect("reload_done", generation=2)
    assert daemon.get() == (200, b"hello")


def test_the_master_neither_sleeps_nor_reads_the_wall_clock():
    """Faults 13 and 14: in the rooms of the master's loop nothing calls time.sleep or time.time, save where it says why.

    epoll_wait(2) that fails at once cannot be what the master sleeps in, and would keep a processor busy.
    """
    import prefork

    forbidden = {"time.sleep", "time.time", "datetime.now"}
    used = [
        (path.name, ast.unparse(node))
        for path in (Path(prefork.__file__).parent / "arbiter").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Call) and ast.unparse(getattr(node, "func", node)) in forbidden
    ]
    assert sorted(used) == [("watch.py", "time.sleep"), ("watch.py", "time.sleep(AFTER_A_FAILED_WAIT)")]


def test_the_master_has_one_thread(daemon: Preforkd):
    """Fault 24: there is no thread that a fork could catch in the middle of something."""
    daemon.configure(workers=2)
    daemon.start()
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert len(list(Path(f"/proc/{daemon.pid}/task").iterdir())) == 1


def test_a_drain_longer_than_the_request_timeout_is_left_alone(daemon: Preforkd):
    """Fault 22: a worker that retires is not held to the request timeout while it only writes to a slow client."""
    daemon.configure(timeout='request = "100ms"\ngraceful = "30s"')
    daemon.start()
    with daemon.connect() as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        start = client.recv(1000)
        assert start.startswith(b"HTTP/1.1 200")
        daemon.signal(signal.SIGTERM)
        daemon.expect("master_stopping")
        time.sleep(0.5)  # it is about time itself: several times the request timeout
        size = len(start.partition(b"\r\n\r\n")[2])
        while piece := client.recv(1 << 20):
            size += len(piece)
    assert size == 32 << 20
    assert daemon.wait() == 0
    daemon.events.join()
    assert daemon.events.named("worker_stuck") == []
    assert daemon.events.named("worker_died") == []


def test_a_kill_of_ours_is_explained_as_ours(daemon: Preforkd):
    """Fault 25: the cause is the master's own, not a guess at the machine's memory; a stranger's KILL is told as is."""
    daemon.configure(timeout='graceful = "100ms"')
    daemon.start()
    daemon.signal(signal.SIGKILL, daemon.served_by())
    died = daemon.expect("worker_died")
    assert died["cause"] == "signal SIGKILL"
    daemon.expect("worker_ready", worker=1)
    daemon.expect("worker_ready", worker=1)
    thread, _answers = in_flight(daemon)
    daemon.signal(signal.SIGQUIT)
    died = daemon.expect("worker_died", ending="signal SIGKILL")
    assert died["cause"] == "the service is stopping (QUIT)"
    assert "memory" not in died["cause"]
    assert daemon.wait() == 0
    thread.join()
    assert gone(daemon.pid)
