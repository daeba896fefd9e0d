"""preforkctl: each command does what its signal does, says how it went, and returns 0 only if it went well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from contrib.bench.clients import load
from tests.operator.control import asked, command, connect, ctl, section
from tests.operator.daemon import PATIENCE, Preforkd, children, gone, open_to_others, until


@pytest.fixture
def served(daemon: Preforkd) -> Preforkd:
    """A daemon with a control socket and two workers."""
    daemon.configure(workers=2, more=section(daemon))
    return daemon.start()


def test_status_shows_the_whole_service(served: Preforkd):
    """For people within 80 columns, and as one object."""
    done = ctl(served, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(line) for line in done.stdout.splitlines()[3:]) <= 80
    assert "web/1" in done.stdout
    assert f"master {served.pid}" in done.stdout
    reply = asked(served, "status")
    assert (reply["ok"], reply["pid"], reply["state"], reply["generation"]) == (True, served.pid, "serving", 1)
    assert reply["pools"]["web"]["ready"] == 2
    assert {worker["pid"] for worker in reply["workers"]} == served.workers()
    assert reply["listeners"] == {"http": f"127.0.0.1:{served.port}"}
    assert reply["config"] == str(served.file)
    assert reply["reload"] is None


def test_status_names_the_request_that_a_worker_is_at(served: Preforkd):
    """With its age."""
    with served.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until((served.home / "waiting").exists, "the request to be taken up")
        busy = [worker for worker in asked(served, "status")["workers"] if "request" in worker]
        assert [worker["request"] for worker in busy] == ["GET /wait HTTP/1.1"]
        assert "GET /wait" in ctl(served, "status").stdout
        (served.home / "go").touch()


def test_reload_wait_tells_its_progress_and_its_end(served: Preforkd):
    """Exit 0 means that the new generation serves."""
    old = served.workers()
    done = ctl(served, "reload", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert "web/1 of generation 2 is ready" in done.stdout.replace("web/3", "web/1")
    assert done.stdout.splitlines()[-1] == "reloaded: generation 2, 2 workers"
    until(lambda: not served.workers() & old, "the old generation to go")
    reply = asked(served, "reload", "--wait")
    assert (reply["state"], reply["generation"]) == ("done", 3)
    served.expect("control_request", do="reload", by_uid=os.getuid())


def test_a_refused_reload_shows_the_traceback_of_the_canary(served: Preforkd):
    """On standard error, with exit 1; the old workers serve, and status remembers why."""
    site = served.home / "site_of_test.py"
    site.write_text("import the_module_that_is_missing\n")
    done = ctl(served, "reload", "--wait")
    assert done.returncode == 1
    assert "the_module_that_is_missing" in done.stderr
    assert "Traceback" in done.stderr
    assert "keeps serving" in done.stderr
    assert served.get()[0] == 200
    assert "the_module_that_is_missing" in asked(served, "status")["reload"]["faults"][0]
    assert "refused" in ctl(served, "status").stdout


def test_a_refused_reload_lists_every_fault_of_the_file(served: Preforkd):
    """Also without --wait, because the file is read at once; the socket is found in the faulty file all the same."""
    served.file.write_text(served.file.read_text().replace("workers = 2", "workers = 0\nnonsense = 1"))
    done = ctl(served, "reload")
    assert done.returncode == 1
    assert "pool.web.workers" in done.stderr
    assert "nonsense" in done.stderr
    failed = ctl(served, "--json", "reload", "--wait")
    assert failed.returncode == 1
    reply = json.loads(failed.stdout)
    assert (reply["ok"], len(reply["faults"])) == (False, 2)


def test_a_reload_without_wait_is_answered_at_once(served: Preforkd):
    """Before the new generation is ready."""
    slow = "import pathlib, time\nwhile not (pathlib.Path(__file__).parent / 'go').exists(): time.sleep(0.01)\n"
    site = served.home / "site_of_test.py"
    site.write_text(slow + site.read_text())
    assert asked(served, "reload")["state"] == "trial"
    (served.home / "go").touch()
    served.expect("reload_done", generation=2)


def test_interrupting_a_wait_leaves_the_reload_going_on(served: Preforkd):
    """And says so."""
    slow = "import pathlib, time\nwhile not (pathlib.Path(__file__).parent / 'go').exists(): time.sleep(0.01)\n"
    site = served.home / "site_of_test.py"
    site.write_text(slow + site.read_text())
    with subprocess.Popen(
        command("-c", str(served.file), "reload", "--wait"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        served.expect("worker_spawned", generation=2)
        assert waiting.stdout
        assert waiting.stdout.readline() == "reading the configuration\n"
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 130
    assert "continues" in said
    (served.home / "go").touch()
    served.expect("reload_done", generation=2)


def test_a_reload_that_is_superseded_says_so(served: Preforkd):
    """Whoever waits is told that another reload came, with exit 1."""
    slow = "import pathlib, time\nwhile not (pathlib.Path(__file__).parent / 'go').exists(): time.sleep(0.01)\n"
    site = served.home / "site_of_test.py"
    site.write_text(slow + site.read_text())
    with subprocess.Popen(
        command("-c", str(served.file), "reload", "--wait"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        served.expect("worker_spawned", generation=2)
        served.signal(signal.SIGHUP)
        _, said = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 1
    assert "superseded" in said
    (served.home / "go").touch()
    served.expect("reload_done", generation=3)


def test_scale_gives_any_pool_a_number(served: Preforkd):
    """Not one more or fewer, but so many; an unknown pool is refused."""
    assert asked(served, "scale", "web", "4")["workers"] == 4
    until(lambda: asked(served, "status")["pools"]["web"]["ready"] == 4, "four workers")
    assert ctl(served, "scale", "web", "1").stdout == "web: 1 workers requested\n"
    until(lambda: len(served.workers()) == 1, "one worker")
    refused = ctl(served, "scale", "shop", "2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no pool shop" in refused.stderr


@pytest.mark.parametrize("number", ["0", "1001", "-1", "many"])
def test_scale_to_what_no_pool_can_have_is_a_wrong_command_line(tmp_path: Path, number: str):
    """Said before anybody is asked."""
    done = subprocess.run(
        command("-s", str(tmp_path / "none"), "scale", "web", "--", number), capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert done.stderr


def test_reopen_reopens_the_logs(served: Preforkd):
    """As USR1 does."""
    assert ctl(served, "reopen").returncode == 0
    served.expect("logs_reopened")


def test_stop_wait_returns_when_the_master_has_gone(served: Preforkd):
    """The requests in flight were answered by then, and the socket has gone."""
    done = ctl(served, "stop", "--wait")
    assert (done.returncode, done.stdout) == (0, f"master {served.pid} has ended\n")
    assert served.wait() == 0
    assert not (served.home / "control.sock").exists()


def test_quit_stops_at_once(served: Preforkd):
    """A request in flight is dropped."""
    with served.connect() as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        until((served.home / "waiting").exists, "the request to be taken up")
        assert asked(served, "quit")["master"] == served.pid
        assert served.wait() == 0


def test_a_second_stop_is_answered_too(served: Preforkd):
    """While the first is on its way."""
    with served.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until((served.home / "waiting").exists, "the request to be taken up")
        assert asked(served, "stop")["ok"]
        assert asked(served, "stop")["ok"]
        assert asked(served, "status")["state"] == "stopping"
        (served.home / "go").touch()
    assert served.wait() == 0


def test_dump_shows_the_stacks_of_a_worker_that_goes_on(served: Preforkd):
    """By pool/number, pid, pool, or all; nobody comes to harm."""
    workers = served.workers()
    with served.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until((served.home / "waiting").exists, "the request to be taken up")
        every = asked(served, "dump")["workers"]
        assert {worker["pid"] for worker in every} == workers
        assert any("site_of_test.py" in worker["stacks"] for worker in every)
        (served.home / "go").touch()
    [one] = asked(served, "dump", "web/2")["workers"]
    assert (one["pool"], one["worker"]) == ("web", 2)
    assert len(asked(served, "dump", "web")["workers"]) == 2
    assert str(one["pid"]) in ctl(served, "dump", str(one["pid"])).stdout
    assert served.workers() == workers
    refused = ctl(served, "dump", "web/9")
    assert refused.returncode == 1
    assert "web/9" in refused.stderr


def test_deaths_tells_of_workers_that_ended_unasked(served: Preforkd):
    """With the request that they were at."""
    assert asked(served, "deaths")["deaths"] == []
    assert "no worker" in ctl(served, "deaths").stdout
    with served.connect() as client:
        client.sendall(b"GET /kill HTTP/1.1\r\nHost: a\r\n\r\n")
        served.expect("worker_died")
    [death] = asked(served, "deaths")["deaths"]
    assert death["cause"] == "signal SIGKILL"
    assert death["last_request"] == "GET /kill HTTP/1.1"
    assert "GET /kill" in ctl(served, "deaths").stdout


# The upgrade.


def test_upgrade_wait_is_the_whole_dance(served: Preforkd):
    """Started, ready, the old master gone; then the successor answers at the same path, and no request was lost."""
    with load(served.port) as clients:
        done = ctl(served, "upgrade", "--wait")
        assert (done.returncode, done.stderr) == (0, "")
        assert served.wait() == 0
        new = served.successor()
        assert f"the successor {new} is ready" in done.stdout
        assert done.stdout.splitlines()[-1] == f"upgraded: master {served.pid} has ended, {new} is the master"
        assert asked(served, "status")["pid"] == new
    assert clients.problems == []
    assert ctl(served, "stop", "--wait").returncode == 0
    assert gone(new)
    assert not (served.home / "control.sock").exists()


def test_upgrade_keep_leaves_the_choice(served: Preforkd):
    """Both serve; TERM to the new one backs out, TERM to the old one completes the upgrade."""
    for chosen in ("new", "old"):
        done = ctl(served, "upgrade", "--wait", "--keep")
        assert (done.returncode, done.stderr) == (0, "")
        new = served.successor()
        assert f"the successor {new} is ready; this master, {served.pid}, keeps serving beside it" in done.stdout
        if chosen == "new":
            served.signal(signal.SIGTERM, new)
            assert gone(new)
            served.expect("upgrade_backed_out")
            assert asked(served, "status")["pid"] == served.pid
        else:
            assert served.stop() == 0
            assert asked(served, "status")["pid"] == new


def test_an_upgrade_that_fails_leaves_the_old_master_serving(served: Preforkd):
    """The reason and the way on are said, exit 1; when that is answered another one may be asked for at once."""
    site = served.home / "site_of_test.py"
    sound = site.read_text()
    site.write_text("import the_module_that_is_missing\n")
    for _ in range(2):
        failed = ctl(served, "upgrade", "--wait")
        assert failed.returncode == 1
        assert "the_module_that_is_missing" in failed.stderr
        assert f"master {served.pid} keeps serving" in failed.stderr
        assert asked(served, "status")["pid"] == served.pid
    site.write_text(sound)
    assert ctl(served, "upgrade", "--wait").returncode == 0
    served.successor()


def test_the_path_leads_to_the_successor_and_back_again(served: Preforkd):
    """After USR2 it is the successor that answers; after the way back, the old master. The name is never absent."""
    path = served.home / "control.sock"
    served.signal(signal.SIGUSR2)
    new = served.successor()
    assert asked(served, "status")["pid"] == new
    assert asked(served, "status")["predecessor"] == served.pid
    served.signal(signal.SIGTERM, new)
    while not served.events.named("upgrade_backed_out"):
        assert path.is_socket()
    assert gone(new)
    until(lambda: ctl(served, "status").returncode == 0, "the old master to answer")
    assert asked(served, "status")["pid"] == served.pid
    assert served.stop() == 0
    assert not path.exists()


# The socket, and who may use it.


def test_a_reload_moves_the_socket_and_whoever_waits_is_answered(served: Preforkd):
    """The new one is there before the old one goes."""
    old = served.home / "control.sock"
    served.file.write_text(served.file.read_text().replace("control.sock", "moved.sock"))
    done = subprocess.run(
        command("-s", str(old), "reload", "--wait"), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not old.exists()
    assert asked(served, "status")["generation"] == 2
    served.file.write_text(served.file.read_text().partition("[control]")[0])
    done = subprocess.run(
        command("-s", str(served.home / "moved.sock"), "reload", "--wait"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (served.home / "moved.sock").exists()


def test_a_socket_that_cannot_be_opened_refuses_the_reload(served: Preforkd):
    """The old one and the old configuration stay."""
    text = served.file.read_text()
    served.file.write_text(text.replace("control.sock", "no/such/directory.sock"))
    done = subprocess.run(
        command("-s", str(served.home / "control.sock"), "reload", "--wait"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "no/such/directory.sock" in done.stderr
    served.file.write_text(text)
    assert asked(served, "status")["generation"] == 1
    assert ctl(served, "reload", "--wait").returncode == 0


def test_a_socket_that_cannot_be_opened_stops_the_start(daemon: Preforkd):
    """Exit 78, and a fault at its key."""
    (daemon.home / "taken").write_text("what is here is not a socket")
    daemon.configure(more=section(daemon, "taken"))
    daemon.start(ready=False)
    assert daemon.wait() == 78
    daemon.events.join()
    assert "control.socket: " in str(daemon.events)


def test_a_stale_socket_is_replaced_and_what_is_no_socket_is_not(daemon: Preforkd):
    """As for listeners."""
    path = daemon.home / "control.sock"
    daemon.configure(more=section(daemon))
    daemon.start()
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    assert path.is_socket()
    daemon.start()
    assert asked(daemon, "status")["pid"] == daemon.pid
    daemon.stop()
    path.write_text("a letter")
    daemon.start(ready=False)
    assert daemon.wait() == 78
    assert path.read_text() == "a letter"


def test_the_rights_of_the_file_are_those_of_the_configuration(daemon: Preforkd):
    """Also after a reload that changes them."""
    daemon.configure(more=section(daemon, more='mode = "0o600"'))
    daemon.start()
    path = daemon.home / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    daemon.configure(more=section(daemon, more='mode = "0o620"'))
    assert ctl(daemon, "reload", "--wait").returncode == 0
    assert path.stat().st_mode & 0o777 == 0o620


def test_without_the_section_there_is_no_socket(daemon: Preforkd):
    """69, with what to do."""
    daemon.configure()
    daemon.start()
    done = ctl(daemon, "status")
    assert done.returncode == 69
    assert "[control]" in done.stderr


def test_workers_have_nothing_of_the_control_socket_open(served: Preforkd):
    """Neither the socket nor its connections."""
    path = served.home / "control.sock"
    with connect(path):
        assert ctl(served, "reload", "--wait").returncode == 0
        table = Path("/proc/net/unix").read_text().splitlines()
        ours = {line.split()[6] for line in table if line.endswith(str(path))}
        assert len(ours) >= 2
        assert sockets(served.pid) & ours
        for worker in served.workers():
            assert not sockets(worker) & ours


def sockets(pid: int) -> set[str]:
    """The inode numbers of the sockets that a process has open."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@as_root
def test_the_user_of_the_workers_may_not_ask(daemon: Preforkd):
    """An application does not rule over its master, even where the rights of the file let it in."""
    open_to_others(daemon.home)
    daemon.configure(master='user = "nobody"', more=section(daemon, more='mode = "0o666"\ngroup = "nogroup"'))
    daemon.start()
    done = run_as(65534, 65534, daemon, "status")
    assert done.returncode == 1
    assert "only root" in done.stderr
    assert "Traceback" not in done.stderr


@as_root
def test_members_of_the_group_may_ask_and_others_may_not(daemon: Preforkd):
    """The group of [control]; the rights of the file keep others out before that."""
    open_to_others(daemon.home)
    daemon.configure(more=section(daemon, more='mode = "0o666"\ngroup = "nogroup"'))
    daemon.start()
    assert run_as(65534, 65534, daemon, "status").returncode == 0
    refused = run_as(1, 1, daemon, "stop")
    assert refused.returncode == 1
    assert "only root" in refused.stderr
    daemon.configure(more=section(daemon, more='group = "nogroup"'))
    assert ctl(daemon, "reload", "--wait").returncode == 0
    refused = run_as(1, 1, daemon, "status")
    assert refused.returncode == 69
    assert "group nogroup" in refused.stderr


def run_as(uid: int, gid: int, daemon: Preforkd, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from prefork.control.ctl import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "-s", str(daemon.home / "control.sock"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        user=uid,
        group=gid,
        extra_groups=[],
        cwd=Path(__file__).parents[2],
    )


def test_fifty_clients_that_stall_and_flood_hold_nobody_up(served: Preforkd):
    """M14. Half lines, floods, and answers that nobody reads: the master serves, and answers who asks properly."""
    path = served.home / "control.sock"
    with ExitStack() as crowd:
        for number in range(50):
            client = crowd.enter_context(connect(path))
            client.setblocking(False)
            with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                client.send(b'{"prefork": 1, "do": "stat')
                while number % 5 == 0:
                    client.send(b"us" * 30_000)
                if number % 5 == 1:
                    client.send(b'us"}\n')
        assert asked(served, "status")["pid"] == served.pid
        assert served.get()[0] == 200
        assert ctl(served, "reload", "--wait").returncode == 0
    assert asked(served, "status")["generation"] == 2


@pytest.mark.parametrize("what", ["nothing", "stale"])
def test_where_nobody_listens_the_exit_status_is_69(tmp_path: Path, what: str):
    """A sentence with the path."""
    path = tmp_path / "control.sock"
    if what == "stale":
        import socket

        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    done = subprocess.run(command("-s", str(path), "status"), capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_children_of_an_upgraded_master_are_as_many(served: Preforkd):
    """preforkctl upgrade retires every worker of the old one."""
    assert ctl(served, "upgrade", "--wait").returncode == 0
    assert len(children(served.successor())) == 2
