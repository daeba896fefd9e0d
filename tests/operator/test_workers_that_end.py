"""Workers that are killed, hang, cannot boot, or die again and again: each is explained and replaced."""

from __future__ import annotations

import signal

from tests.operator.daemon import Preforkd, until


def test_a_worker_killed_by_kill_9_is_replaced_and_explained(daemon: Preforkd):
    """The death certificate says which signal, its age and what it served."""
    daemon.configure(workers=2)
    daemon.start()
    victim = daemon.served_by()
    daemon.signal(signal.SIGKILL, victim)
    died = daemon.expect("worker_died", pid=victim)
    assert died["ending"] == "signal SIGKILL"
    assert died["served"] == 1
    assert died["last_request"] == "GET /pid HTTP/1.1"
    assert died["peak_memory"] > 1 << 20
    until(lambda: len(daemon.workers()) == 2, "a replacement")
    assert daemon.get()[0] == 200


def test_a_request_past_its_timeout_is_explained_and_its_worker_replaced(daemon: Preforkd):
    """The stacks of every thread, the request line and its age are in the log before the worker is aborted."""
    daemon.configure(timeout='request = "300ms"')
    daemon.start()
    hung = daemon.served_by()
    with daemon.connect() as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        stuck = daemon.expect("worker_stuck", pid=hung)
        assert stuck["cause"] == "request timeout"
        assert stuck["request"] == "GET /hang HTTP/1.1"
        assert stuck["busy_seconds"] >= 0.3
        assert "site_of_test.py" in stuck["stacks"]
    died = daemon.expect("worker_died", pid=hung)
    assert (died["cause"], died["ending"]) == ("request timeout", "signal SIGABRT")
    daemon.expect("worker_ready", worker=1)
    assert daemon.get()[0] == 200


def test_long_requests_within_the_timeout_are_left_alone(daemon: Preforkd):
    """The timeout is a request's: many requests that together take longer are nobody's death."""
    daemon.configure(timeout='request = "400ms"')
    daemon.start()
    pid = daemon.served_by()
    for _ in range(200):
        assert daemon.served_by() == pid


def test_a_boot_that_hangs_ends_the_start_with_its_stacks(daemon: Preforkd):
    """PEERS fault 9: boot has a timeout of its own; the stacks name the line where it hangs."""
    (daemon.home / "slow.py").write_text("import time\nwhile True: time.sleep(1)\n")
    daemon.configure(app="slow:application", timeout='boot = "300ms"')
    daemon.start(ready=False)
    assert "slow.py" in daemon.expect("worker_stuck", cause="boot timeout")["stacks"]
    assert daemon.wait() == 70
    daemon.events.join()
    assert "boot timeout" in "".join(daemon.events.text)


def test_a_boot_that_fails_ends_the_start_with_its_traceback(daemon: Preforkd):
    """Exit 70, the traceback in the log and on the terminal."""
    (daemon.home / "broken.py").write_text("1 / 0\n")
    daemon.configure(app="broken:application", workers=3)
    daemon.start(ready=False)
    assert "ZeroDivisionError" in daemon.expect("worker_died")["traceback"]
    assert daemon.wait() == 70


def test_a_pool_that_keeps_dying_is_respawned_with_back_off(daemon: Preforkd):
    """PEERS: 175 forks in ten seconds elsewhere. Ten replacements come at once; then it is no accident."""
    daemon.configure()
    daemon.start()
    for _ in range(10):
        daemon.signal(signal.SIGKILL, daemon.served_by())
        assert "next_try_in" not in daemon.expect("worker_died")
    daemon.signal(signal.SIGKILL, daemon.served_by())
    assert daemon.expect("worker_died")["next_try_in"] == 0.1
    assert daemon.get()[0] == 200


def test_a_worker_that_ignores_everything_is_killed(daemon: Preforkd):
    """ABRT that does nothing is followed by KILL."""
    (daemon.home / "deaf.py").write_text(
        "import signal, time\n"
        "def application(environ, start_response):\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "    while True: time.sleep(1)\n"
    )
    daemon.configure(app="deaf:application", timeout='request = "200ms"')
    daemon.start()
    with daemon.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert daemon.expect("worker_died")["ending"] == "signal SIGKILL"


def test_the_stacks_come_while_c_code_holds_the_interpreter(daemon: Preforkd):
    """PEERS fault 23: the dump needs no Python code to run in the worker."""
    (daemon.home / "heavy.py").write_text(
        "import re\ndef application(environ, start_response):\n    re.match('(a+)+$', 'a' * 200 + 'b')\n"
    )
    daemon.configure(app="heavy:application", timeout='request = "300ms"')
    daemon.start()
    with daemon.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert "heavy.py" in daemon.expect("worker_stuck")["stacks"]
        assert daemon.expect("worker_died")["ending"] == "signal SIGABRT"


def test_a_crash_in_c_leaves_its_stacks_in_the_death_certificate(daemon: Preforkd):
    """A segmentation fault says where it happened."""
    (daemon.home / "fault.py").write_text(
        "import ctypes\ndef application(environ, start_response):\n    ctypes.string_at(8)\n"
    )
    daemon.configure(app="fault:application")
    daemon.start()
    with daemon.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        died = daemon.expect("worker_died")
    assert died["ending"] == "signal SIGSEGV"
    assert "fault.py" in died["stacks"]


def test_the_master_killed_leaves_workers_that_finish_and_go(daemon: Preforkd):
    """After kill -9 of the master its workers retire by themselves, and a new start works at once (fault 16)."""
    daemon.configure(workers=2)
    daemon.start()
    workers = daemon.workers()
    port = daemon.port
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.address = f"127.0.0.1:{port}"
    daemon.configure(workers=2)
    daemon.start()
    assert daemon.get()[0] == 200
    from tests.operator.daemon import gone

    assert all(gone(pid) for pid in workers)


def test_an_idle_master_sleeps(daemon: Preforkd):
    """PEERS faults 14 and 15: idle, neither the master nor a worker is woken once in ten seconds."""
    daemon.configure(workers=2)
    daemon.start()
    daemon.expect("worker_ready", worker=1)
    daemon.expect("worker_ready", worker=2)
    processes = {daemon.pid, *daemon.workers()}
    until(lambda: all(asleep(pid) for pid in processes), "everybody to fall asleep")
    before = {pid: switches(pid) for pid in processes}
    import time

    time.sleep(10)  # the one thing here that is about time itself
    assert {pid: switches(pid) for pid in processes} == before


def asleep(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan") as file:
        return "poll" in file.read()


def switches(pid: int) -> str:
    """How often the kernel has put it to sleep: a wake-up adds one."""
    with open(f"/proc/{pid}/status") as file:
        return next(line for line in file if line.startswith("voluntary_ctxt_switches"))
