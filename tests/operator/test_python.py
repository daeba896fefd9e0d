"""``python = "..."``: the application under its own interpreter and virtual environment, of another Python version."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from contrib.bench.clients import load
from tests.operator.daemon import Preforkd, gone, open_to_others

TELLING = """
import sys
try:
    from pydantic import VERSION
except ImportError:
    VERSION = "none"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{sys.version_info[0]}.{sys.version_info[1]} {VERSION} {sys.prefix}".encode()]
"""
VERSIONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
OWN = "{}.{}".format(*sys.version_info)


def interpreters() -> dict[str, str]:
    """The Pythons that are here, by version, without the one that runs this."""
    found = {}
    for directory in [*VERSIONS.glob("3.*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]:
        for candidate in directory.glob("python3.[0-9]*"):
            version = candidate.name.removeprefix("python")
            if version != OWN and version.replace(".", "").isdigit() and works(str(candidate), version):
                found.setdefault(version, str(candidate))
    return found


def works(candidate: str, version: str) -> bool:
    command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == version


OTHERS = interpreters()
CURRENT = sorted(version for version in OTHERS if int(version[2:]) >= 10)
OLD = sorted(version for version in OTHERS if int(version[2:]) < 10)


def environment(python: str, home: Path, *packages: str) -> str:
    """The interpreter of a fresh virtual environment."""
    subprocess.run([python, "-m", "venv", str(home / "venv")], check=True)
    if packages:
        install: Sequence[str] = [str(home / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(install, check=True, capture_output=True)
    return str(home / "venv/bin/python")


OTHER = "no other Python from 3.10 on: Debian has one; 'pyenv install 3.10 3.13' brings two"
another_python = pytest.mark.skipif(not CURRENT, reason=OTHER)


def test_there_are_two_other_pythons():
    """The tests below mean as much as they can only then."""
    if len(CURRENT) < 2:
        pytest.skip(OTHER)


@another_python
@pytest.mark.parametrize("version", CURRENT[:1] + CURRENT[-1:])
@pytest.mark.parametrize("preload", ["true", "false"])
def test_another_version_serves_from_its_own_environment(daemon: Preforkd, version: str, preload: str):
    """Of an empty virtual environment: prefork brings what it needs. Reloads lose nothing."""
    python = environment(OTHERS[version], daemon.home)
    (daemon.home / "telling.py").write_text(TELLING)
    daemon.configure(app="telling:application", workers=2, pool=f'python = "{python}"\npreload = {preload}')
    assert daemon.run("-t").stdout == "ok\n"
    daemon.start()
    assert daemon.get()[1].decode().split()[0] == version
    assert daemon.get()[1].decode().split()[2] == str(daemon.home / "venv")
    with load(daemon.port) as clients:
        for generation in (2, 3):
            daemon.signal(signal.SIGHUP)
            daemon.expect("reload_done", generation=generation)
    assert clients.problems == []
    workers = daemon.workers()
    assert daemon.stop() == 0
    assert all(gone(pid) for pid in workers)


@another_python
def test_an_application_has_its_own_pydantic(daemon: Preforkd):
    """Version 1 beside the daemon's 2: its environment comes first, and what runs in workers needs neither."""
    python = environment(OTHERS[CURRENT[0]], daemon.home, "pydantic<2")
    (daemon.home / "telling.py").write_text(TELLING)
    daemon.configure(app="telling:application", pool=f'python = "{python}"\npreload = true')
    daemon.start()
    assert daemon.get()[1].decode().split()[1].startswith("1.")


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("/nonexistent/python", "/nonexistent/python cannot be executed: No such file or directory"),
        ("/bin/true", "a template ended before it was ready: exit code 0"),
        *((OTHERS[version], f"is Python {version}; prefork needs 3.10 or newer") for version in OLD[-1:]),
    ],
)
def test_an_interpreter_that_cannot_be_used_is_refused(daemon: Preforkd, python: str, reason: str):
    """By -t at its key, at the start with status 70, and by a reload, which changes nothing."""
    daemon.configure(pool=f'python = "{python}"')
    assert daemon.run("-t").returncode == 70
    started = daemon.run()
    assert started.returncode == 70
    assert reason in started.stderr.replace('\\"', '"')
    daemon.configure()
    daemon.start()
    daemon.configure(pool=f'python = "{python}"')
    daemon.signal(signal.SIGHUP)
    assert reason in daemon.expect("reload_refused")["reason"]
    assert daemon.get()[0] == 200


@another_python
def test_a_fault_of_the_application_is_told_by_its_own_interpreter(daemon: Preforkd):
    """-t imports it there, and has the traceback."""
    (daemon.home / "broken.py").write_text("raise RuntimeError('under ' + __import__('sys').prefix)\n")
    python = environment(OTHERS[CURRENT[0]], daemon.home)
    daemon.configure(app="broken:app", pool=f'python = "{python}"')
    checked = daemon.run("-t")
    assert checked.returncode == 70
    assert f"RuntimeError: under {daemon.home}/venv" in checked.stderr
    started = daemon.run()
    assert started.returncode == 70
    assert f"RuntimeError: under {daemon.home}/venv" in started.stderr


@another_python
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its identity")
def test_nothing_of_its_environment_runs_as_root(daemon: Preforkd):
    """Not even what the interpreter imports before the application: the identity is taken before the exec."""
    open_to_others(daemon.home)
    python = environment(OTHERS[CURRENT[0]], daemon.home)
    [packages] = (daemon.home / "venv/lib").glob("*/site-packages")
    said = daemon.home / "said"
    said.touch()
    said.chmod(0o666)
    code = f"import os; print(os.geteuid(), file=open({str(said)!r}, 'a'))\n"
    (packages / "early.pth").write_text(f"import os; exec({code!r})\n")
    daemon.configure(master='user = "nobody"', pool=f'python = "{python}"')
    daemon.start()
    assert daemon.get("/identity")[0] == 200
    assert set(said.read_text().split()) & {"0"} == set()
    assert said.read_text()
