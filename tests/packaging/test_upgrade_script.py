"""contrib/upgrade: for those without packages, as they use it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from contrib.bench.clients import load
from tests.gestures.conftest import answered
from tests.operator.daemon import PATIENCE, Preforkd, gone
from tests.packaging.packages import NEWER, REPOSITORY, THIS

SCRIPT = REPOSITORY / "contrib/upgrade"
APP = """
import prefork, time
from pathlib import Path

def hold():
    while Path("hold").exists():
        time.sleep(0.01)

def app(environ, start_response):
    body = prefork.__version__.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all wheels, those that prefork needs too; pip asks no network, and compiles no more than is imported."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory, place: Path) -> dict[str, Path]:
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
        alone = [] if version == THIS else ["--no-deps"]
        pip = [sys.executable, "-m", "pip", "wheel", "-qq", *alone, "--wheel-dir", str(place), str(tree)]
        subprocess.run(pip, check=True)
        [made[version]] = place.glob(f"prefork-{version}-*.whl")
    return made


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the script makes its environments; between two tests there is one, with this version."""
    return tmp_path_factory.mktemp("opt")


class Upgrade:
    """The script, told to bring a version to a daemon; ``current`` leads to the environment in use."""

    def __init__(self, daemon: Preforkd, wheels: dict[str, Path], opt: Path) -> None:
        self.daemon, self._wheels = daemon, wheels
        self.home = opt
        self.current = self.home / "current"

    def begin(self, version: str, *options: str) -> subprocess.Popen[str]:
        """In a process group of its own, as a shell starts it; a terminal that is lost is no matter of the tests' own."""
        command = [
            "env",
            "--default-signal=HUP",
            "sh",
            str(SCRIPT),
            "-c",
            str(self.daemon.file),
            "-p",
            sys.executable,
            *options,
        ]
        command += [str(self.home), str(self._wheels[version])]
        elsewhere = self._place_of_others()
        links = str(self._wheels[version].parent)
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links, "PIP_NO_COMPILE": "1"}
        env = {**os.environ, **pip}
        return subprocess.Popen(
            command, cwd=elsewhere, env=env, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True
        )

    def _place_of_others(self) -> Path:
        """A directory to be in, of whose modules nothing may be imported."""
        place = self.daemon.home / "elsewhere"
        for name in ("json.py", "prefork/__init__.py", "pip/__init__.py", "venv/__init__.py"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(f"raise RuntimeError('{name} of the current directory was imported')\n")
        return place

    def __call__(self, version: str, *options: str) -> subprocess.CompletedProcess[str]:
        with self.begin(version, *options) as process:
            out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def kept(self) -> list[str]:
        """The names of the environments."""
        return sorted(path.name for path in self.home.iterdir() if path != self.current)


@pytest.fixture
def upgrade(daemon: Preforkd, wheels: dict[str, Path], opt: Path) -> Iterator[Upgrade]:
    """With this version installed, and serving."""
    (daemon.home / "app.py").write_text(APP)
    hold = '[pool.web.hooks]\npost_fork = "app:hold"'
    daemon.configure(app="app:app", more=f'{hold}\n[control]\nsocket = "{daemon.home}/control.sock"')
    script = Upgrade(daemon, wheels, opt)
    if not script.current.is_symlink():
        install(script)
    first = os.readlink(script.current)
    daemon.command = lambda: [f"{script.current}/bin/preforkd", "-c", str(daemon.file)]  # type: ignore[method-assign]
    daemon.start()
    assert daemon.get() == (200, THIS.encode())
    yield script
    for name in {*script.kept} - {Path(first).name}:
        shutil.rmtree(script.home / name)
    script.current.unlink()
    script.current.symlink_to(first)


def install(script: Upgrade) -> None:
    """For the first time, beside what a run that was killed has left."""
    left = script.home / "left"
    left.mkdir(parents=True)
    (script.home / "current.new").symlink_to(left)
    done = script(THIS)
    assert done.returncode == 0, done.stdout + done.stderr
    last = f"upgrade: nothing runs; start it: {script.current}/bin/preforkd -c {script.daemon.file}"
    assert done.stdout.splitlines()[-1] == last
    assert os.readlink(script.current) != str(left)
    assert not list(left.iterdir())
    left.rmdir()


def test_it_upgrades_and_backs_out(daemon: Preforkd, upgrade: Upgrade):
    """To a newer version, by way of one that cannot start and a check that fails; nothing is lost."""
    first = os.readlink(upgrade.current)
    with load(daemon.port) as clients:
        answered(clients, 20)
        done = upgrade("0.1.2")
        assert done.returncode == 1
        assert "this version was not tried" in done.stderr
        assert f"backed out; master {daemon.pid} keeps serving" in done.stderr or "does not take" in done.stderr
        # By then the file is one that the old version, whose workers rest, does not take.
        wrong = f"echo 'what = 1' >>{daemon.file}; curl --silent http://127.0.0.1:{daemon.port}/ | grep 9.9.9"
        sound = daemon.file.read_text()
        done = upgrade(NEWER, "-k", wrong)
        daemon.file.write_text(sound)
        assert done.returncode == 1
        assert "the check has failed" in done.stderr
        assert f"backed out; master {daemon.pid} keeps serving" in done.stderr
        assert os.readlink(upgrade.current) == first
        assert upgrade.kept == [Path(first).name]
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


def test_whatever_breaks_it_off_leaves_one_that_serves(daemon: Preforkd, upgrade: Upgrade):
    """A terminal that is lost before the successor is ready; then an old master that dies while there are two."""
    first = os.readlink(upgrade.current)
    (daemon.home / "hold").touch()
    with upgrade.begin(NEWER) as process:
        daemon.events.expect("upgrade_started", 240)  # an environment is made before that
        os.killpg(process.pid, signal.SIGHUP)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"backed out; master {daemon.pid} keeps serving as before" in err
    daemon.expect("upgrade_ended")
    assert os.readlink(upgrade.current) == first
    assert upgrade.kept == [Path(first).name]
    (daemon.home / "hold").unlink()

    socket = daemon.home / "control.sock"
    socket.rename(daemon.home / "hidden")
    done = upgrade(NEWER)
    assert (done.returncode, upgrade.kept) == (1, [Path(first).name])
    assert f"process {daemon.pid} of the pidfile cannot be asked: preforkctl: there is no control socket" in done.stderr
    (daemon.home / "hidden").rename(socket)

    daemon.signal(signal.SIGUSR2)  # somebody else's upgrade is not ours to back out
    other = daemon.successor()
    done = upgrade(NEWER)
    assert (done.returncode, upgrade.kept) == (1, [Path(first).name])
    assert "another upgrade is under way" in done.stderr
    assert not gone(other, 0)
    daemon.signal(signal.SIGTERM, other)
    daemon.expect("upgrade_backed_out")

    died = f"grep -q ') Z ' /proc/{daemon.pid}/stat"  # nobody reaps it here yet
    done = upgrade(NEWER, "-k", f"kill -KILL {daemon.pid}; until {died}; do sleep 0.1; done; false")
    new = daemon.successor()
    assert done.returncode == 1
    assert f"not backed out, master {new} serves, from {os.readlink(upgrade.current)}" in done.stderr
    assert daemon.get() == (200, NEWER.encode())
    daemon.signal(signal.SIGTERM, new)
    assert gone(new)


def test_a_master_that_starts_what_it_was_is_told_of(daemon: Preforkd, upgrade: Upgrade):
    """It was started from elsewhere than "current": then its successor is what it was, and that is no upgrade."""
    first = os.readlink(upgrade.current)
    assert daemon.stop() == 0
    daemon.command = type(daemon).command.__get__(daemon)  # type: ignore[method-assign]
    daemon.start()
    done = upgrade(NEWER)
    assert done.returncode == 1
    assert f"master {daemon.pid} has started its own version again, {THIS}" in done.stderr
    assert f"backed out; master {daemon.pid} keeps serving as before" in done.stderr
    assert (os.readlink(upgrade.current), upgrade.kept) == (first, [Path(first).name])


def test_its_usage_is_printed():
    """For whoever asks, and for whoever errs."""
    for arguments, code in (["-h"], 0), ([], 64), (["-x", "a", "b"], 64), (["only-home"], 64):
        done = subprocess.run(["sh", str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "upgrade [-c FILE] [-k CHECK] [-p PYTHON] HOME REQUIREMENT" in done.stdout + done.stderr


@pytest.mark.needs("shellcheck")
def test_it_is_sound_posix_shell():
    """So is everything else that a shell runs here."""
    scripts = [SCRIPT, *(REPOSITORY / "packaging/maintain").iterdir(), REPOSITORY / "packaging/debian/prefork.rtupdate"]
    scripts += [REPOSITORY / "packaging/debian" / name for name in ("preinst", "postinst", "prerm", "postrm")]
    done = subprocess.run(["shellcheck", *map(str, scripts)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert all(script.read_text().startswith("#!/bin/sh\n") for script in scripts)
