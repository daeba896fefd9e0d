"""The server's end of the control socket: nobody keeps it waiting, and nothing that is sent can harm it."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from prefork.control import protocol, server
from prefork.control.server import CLIENTS_MOST, Asking, Manner, Server
from prefork.errors import BindError

STATUS = b'{"prefork": 1, "do": "status"}\n'
OPEN = Manner(0o600, None)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    one = Server(str(tmp_path / "control.sock"), OPEN)
    yield one
    one.close(unlink=True)


def connect(served: Server) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(served.path)
    return client


def turn(served: Server) -> list[Asking]:
    """What is asked by the time that there is nothing left to do."""
    asked: list[Asking] = []
    while select.select([served.fileno()], [], [], 0)[0]:
        asked += served.turn()
    return asked


def answers(client: socket.socket) -> list[dict[str, Any]]:
    """Every object until the server hangs up."""
    said = b""
    try:
        while piece := client.recv(65536):
            said += piece
    except ConnectionResetError:  # it hung up with something unread
        pass
    return [json.loads(line) for line in said.splitlines()]


def test_a_request_is_given_with_who_asks_it_and_answered(served: Server):
    """One request a connection; it hangs up after the last line."""
    with connect(served) as client:
        client.sendall(STATUS)
        [asking] = turn(served)
        assert (asking.request.do, asking.uid, asking.pid) == ("status", os.geteuid(), os.getpid())
        served.say(asking.client, protocol.event("something", {"a": 1}))
        served.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(client) == [{"event": "something", "a": 1}, {"ok": True}]
        assert not served.has(asking.client)


def test_a_request_may_come_byte_by_byte(served: Server):
    """Half a line is waited for."""
    with connect(served) as client:
        for byte in STATUS[:-1]:
            client.sendall(bytes([byte]))
            assert turn(served) == []
        client.sendall(STATUS[-1:])
        assert len(turn(served)) == 1


def test_a_second_request_on_a_connection_is_not_heard(served: Server):
    """Nor anything else that follows."""
    with connect(served) as client:
        client.sendall(STATUS * 3)
        [asking] = turn(served)
        client.sendall(STATUS)
        assert turn(served) == []
        served.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(client) == [{"ok": True}]


def test_a_client_that_says_that_it_has_said_all_is_answered(served: Server):
    """As ``nc -N`` does: the end of what it sends is not its end."""
    with connect(served) as client:
        client.sendall(STATUS)
        client.shutdown(socket.SHUT_WR)
        [asking] = turn(served)
        assert turn(served) == []
        assert not select.select([served.fileno()], [], [], 0)[0]
        served.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(client) == [{"ok": True}]


def test_a_client_that_has_gone_is_forgotten(served: Server):
    """Before it asked, after half a line, and while it waits."""
    for sent in (b"", STATUS[:5], STATUS):
        with connect(served) as client:
            client.sendall(sent)
            asked = turn(served)
        turn(served)
        assert not any(served.has(asking.client) for asking in asked)
        assert served.clients == 0
        for asking in asked:
            served.say(asking.client, protocol.response(ok=True), last=True)


@pytest.mark.parametrize("sent", [os.urandom(1000).replace(b"\n", b"") + b"\n", b"\n", b"[]\n", b"x" * 70_000])
def test_garbage_is_answered_with_a_sentence(served: Server, sent: bytes):
    """Also a line that is too long, before its end has come."""
    with connect(served) as client:
        client.sendall(sent)
        assert turn(served) == []
        [answer] = answers(client)
        assert answer["ok"] is False
        assert answer["reason"]


def test_a_client_that_never_reads_is_dropped(served: Server, monkeypatch: pytest.MonkeyPatch):
    """When more waits for it than is kept; the others are answered meanwhile."""
    monkeypatch.setattr(server, "WAITING_MOST", 1 << 20)
    with connect(served) as deaf, connect(served) as other:
        deaf.sendall(STATUS)
        [asking] = turn(served)
        line = protocol.event("long", {"text": "x" * 100_000})
        for _ in range(100):
            served.say(asking.client, line)
            turn(served)
        assert not served.has(asking.client)
        other.sendall(STATUS)
        [asking] = turn(served)
        served.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(other) == [{"ok": True}]


def test_all_that_clients_do_not_take_is_bounded(served: Server, monkeypatch: pytest.MonkeyPatch):
    """M14. Who has most to take goes first; the master holds no more than so much for all of them."""
    monkeypatch.setattr(server, "TOGETHER_MOST", 3 << 20)
    deaf = [connect(served) for _ in range(5)]
    for client in deaf:
        client.sendall(STATUS)
    asked = turn(served)
    assert len(asked) == 5
    for size in range(1, 6):
        served.say(asked[size - 1].client, b"x" * (size << 20))
        assert sum(len(one.unsent) for one in served._clients.values()) <= 3 << 20
    assert not served.has(asked[-1].client)
    for client in deaf:
        client.close()


def test_a_flood_behind_a_request_keeps_nobody_busy(served: Server):
    """M14. It is not read: the client's own buffer fills, and there is nothing to do for the master."""
    with connect(served) as client:
        client.sendall(STATUS)
        [asking] = turn(served)
        client.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                client.send(b"x" * 65536)
        assert not select.select([served.fileno()], [], [], 0)[0]
        client.setblocking(True)
        served.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(client) == [{"ok": True}]


def test_fifty_clients_at_once_are_all_answered(served: Server):
    """M14. Beside those who stall with half a line, who make room."""
    stalled = [connect(served) for _ in range(10)]
    for client in stalled:
        client.sendall(STATUS[:-1])
        turn(served)
    crowd = []
    for _ in range(50):
        client = connect(served)
        client.sendall(STATUS)
        crowd.append(client)
        for asking in turn(served):
            served.say(asking.client, protocol.response(ok=True), last=True)
    assert [answers(client) for client in crowd] == [[{"ok": True}]] * 50
    for client in (*crowd, *stalled):
        client.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be in another group")
def test_groups_are_those_of_the_process_that_connected(served: Server):
    """M14. The kernel tells them: no directory service is asked, which might keep the master waiting."""
    program = f"""
import os, socket
os.setgroups([12345, 23456])
client = socket.socket(socket.AF_UNIX)
client.connect({served.path!r})
print(flush=True)
input()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as other:  # type: ignore[call-overload]
        other.stdout.readline()
        turn(served)
        [client] = served._clients.values()
        assert [client.is_member(group) for group in (12345, 23456, 34567)] == [True, True, False]
        other.communicate(b"\n")


def test_a_slow_reader_gets_everything(served: Server):
    """What does not fit into the socket's buffer is sent when there is room."""
    with connect(served) as slow:
        slow.sendall(STATUS)
        [asking] = turn(served)
        for number in range(100):
            served.say(asking.client, protocol.event("long", {"number": number, "text": "x" * 20_000}))
        served.say(asking.client, protocol.response(ok=True), last=True)
        said = b""
        while True:
            turn(served)
            piece = slow.recv(65536)
            if not piece:
                break
            said += piece
        assert len(said.splitlines()) == 101


def test_of_forty_connections_the_silent_ones_give_way(served: Server):
    """The oldest first; who is being answered stays."""
    with connect(served) as waiting:
        waiting.sendall(STATUS)
        [asking] = turn(served)
        crowd = []
        for _ in range(40):
            crowd.append(connect(served))
            turn(served)
        assert served.clients == CLIENTS_MOST
        assert served.has(asking.client)
        crowd[-1].sendall(STATUS)
        assert len(turn(served)) == 1
        assert crowd[0].recv(1) == b""
        for client in crowd:
            client.close()


def test_where_all_are_being_answered_the_newcomer_is_turned_away(served: Server):
    """With a sentence, and nobody else's answer is lost."""
    crowd = [connect(served) for _ in range(10)]
    while len(crowd) < CLIENTS_MOST:
        turn(served)
        crowd.append(connect(served))
    for client in crowd:
        client.sendall(STATUS)
    asked = turn(served)
    assert len(asked) == CLIENTS_MOST
    with connect(served) as late:
        turn(served)
        assert answers(late)[0]["ok"] is False
    assert all(served.has(asking.client) for asking in asked)
    for client in crowd:
        client.close()


def test_whom_the_kernel_tells_may_not_ask_drives_nobody_out(served: Server, monkeypatch: pytest.MonkeyPatch):
    """The refused get a sentence, however many come."""
    friend = connect(served)
    turn(served)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(Server, "_may", lambda _self, client: client.uid == 12345)
    for _ in range(40):
        with connect(served) as stranger:
            turn(served)
            [answer] = answers(stranger)
            assert answer["ok"] is False
    friend.sendall(STATUS)
    assert len(turn(served)) == 1
    friend.close()


def test_a_client_that_goes_while_it_is_written_to_harms_nobody(served: Server):
    """Its descriptor may stand twice in one look at what is ready."""
    with connect(served) as client:
        client.sendall(STATUS)
        [asking] = turn(served)
        served.say(asking.client, b"x" * 1_000_000)
    turn(served)
    assert not served.has(asking.client)


def test_clients_move_with_the_socket(served: Server, tmp_path: Path):
    """Whoever waits is answered by the server that follows."""
    with connect(served) as client:
        client.sendall(STATUS)
        [asking] = turn(served)
        follower = Server(str(tmp_path / "other.sock"), OPEN)
        follower.take_clients(served)
        assert served.clients == 0
        follower.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(client) == [{"ok": True}]
        follower.close(unlink=True)


def test_deaf_it_listens_to_nobody_new_and_answers_the_others(served: Server):
    """Its path has gone."""
    with connect(served) as client:
        client.sendall(STATUS)
        [asking] = turn(served)
        served.deafen()
        assert not Path(served.path).exists()
        assert turn(served) == []
        served.say(asking.client, protocol.response(ok=True), last=True)
        assert answers(client) == [{"ok": True}]


# The path.


def test_a_living_socket_of_somebody_else_is_not_taken_over(served: Server):
    """Only that of the master which is named."""
    with pytest.raises(BindError, match="in use"):
        Server(served.path, OPEN)
    with pytest.raises(BindError, match="in use"):
        Server(served.path, OPEN, over=os.getpid() + 1)
    assert served.holds_path
    successor = Server(served.path, OPEN, over=os.getpid())
    assert successor.holds_path
    assert not served.holds_path
    successor.close(unlink=True)


def test_what_is_no_socket_is_not_taken_over(tmp_path: Path):
    """Whoever put it there wants it."""
    path = tmp_path / "control.sock"
    path.write_text("a letter")
    with pytest.raises(BindError, match="not a socket"):
        Server(str(path), OPEN, over=os.getpid())
    assert path.read_text() == "a letter"
    assert os.listdir(tmp_path) == ["control.sock"]


def test_the_path_goes_only_where_it_is_ours(served: Server):
    """A successor has it: it stays."""
    successor = Server(served.path, OPEN, over=os.getpid())
    served.close(unlink=True)
    assert successor.holds_path
    successor.close(unlink=False)
    assert Path(served.path).is_socket()
    served.__init__(served.path, OPEN)  # type: ignore[misc] - for the fixture to close


def test_nobody_gets_in_before_the_rights_are_set(tmp_path: Path):
    """Mode and group of the configuration, whatever the umask is."""
    before = os.umask(0)
    try:
        one = Server(str(tmp_path / "control.sock"), Manner(0o640, None))
    finally:
        os.umask(before)
    assert os.stat(one.path).st_mode & 0o777 == 0o640
    one.close(unlink=True)


def test_an_unknown_group_is_a_sentence(tmp_path: Path):
    """And leaves nothing behind."""
    with pytest.raises(BindError, match="no-such-group"):
        Server(str(tmp_path / "control.sock"), Manner(0o660, "no-such-group"))
    assert os.listdir(tmp_path) == []
