"""A worker cannot learn what another pool was told, nor do anything to its processes."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.security.attacker import SEARCH, Secret, Service, as_root

PYTHON = f'python = "{sys.executable}"'
KINDS = {"forked": "", "preloaded": "preload = true", "executed": PYTHON}
LOOK = """
    import ctypes, os
    result = []
    for name in ("environ", "mem", "maps", "fd/0"):
        try:
            os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
            result.append(name)
        except OSError:
            pass
    if ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0:
        result.append("ptrace")
"""
SIGNAL = "import os; os.kill(pid, signum); result = 'signalled'"


@as_root
@pytest.mark.parametrize("kind", KINDS)
def test_a_workers_memory_holds_no_other_pools_environment(service: Service, kind: str):
    """M8. Neither in what it uses nor in what was freed before the fork; its own is there, so the search finds."""
    service.configure(web=KINDS[kind])
    service.start()
    assert service.run(SEARCH, digest=service.own.digest) is True
    assert service.run(SEARCH, digest=service.others.digest) is False


@as_root
def test_a_reload_leaves_no_environment_in_the_master_either(service: Service):
    """M8. New workers of a reloaded service hold neither the old secret of another pool nor the new one."""
    service.configure()
    service.start()
    before = service.others
    service.others = Secret()
    service.configure()
    service.daemon.signal(signal.SIGHUP)
    service.daemon.expect("reload_done")
    assert service.run("import os; result = os.environ['SECRET']", pool="shop") == service.others.text
    for secret in (before, service.others):
        assert service.run(SEARCH, digest=secret.digest) is False


@as_root
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_cannot_look_into_another_of_its_user(service: Service, kind: str):
    """M8. Not by /proc and not by ptrace, though both run as the same user; the master is out of reach as well."""
    service.configure(shop=KINDS[kind])
    service.start()
    for pid in (service.pid("shop"), service.daemon.pid):
        assert service.run(LOOK, pid=pid) == []


@as_root
@pytest.mark.parametrize("kind", KINDS)
def test_pools_of_different_users_cannot_signal_each_other(service: Service, kind: str):
    """M8. ``[pool.X] user`` and ``group``: another identity, which can neither read nor end the neighbour."""
    service.configure(shop=f'user = "daemon"\ngroup = "mail"\n{KINDS[kind]}')
    service.start()
    identity = "import os; result = [os.getuid(), os.getgid(), os.environ['USER']]"
    assert service.run(identity, pool="shop") == [1, 8, "daemon"]
    assert service.run(identity)[2] == "nobody"
    pid = service.pid("shop")
    assert service.run(SIGNAL, pid=pid, signum=0) == "PermissionError"
    assert service.run(SIGNAL, pid=pid, signum=int(signal.SIGKILL)) == "PermissionError"
    assert service.run(LOOK, pid=pid) == []
    assert service.pid("shop") == pid


@as_root
def test_the_user_of_a_pool_is_no_matter_of_a_reload(service: Service):
    """M9 for pools: an edited file and HUP make nobody somebody else."""
    service.configure()
    service.start()
    service.configure(shop='user = "root"')
    service.daemon.signal(signal.SIGHUP)
    assert "pool.shop.user" in service.daemon.expect("reload_refused")["reason"]


@as_root
@pytest.mark.parametrize(("chosen", "flag"), [("", "1"), ("no_new_privileges = false", "0")])
def test_no_new_privileges_is_a_choice(service: Service, chosen: str, flag: str):
    """P12. By default an exec gives no more rights; an application that needs sudo can have it."""
    service.configure(master=f'user = "nobody"\n{chosen}')
    service.start()
    code = "result = [line.split()[1] for line in open('/proc/self/status') if line.startswith('NoNewPrivs')]"
    assert service.run(code) == [flag]
