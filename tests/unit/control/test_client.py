"""Finding a daemon, and what becomes of one that does not answer as it should."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from prefork.control import client, ctl
from prefork.control.commands import COMMANDS
from prefork.errors import AbsentError, ConfigError


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_the_socket_is_found_in_the_configuration(tmp_path: Path):
    """Also in a file that it includes, and beside faults: those may be what the daemon is asked about."""
    write(tmp_path / "more.toml", '[control]\nsocket = "/run/a.sock"\n')
    assert client.socket_of(write(tmp_path / "a.toml", 'include = ["more.toml"]\nnonsense = 1\n')) == "/run/a.sock"


def test_a_configuration_without_the_section_is_said_to_have_none(tmp_path: Path):
    """With what to add."""
    with pytest.raises(AbsentError, match=r"\[control\]"):
        client.socket_of(write(tmp_path / "a.toml", "[log]\n"))


@pytest.mark.parametrize("text", ["[control", "[control]\nsocket = 3", "control = 3"])
def test_a_configuration_that_cannot_be_read_is_explained(tmp_path: Path, text: str):
    """As preforkd does, with the same exit status."""
    with pytest.raises(ConfigError):
        client.socket_of(write(tmp_path / "a.toml", text))


def test_without_a_file_the_default_one_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Where there is none, both options are named."""
    monkeypatch.setattr(client, "DEFAULT_CONFIG", str(tmp_path / "prefork.toml"))
    with pytest.raises(AbsentError, match="-s SOCKET"):
        client.socket_of(None)
    write(tmp_path / "prefork.toml", '[control]\nsocket = "/run/b.sock"')
    assert client.socket_of(None) == "/run/b.sock"


@contextmanager
def daemon(path: Path, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Whatever listens there."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "without a response"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not respond as preforkd does"),
        (b"[]\n", "does not respond as preforkd does"),
        (b"{}\n", "does not respond as preforkd does"),
        (b'{"event": 3}\n', "does not respond as preforkd does"),
        (b'{"ok": true', "in the middle of its response"),
        (b'{"event": "a"}\n', "without a response"),
    ],
)
def test_who_does_not_answer_as_a_daemon_is_exit_status_70(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], said: bytes, sentence: str
):
    """A sentence, and no traceback."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with daemon(tmp_path / "a.sock", talk):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), "status"]) == 70
    assert sentence in capsys.readouterr().err


def test_who_says_nothing_is_not_waited_for_forever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A master that is stopped accepts, and answers nobody."""
    monkeypatch.setattr(client, "PATIENCE", 0.05)
    asked = threading.Event()
    with daemon(tmp_path / "a.sock", lambda _connection: asked.wait(10) and None):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), "status"]) == 70
        asked.set()
    assert "did not respond" in capsys.readouterr().err


def test_where_too_many_wait_to_be_accepted_the_end_is_exit_status_70(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A master that is stopped accepts nobody, and its queue is full; where it is only busy, the queue moves."""
    monkeypatch.setattr(client, "PATIENCE", 0.05)
    path = str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        assert ctl.main(["-s", path, "status"]) == 70
    assert "did not respond" in capsys.readouterr().err


def test_a_refusal_that_comes_before_the_request_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The daemon has hung up by the time that the request is sent."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b'{"ok": false, "reason": "you may not"}\n')

    with daemon(tmp_path / "a.sock", talk):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), "status"]) == 1
    assert "you may not" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--json", "reopen"], ["reopen", "--json"]])
def test_json_may_stand_on_either_side_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
):
    """The reply as it is, one object."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b'{"event": "a"}\n{"ok": true, "master": 1}\n')

    with daemon(tmp_path / "a.sock", talk):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), *argv]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "master": os.getpid()}


@pytest.mark.parametrize("argv", [[], ["explode"], ["-c", "a", "-s", "b", "status"], ["scale", "web"], ["status", "x"]])
def test_a_wrong_command_line_is_exit_status_64(argv: list[str], capsys: pytest.CaptureFixture[str]):
    """Said with the usage."""
    with pytest.raises(SystemExit) as ended:
        ctl.main(argv)
    assert ended.value.code == 64
    assert "usage: preforkctl" in capsys.readouterr().err


def test_it_starts_without_the_models_and_the_log(tmp_path: Path):
    """Neither pydantic nor structlog is imported, also where a file is read."""
    file = write(tmp_path / "a.toml", f'[control]\nsocket = "{tmp_path}/none.sock"\n')
    program = (
        "import sys\n"
        "from prefork.control.ctl import main\n"
        f"assert main(['-c', {file!r}, 'status']) == 69\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('pydantic', 'structlog', 'daemon')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == "[]\n"


EVIL = "\x1b]0;owned\x07\x9b2J\r\x7f\u202e"


def replies(*messages: object) -> Callable[[socket.socket], None]:
    """A server that answers any request with these."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        for message in messages:
            connection.sendall(json.dumps(message).encode() + b"\n")

    return talk


def evil_status() -> dict[str, Any]:
    worker = dict.fromkeys(("pool", "worker", "pid", "generation", "state", "recycle_due", "served", "request"), EVIL)
    pool = {"wanted": EVIL, "ready": EVIL, "failures": EVIL, "next_try_in": 0}
    return {
        **dict.fromkeys(("version", "pid", "config", "state", "generation", "paused", "predecessor"), EVIL),
        "reload": {"state": EVIL, "began_seconds_ago": 1.0, "faults": [EVIL]},
        "upgrade": {"state": EVIL, "successor": EVIL},
        "pools": {EVIL: pool},
        "workers": [{**worker, "age": 1.0, "busy_seconds": 1.0}],
        "listeners": {EVIL: EVIL},
    }


ANYTHING = dict.fromkeys(
    ("master", "successor", "pool", "workers", "generation", "state", "hint", "keys", "cause", "pid", "worker"), EVIL
)
DEATH = {
    **ANYTHING,
    "ending": EVIL,
    "served": EVIL,
    "age": EVIL,
    "last_request": EVIL,
    "traceback": EVIL,
    "stacks": EVIL,
}


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize(
    ("argv", "reply"),
    [
        (["status"], evil_status()),
        (["deaths"], {"deaths": [DEATH]}),
        (["dump"], {"workers": [{**ANYTHING, "request": EVIL, "busy_seconds": 1.0, "stacks": EVIL}]}),
        (["reload"], ANYTHING),
        (["reload", "--wait"], ANYTHING),
        (["upgrade"], ANYTHING),
        (["upgrade", "--keep"], ANYTHING),
        (["upgrade", "--keep", "--wait"], ANYTHING),
        (["scale", "web", "3"], ANYTHING),
        (["reopen"], ANYTHING),
        (["stop"], ANYTHING),
        (["quit"], ANYTHING),
    ],
)
def test_nothing_of_a_rogue_server_reaches_the_terminal_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], reply: dict[str, Any], more: list[str]
):
    """M14. In results, progress, refusals and their reasons: whatever is no printable character is escaped."""
    events = [{**ANYTHING, "event": event} for event in {**COMMANDS["reload"].progress, **COMMANDS["upgrade"].progress}]
    for ok, last in ((True, reply), (False, {"reason": f"{EVIL}\nmore {EVIL}"}), (EVIL, {"reason": [EVIL]})):
        path = tmp_path / f"{ok == EVIL}{bool(ok)}.sock"
        with daemon(path, replies(*events, {**last, "ok": ok})):
            status = ctl.main(["-s", str(path), *more, *argv])
        out, err = capsys.readouterr()
        assert status == (0 if ok is True else 1)
        assert [one for one in out + err if not (one.isprintable() or one == "\n")] == []


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"pools": 3, "workers": 3, "deaths": 3},
        {"deaths": [3], "workers": [[]], "version": 1},
        {"deaths": [{}], "workers": [{"pool": {}}]},
        {**evil_status(), "workers": [{"age": "x"}]},
        {**evil_status(), "reload": {"faults": 7, "state": "x", "began_seconds_ago": []}, "workers": [{}]},
        {"deaths": [{"pool": "web", "seconds_ago": "x"}], "workers": None},
    ],
)
@pytest.mark.parametrize("do", ["status", "deaths", "dump"])
def test_a_response_of_another_shape_is_exit_status_70(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], do: str, reply: dict[str, Any]
):
    """M14. A sentence, and no traceback."""
    with daemon(tmp_path / "a.sock", replies({**reply, "ok": True})):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), do]) == 70
    assert "the response is not one that preforkd gives" in capsys.readouterr().err


def test_a_refusal_without_a_reason_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """In words."""
    with daemon(tmp_path / "a.sock", replies({"ok": False})):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), "reopen"]) == 1
    assert capsys.readouterr().err == "preforkctl: reopen refused (no reason given)\n"


@pytest.mark.parametrize(("argv", "given"), [([], {}), (["--force"], {"force": True})])
def test_scale_sends_force_where_it_is_asked_for(tmp_path: Path, argv: list[str], given: dict[str, bool]):
    """And nothing that an older daemon would not know, where it is not."""
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b'{"ok": true, "pool": "web", "workers": 3}\n')

    with daemon(tmp_path / "a.sock", talk):
        assert ctl.main(["-s", str(tmp_path / "a.sock"), "scale", "web", "3", *argv]) == 0
    assert json.loads(asked[0]) == {"prefork": 1, "do": "scale", "pool": "web", "workers": 3, **given}
