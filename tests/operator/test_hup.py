"""HUP: configuration and application code are loaded anew, and the old workers serve until the new ones do."""

from __future__ import annotations

import signal

from prefork.system.scoreboard import SLOTS
from tests.operator.daemon import Preforkd, until

ANSWER = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "{length}")])
    return [b"{answer}"]
"""


def write(daemon: Preforkd, answer: str, before: str = "") -> None:
    (daemon.home / "shop.py").write_text(before + ANSWER.format(answer=answer, length=len(answer)))


def test_new_code_is_served_by_a_new_generation(daemon: Preforkd):
    """After reload_done every answer is the new code's."""
    write(daemon, "old")
    daemon.configure(workers=3, app="shop:application")
    daemon.start()
    old = daemon.workers()
    assert daemon.get()[1] == b"old"
    write(daemon, "new")
    daemon.signal(signal.SIGHUP)
    done = daemon.expect("reload_done")
    assert (done["generation"], done["workers"]) == (2, 3)
    assert daemon.get()[1] == b"new"
    until(lambda: not daemon.workers() & old, "the old generation to go")
    assert len(daemon.workers()) == 3


def test_a_broken_application_leaves_the_old_workers_serving(daemon: Preforkd):
    """The traceback of the failed boot is in the log, and nothing else has changed."""
    write(daemon, "old")
    daemon.configure(workers=2, app="shop:application")
    daemon.start()
    old = daemon.workers()
    write(daemon, "new", before="import the_module_that_is_missing\n")
    daemon.signal(signal.SIGHUP)
    refused = daemon.expect("reload_refused")
    assert "the_module_that_is_missing" in refused["reason"]
    assert daemon.get()[1] == b"old"
    assert old == daemon.workers()
    write(daemon, "mended")
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert daemon.get()[1] == b"mended"


def test_a_slow_import_stalls_nobody(daemon: Preforkd):
    """While the new generation boots, the old one answers."""
    write(daemon, "old")
    daemon.configure(app="shop:application")
    daemon.start()
    write(
        daemon,
        "new",
        before=f"import pathlib, time\nwhile not pathlib.Path({str(daemon.home / 'go')!r}).exists(): time.sleep(0.01)\n",
    )
    daemon.signal(signal.SIGHUP)
    daemon.expect("worker_spawned", generation=2)
    assert {daemon.get()[1] for _ in range(20)} == {b"old"}
    (daemon.home / "go").touch()
    daemon.expect("reload_done")
    assert daemon.get()[1] == b"new"


def test_a_listener_is_added_beside_one_that_is_kept(daemon: Preforkd):
    """PEERS fault 7: from [A] to [A, B], A stays open throughout, B is there afterwards, and its removal closes it again."""
    first = f'[listen.http]\naddress = "{daemon.address}"\n'
    second = f'[listen.local]\naddress = "unix:{daemon.home}/web.sock"\n'
    daemon.configure(listen=first)
    daemon.start()
    with daemon.connect() as waiting:
        daemon.configure(listen=first + second)
        daemon.signal(signal.SIGHUP)
        daemon.expect("reload_done", generation=2)
        assert (daemon.home / "web.sock").is_socket()
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    daemon.configure(listen=first)
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done", generation=3)
    assert not (daemon.home / "web.sock").exists()
    assert daemon.get()[0] == 200


def test_an_address_that_cannot_be_bound_refuses_the_reload(daemon: Preforkd):
    """PEERS fault 7: new sockets are opened before anything else; the old ones and the old configuration stay."""
    import socket

    daemon.configure()
    daemon.start()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        daemon.configure(
            listen=f'[listen.http]\naddress = "{daemon.address}"\n[listen.more]\naddress = "{taken}"', workers=3
        )
        daemon.signal(signal.SIGHUP)
        assert taken in daemon.expect("reload_refused")["reason"]
    assert daemon.get()[0] == 200
    assert len(daemon.workers()) == 1


def test_what_a_reload_cannot_change_is_said(daemon: Preforkd):
    """A new pidfile takes effect at an upgrade or a restart; the log names the key."""
    daemon.configure()
    daemon.start()
    daemon.file.write_text(daemon.file.read_text().replace("preforkd.pid", "other.pid"))
    daemon.signal(signal.SIGHUP)
    assert daemon.expect("restart_needed")["keys"] == "master.pidfile"


def test_ten_reloads_in_a_row_lose_no_request(daemon: Preforkd):
    """Under load from clients that keep connections and clients that do not: nothing refused, reset or failed."""
    from contrib.bench.clients import load

    daemon.configure(workers=2)
    daemon.start()
    with load(daemon.port) as clients:
        for generation in range(2, 12):
            daemon.signal(signal.SIGHUP)
            daemon.expect("reload_done", generation=generation)
    assert clients.problems == []
    assert clients.answered > 100


def test_more_workers_than_there_is_room_for(daemon: Preforkd):
    """M1. The reload is refused in a sentence, and so is a start."""
    many = "".join(
        f'[listen.p{n}]\naddress = "unix:{daemon.home}/p{n}.sock"\n[pool.p{n}]\napp = "site_of_test:application"\n'
        f'listen = ["p{n}"]\nworkers = 500\ndirectory = "{daemon.home}"\n'
        for n in range(SLOTS // 500 + 1)
    )
    daemon.configure()
    daemon.start()
    daemon.configure(pool='listen = ["http"]', more=many)
    daemon.signal(signal.SIGHUP)
    assert f"room for {SLOTS}" in daemon.expect("reload_refused")["reason"]
    assert daemon.get() == (200, b"hello")
    assert daemon.stop() == 0
    ended = daemon.run()
    assert ended.returncode == 78
    assert f"room for {SLOTS}" in ended.stderr
    assert "Traceback" not in ended.stderr
