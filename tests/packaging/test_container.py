"""contrib/container: built by a real engine, and run as the first process of a container.

The base is Debian's Python in place of the official image, which is on a registry that tests do not ask.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import missing, skip
from tests.operator.daemon import until
from tests.packaging.machine import hindrance
from tests.packaging.packages import REPOSITORY, Packages
from tests.packaging.roots import archive_of, root_of

# Cores may lack the right to raise these, and the older of the two runtimes knows every layout of cgroups.
LIMITS = ["--ulimit", "nofile=8192:8192", "--ulimit", "nproc=1000:1000"]
ORPHAN = "import os, time\\nif os.fork() == 0:\\n    if os.fork() == 0: time.sleep(0.2)\\n    os._exit(0)\\nos.wait()"


class Engine:
    """podman with a store of its own."""

    def __init__(self, scratch: Path) -> None:
        self._run = tempfile.mkdtemp(prefix="engine-")  # podman takes 50 characters at most
        places = ["--root", str(scratch / "store"), "--runroot", self._run, "--storage-driver", "overlay"]
        self._podman = ["podman", *places, "--cgroup-manager", "cgroupfs", "--runtime", "runc"]
        self._scratch = scratch

    def __call__(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*self._podman, *command], capture_output=True, text=True, check=False, timeout=300)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def close(self) -> None:
        self("rm", "--all", "--force", "--time", "0", check=False)
        self("rmi", "--all", "--force", check=False)
        shutil.rmtree(self._run)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    skip(hindrance() or missing("podman", "runc"))
    one = Engine(tmp_path_factory.mktemp("engine"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def image(engine: Engine, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The directory as it is, with prefork from here."""
    context = tmp_path_factory.mktemp("image") / "context"
    shutil.copytree(REPOSITORY / "contrib/container", context)
    engine("import", "--quiet", str(archive_of(root_of("trixie"))), "base")
    arguments = ["--build-arg", "BASE=localhost/base", "--volume", f"{packages.wheels()}:/wheels:ro"]
    arguments += ["--env", "PIP_FIND_LINKS=/wheels", "--env", "PIP_NO_INDEX=1", *LIMITS]
    engine("build", "--quiet", "--isolation", "chroot", "--network", "host", *arguments, "--tag", "shop", str(context))
    return "shop"


@pytest.fixture
def container(engine: Engine, image: str) -> Iterator[str]:
    """One that serves."""
    name = engine("run", "--detach", "--network", "none", *LIMITS, image).stdout.strip()
    until(lambda: "service_ready" in logs(engine, name), "the service")
    yield name
    print(logs(engine, name))
    engine("rm", "--force", "--time", "0", name)


def logs(engine: Engine, name: str) -> str:
    return engine("logs", name).stderr


def python(engine: Engine, name: str, script: str) -> str:
    return engine("exec", name, "/opt/app/bin/python", "-c", script).stdout


def ask(path: str = "/") -> str:
    return f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000{path}').read().decode(), end='')"


def test_preforkd_is_the_first_process_and_serves(engine: Engine, container: str):
    """As a user without rights, with its log on standard error, the access log too."""
    assert python(engine, container, ask()) == "hello from a container\n"
    assert python(engine, container, "print(open('/proc/1/cmdline').read())").startswith("prefork: master")
    assert engine("exec", container, "id", "-un").stdout == "app\n"
    events = [json.loads(line) for line in logs(engine, container).splitlines()]
    assert {"master_started", "worker_ready", "service_ready"} <= {event.get("event") for event in events}
    until(lambda: '"status": 200' in logs(engine, container), "the access log")


def test_it_reaps_orphans(engine: Engine, container: str):
    """Whatever is left behind in the container ends as its child, and leaves no zombie."""
    python(engine, container, ORPHAN.replace("\\n", "\n"))
    zombies = "import glob; print([p for p in glob.glob('/proc/[0-9]*/stat') if ') Z ' in open(p).read()])"
    until(lambda: python(engine, container, zombies) == "[]\n", "the zombies to go")


def test_the_engine_s_signals_arrive(engine: Engine, container: str):
    """HUP reloads."""
    engine("kill", "--signal", "HUP", container)
    until(lambda: "reload_done" in logs(engine, container), "the reload")
    assert python(engine, container, ask()) == "hello from a container\n"


def test_a_stop_is_graceful(engine: Engine, container: str):
    """It ends by itself, long before the engine loses patience, with exit status 0."""
    engine("stop", "--time", "40", container)
    said = engine("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip()
    assert said == "0"
    events = [json.loads(line) for line in logs(engine, container).splitlines()]
    assert events[-1]["event"] == "master_stopped"
