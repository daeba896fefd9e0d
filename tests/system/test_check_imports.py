"""``preforkd -t`` imports applications in children: the real thing, with real modules."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from prefork.cli import check, wiring
from prefork.cli.reading import start_faults
from prefork.config.load import read
from prefork.errors import PrivilegeError
from prefork.worker.settings import Settings

SOUND = "def app(environ, start_response): ...\ndef make(): return app\ndef hook(): ...\n"


@pytest.fixture
def faults_of(tmp_path: Path) -> Callable[..., list[str]]:
    """The printed faults for a configuration of pool "web" whose module ``shop`` is given."""

    def run(module: str, pool: str = "app = 'shop:app'", more: str = "") -> list[str]:
        (tmp_path / "shop.py").write_text(module)
        (tmp_path / "p.toml").write_text(f"[pool.web]\n{pool}\n{more}")
        loaded = read(str(tmp_path / "p.toml"))
        absent = start_faults(loaded)
        wrong = {fault.key for fault in absent}
        faults = [*absent, *check.run(loaded, wrong, partial(wiring.run_dry, loaded.config, str(tmp_path)))]
        return [str(fault).replace(f"{tmp_path}/", "") for fault in faults]

    return run


@pytest.mark.parametrize("pool", ["app = 'shop:app'", "app = 'shop:make()'\nhooks = { ready = 'shop:hook' }"])
def test_a_sound_application_has_no_fault(faults_of: Callable[..., list[str]], pool: str):
    """And nothing of it stays in this process."""
    assert faults_of(SOUND, pool) == []
    import sys

    assert "shop" not in sys.modules


def test_what_it_prints_is_no_fault(faults_of: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]):
    """Applications chatter when they are imported, even without a newline."""
    assert faults_of(SOUND + "print('{hello', end='')") == []
    assert capfd.readouterr().out == "{hello"


def test_an_application_that_raises_is_reported_with_its_traceback(faults_of: Callable[..., list[str]]):
    """The place is that of the app, the exception's last line comes first."""
    (fault,) = faults_of("import os\nraise RuntimeError('no database')\n")
    first, *rest = fault.splitlines()
    assert first == "p.toml:2:1: pool.web.app: cannot be imported: RuntimeError: no database"
    assert any("shop.py" in line and "line 2" in line for line in rest)


def test_a_module_that_is_not_there_is_reported(faults_of: Callable[..., list[str]]):
    """With what is missing."""
    (fault,) = faults_of(SOUND, "app = 'shoop:app'")
    assert "shoop" in fault.splitlines()[0]


def test_every_fault_of_every_pool_is_reported(faults_of: Callable[..., list[str]]):
    """A hook that is missing does not hide behind the application."""
    pool = "app = 'shop:nothing'\nlisten = ['a']\nhooks = { exit = 'shop:gone' }\n[pool.api]\napp = 'shop:app'\nlisten = ['b']\nworker = 'shop:Loop'\n"
    listen = "[listen]\na.address = 'fd:3'\nb.address = 'fd:4'\n"
    keys = [fault.split(": ")[1] for fault in faults_of(SOUND, pool + listen)]
    assert keys == ["pool.web.app", "pool.web.hooks.exit", "pool.api.worker"]


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        ("import os\nos._exit(3)\n", "the import ended with exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "the import ended with signal SIGSEGV"),
        ("raise SystemExit(4)\n", "SystemExit: 4"),
    ],
)
def test_an_application_that_ends_the_process_is_reported(
    faults_of: Callable[..., list[str]], module: str, problem: str
):
    """However it does it."""
    (fault,) = faults_of(module)
    assert problem in fault.splitlines()[0]


def test_an_application_that_hangs_is_reported_with_its_stack(faults_of: Callable[..., list[str]]):
    """After its boot timeout."""
    (fault,) = faults_of("import threading\nthreading.Event().wait()\n", "app = 'shop:app'\ntimeout.boot = '300ms'")
    assert "cannot be imported: the import took longer than timeout.boot, 300ms" in fault.splitlines()[0]
    assert "shop.py" in fault


def test_a_child_that_cannot_take_its_place_is_reported(
    faults_of: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
):
    """The pool is named, and the application is not imported."""

    def refuse(_settings: Settings, **_identity: object) -> None:
        raise PrivilegeError("it cannot", hint="be root")

    monkeypatch.setattr("prefork.worker.boot.take_place", refuse)
    assert faults_of(SOUND) == ["p.toml:1:7: pool.web: it cannot (be root)"]


def test_an_application_is_imported_in_its_own_process(faults_of: Callable[..., list[str]], tmp_path: Path):
    """With no child left behind."""
    faults_of(SOUND + f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n")
    pid = int((tmp_path / "pid").read_text())
    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_pool_whose_directory_is_not_there_is_not_imported(faults_of: Callable[..., list[str]]):
    """One mistake is one fault."""
    assert faults_of("raise 1", "app = 'shop:app'\ndirectory = '/nowhere'") == [
        "p.toml:3:1: pool.web.directory: there is no directory /nowhere"
    ]
