"""contrib/upgrade: for those without packages, as they use it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contrib.bench.clients import load
from tests.gestures.conftest import answered
from tests.operator.daemon import Preforkd, gone
from tests.packaging.packages import NEWER, REPOSITORY, THIS

SCRIPT = REPOSITORY / "contrib/upgrade"
APP = """
import prefork

def app(environ, start_response):
    body = prefork.__version__.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """This version, a newer one, and one that cannot be a master."""
    made = {}
    for version in (THIS, NEWER, "0.1.2"):
        tree = tmp_path_factory.mktemp("tree")
        shutil.copytree(REPOSITORY / "prefork", tree / "prefork", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, tree)
        init = tree / "prefork/__init__.py"
        init.write_text(init.read_text().replace(f'"{THIS}"', f'"{version}"'))
        if version == "0.1.2":
            (tree / "prefork/arbiter/loop.py").write_text("raise RuntimeError('this version was not tried')\n")
        pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", str(tree), str(tree)]
        subprocess.run(pip, check=True)
        made[version] = next(tree.glob("*.whl"))
    return made


@pytest.fixture
def upgrade(daemon: Preforkd, wheels: dict[str, Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    home = daemon.home / "opt"

    def run(version: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            "sh",
            str(SCRIPT),
            "-c",
            str(daemon.file),
            "-p",
            sys.executable,
            *options,
            str(home),
            str(wheels[version]),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)

    return run


def test_it_installs_upgrades_and_backs_out(daemon: Preforkd, upgrade: Callable[..., subprocess.CompletedProcess[str]]):
    """From nothing to a newer version, by way of a version that cannot start and a check that fails; nothing is lost."""
    (daemon.home / "app.py").write_text(APP)
    daemon.configure(app="app:app", more=f'[control]\nsocket = "{daemon.home}/control.sock"')
    current = daemon.home / "opt/current"
    done = upgrade(THIS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"upgrade: nothing runs; start it: {current}/bin/preforkd -c {daemon.file}"
    first = os.readlink(current)
    daemon.command = lambda: [f"{current}/bin/preforkd", "-c", str(daemon.file)]  # type: ignore[method-assign]
    daemon.start()
    assert daemon.get() == (200, THIS.encode())

    with load(daemon.port) as clients:
        answered(clients, 20)
        done = upgrade("0.1.2")
        assert done.returncode == 1
        assert "this version was not tried" in done.stderr
        assert f"backed out; master {daemon.pid} serves on" in done.stderr or "does not take" in done.stderr
        done = upgrade(NEWER, "-k", f'test "$(curl --silent http://127.0.0.1:{daemon.port}/)" = 9.9.9')
        assert done.returncode == 1
        assert "the check has failed" in done.stderr
        assert f"backed out; master {daemon.pid} serves on" in done.stderr
        assert os.readlink(current) == first
        assert [path.name for path in current.parent.iterdir() if path.name != "current"] == [Path(first).name]
        assert daemon.get() == (200, THIS.encode())
        done = upgrade(NEWER, "-k", f'test "$(curl --silent http://127.0.0.1:{daemon.port}/)" = {NEWER}')
        assert done.returncode == 0, done.stdout + done.stderr
        answered(clients, clients.answered + 20)
    assert clients.problems == []
    assert daemon.wait() == 0
    new = int(daemon.pidfile.read_text())
    daemon._pids.add(new)
    assert "take long" not in done.stdout
    assert f"done: master {new} serves prefork {NEWER}" in done.stdout
    assert daemon.get() == (200, NEWER.encode())
    daemon.signal(signal.SIGTERM, new)
    assert gone(new)


def test_its_usage_is_printed():
    """For whoever asks, and for whoever errs."""
    for arguments, code in (["-h"], 0), ([], 64), (["-x", "a", "b"], 64), (["only-home"], 64):
        done = subprocess.run(["sh", str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "upgrade [-c FILE] [-k CHECK] [-p PYTHON] HOME REQUIREMENT" in done.stdout + done.stderr


def test_it_is_sound_posix_shell():
    """So is everything else that a shell runs here."""
    if not shutil.which("shellcheck"):
        pytest.skip("there is no shellcheck")
    scripts = [SCRIPT, *(REPOSITORY / "packaging/maintain").iterdir(), REPOSITORY / "packaging/debian/prefork.rtupdate"]
    scripts += [REPOSITORY / "packaging/debian" / name for name in ("preinst", "postinst", "prerm", "postrm")]
    done = subprocess.run(["shellcheck", *map(str, scripts)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert all(script.read_text().startswith("#!/bin/sh\n") for script in scripts)
