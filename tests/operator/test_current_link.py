"""Releases in directories of their own, and ``current``, a symbolic link to one of them: P7."""

from __future__ import annotations

import os
import platform
import signal
import sys
import sysconfig
from pathlib import Path

import pytest

from prefork import __version__
from tests.operator.daemon import Preforkd, gone

APPLICATION = """\
import sys
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{NAME} {sys.prefix}".encode()]
"""
SCRIPT = "import sys\nfrom prefork.cli import main\nsys.exit(main())\n"


@pytest.fixture
def current(daemon: Preforkd, tmp_path: Path) -> Path:
    """The link, to release 1; each release has its configuration, its code and a virtual environment."""
    for number in ("1", "2"):
        release = tmp_path / "releases" / number
        environment(release / "venv")
        (release / f"app{number}.py").write_text(APPLICATION.replace("NAME", f"'release {number}'"))
        daemon.configure(app=f"app{number}:application", pool=f'environment = {{ RELEASE = "{number}" }}')
        text = daemon.file.read_text().replace(f'directory = "{daemon.home}"\n', "")
        (release / "prefork.toml").write_text(text)
        (release / "prefork.d").mkdir()
    point(tmp_path / "current", "1")
    return tmp_path / "current"


def environment(place: Path) -> None:
    """A virtual environment that sees what this one has, and a script as pip writes it."""
    (place / "bin").mkdir(parents=True)
    (place / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    (place / "bin/python").symlink_to(Path(sys.executable).resolve())
    packages = place / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    ours = {sysconfig.get_path("purelib"), str(Path(__file__).parents[2])}
    (packages / "ours.pth").write_text("".join(f"{path}\n" for path in sorted(ours)))
    script = place / "bin/preforkd"
    script.write_text(f"#!{place}/bin/python\n{SCRIPT}")
    script.chmod(0o755)


def point(link: Path, release: str) -> None:
    link.with_name("next").symlink_to(f"releases/{release}")
    os.replace(link.with_name("next"), link)


def start(daemon: Preforkd, current: Path, command: list[str], file: str) -> None:
    daemon.command = lambda *arguments: [*command, "-c", file, *arguments]  # type: ignore[method-assign]
    daemon.start(cwd=current, env={**daemon.environment(), "PWD": str(current)})


@pytest.mark.parametrize("file", ["prefork.toml", "./prefork.toml"])
def test_hup_after_the_link_has_moved_takes_the_new_configuration_and_code(daemon: Preforkd, current: Path, file: str):
    """The directory where it was started is known by its name, and followed anew."""
    start(daemon, current, [sys.executable, "-m", "prefork"], file)
    assert daemon.get()[1].startswith(b"release 1 ")
    point(current, "2")
    daemon.signal(signal.SIGHUP)
    daemon.expect("reload_done")
    assert daemon.get()[1].startswith(b"release 2 ")


def test_usr2_takes_the_interpreter_that_the_script_names_now(daemon: Preforkd, current: Path):
    """The virtual environment is a part of the release: the successor has that of the new one."""
    start(daemon, current, [str(current / "venv/bin/preforkd")], "prefork.toml")
    assert daemon.get()[1].decode() == f"release 1 {current.parent}/releases/1/venv"
    point(current, "2")
    daemon.signal(signal.SIGUSR2)
    ready = daemon.expect("upgrade_ready")
    successor = daemon.watch(int(ready["successor"]))
    for field, release in (("runs", "1"), ("successor_runs", "2")):
        assert f"({current.parent}/releases/{release}/venv/bin/python)" in ready[field]
        assert ready[field].startswith(f"prefork {__version__}, Python {platform.python_version()}")
    assert daemon.stop() == 0
    assert daemon.get()[1].decode() == f"release 2 {current.parent}/releases/2/venv"
    daemon.signal(signal.SIGTERM, successor)
    assert gone(successor)
