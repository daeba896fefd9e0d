"""TTIN and TTOU: one worker more, one fewer."""

from __future__ import annotations

import signal

from tests.operator.daemon import Preforkd, until


def test_each_signal_counts(daemon: Preforkd):
    """Two TTIN are two workers, even when the master has not woken between them."""
    daemon.configure(workers=1)
    daemon.start()
    daemon.signal(signal.SIGTTIN)
    daemon.expect("pool_scaled", workers=2)
    daemon.signal(signal.SIGTTIN)
    daemon.expect("pool_scaled", workers=3)
    until(lambda: len(daemon.workers()) == 3, "three workers")
    daemon.signal(signal.SIGTTOU)
    daemon.expect("pool_scaled", workers=2)
    daemon.expect("worker_retired", reason="scaled down")
    assert len(daemon.workers()) == 2


def test_the_last_worker_stays(daemon: Preforkd):
    """A pool keeps at least one worker."""
    daemon.configure(workers=1)
    daemon.start()
    daemon.signal(signal.SIGTTOU)
    daemon.expect("scale_refused")
    assert daemon.get()[0] == 200


def test_a_reload_keeps_the_adjustment_and_says_so_unless_the_file_has_a_new_number(daemon: Preforkd):
    """PEERS fault 18: what an operator added by signal is not lost by a reload behind his back."""
    daemon.configure(workers=1)
    daemon.start()
    daemon.signal(signal.SIGTTIN)
    daemon.expect("worker_ready", worker=2)
    daemon.signal(signal.SIGHUP)
    assert daemon.expect("adjustment_kept")["workers"] == 2
    assert daemon.expect("reload_done")["workers"] == 2
    daemon.configure(workers=4)
    daemon.signal(signal.SIGHUP)
    assert daemon.expect("reload_done")["workers"] == 4


def test_scaling_up_and_down_ten_times_loses_no_request(daemon: Preforkd):
    """A worker that retires finishes what it has, on kept connections too."""
    from contrib.bench.clients import load

    daemon.configure(workers=2)
    daemon.start()
    for _ in range(2):
        daemon.expect("worker_ready")
    with load(daemon.port) as clients:
        for _ in range(10):
            daemon.signal(signal.SIGTTIN)
            daemon.expect("worker_ready")
            daemon.signal(signal.SIGTTOU)
            daemon.expect("worker_retired")
    assert clients.problems == []
    assert clients.answered > 100
