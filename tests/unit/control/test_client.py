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

import pytest

from prefork.control import client, ctl
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
        (b"", "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as preforkd does"),
        (b"[]\n", "does not answer as preforkd does"),
        (b"{}\n", "does not answer as preforkd does"),
        (b'{"event": 3}\n', "does not answer as preforkd does"),
        (b'{"ok": true', "broke off"),
        (b'{"event": "a"}\n', "hung up"),
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
    assert "has not answered" in capsys.readouterr().err


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
    assert json.loads(capsys.readouterr().out) == {"ok": True, "master": 1}


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
