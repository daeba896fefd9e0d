"""A machine with a real systemd as its first process: booted, entered, watched from outside, and never left behind.

It is a systemd-nspawn container over a read-only root of ``roots``, with a network of its own. Whatever a test does to
its files is in a layer that goes with it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from tests.needs import missing
from tests.operator.daemon import PATIENCE, until

CLEAN = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
CGROUPS = Path("/sys/fs/cgroup")
NUMBERS = itertools.count()
REPOSITORY = Path(__file__).parents[2]


def hindrance() -> str:
    """Why no machine can be booted here; empty if one can."""
    if os.geteuid() != 0:
        return "only root boots machines"
    return missing("systemd-nspawn", "mmdebstrap", "nsenter", "ip")


class Machine:
    """``with Machine(root, scratch, "name") as machine``: booted inside, and gone afterwards."""

    def __init__(self, root: Path, scratch: Path, name: str, binds: Mapping[Path, str] | None = None) -> None:
        self.name = f"{name}-{os.getpid()}-{next(NUMBERS)}"
        self._layers = scratch
        self.root = scratch / "root"
        self._lower = root
        self._binds = binds or {}  # directories of ours, and where it finds them
        self.first = 0  # the pid of its systemd, as seen from here; 0 while it is off
        self._nspawn: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:  # noqa: PYI034 - nothing is derived from it
        for layer in ("changes", "work", "root"):
            (self._layers / layer).mkdir(parents=True)
        layers = f"lowerdir={self._lower},upperdir={self._layers}/changes,workdir={self._layers}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        try:
            (self.root / "etc/hostname").write_text(f"{self.name}\n")
            self.boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.power_off(hard=True)
        subprocess.run(["umount", "--recursive", "--lazy", str(self.root)], check=False)

    def boot(self) -> None:
        """Until the manager answers."""
        groups = [CGROUPS / kind / self.name for kind in ("unified", "systemd") if (CGROUPS / kind).exists()]
        self._groups = groups or [CGROUPS / self.name]

        def enter() -> None:
            for group in self._groups:
                group.mkdir(exist_ok=True)
                (group / "cgroup.procs").write_text(str(os.getpid()))

        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={self.name}", "--boot"]
        command += ["--keep-unit", "--register=no", "--private-network", "--console=pipe", "--kill-signal=SIGRTMIN+3"]
        command += [f"--bind-ro={ours}:{its}" for ours, its in self._binds.items()]
        console = open(self._layers / "console", "ab")  # noqa: SIM115 - the child has it
        self._nspawn = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            preexec_fn=enter,  # noqa: PLW1509 - no thread of ours holds anything that it needs
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        console.close()
        self.first = until(self._first_process, f"{self.name} to boot: see {self._layers}/console")
        until(
            lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"),
            "systemd",
        )

    def _first_process(self) -> int:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, (self._layers / "console").read_text(errors="replace")
        found = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return int(found[0]) if found and Path(f"/proc/{found[0]}/root/run/systemd/private").exists() else 0

    def power_off(self, *, hard: bool = False) -> None:
        """In order, as by its button; or at once."""
        if self._nspawn is None:
            return
        if hard:
            for group in self._groups:
                with contextlib.suppress(OSError):
                    (group / "cgroup.kill").write_text("1")
            self._nspawn.kill()
        else:
            self._nspawn.send_signal(signal.SIGTERM)
        self._nspawn.wait(PATIENCE)
        self._nspawn = None
        self.first = 0
        until(self._groups_removed, "the last of its processes to end")

    def _groups_removed(self) -> bool:
        for group in self._groups:
            for below in (*sorted(group.rglob("*/"), reverse=True), group):
                with contextlib.suppress(OSError):
                    below.rmdir()
        return not any(group.exists() for group in self._groups)

    def reboot(self) -> None:
        """In order."""
        self.power_off()
        self.boot()

    # What is done in it.

    @property
    def files(self) -> Path:
        """Its root directory; while it runs, as it sees it itself, with what is mounted there."""
        return Path(f"/proc/{self.first}/root") if self.first else self.root

    def run(self, *command: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command as root, in a clean environment; while it is off, as whoever prepares an image runs it."""
        enter = ["nsenter", "--target", str(self.first), "--all"] if self.first else ["chroot", str(self.root)]
        enter += [*CLEAN, *command]
        done = subprocess.run(enter, capture_output=True, text=True, input=text, timeout=300, check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A line of shell."""
        return self.run("sh", "-c", script, check=check)

    def property(self, unit: str, name: str) -> str:
        """Of a unit, as systemctl shows it."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def await_property(self, unit: str, name: str, wanted: Callable[[str], bool], patience: float = PATIENCE) -> str:
        """Its value, when it is as wanted."""
        return (
            until(
                lambda: (value := self.property(unit, name)) and wanted(value) and value, f"{name} of {unit}", patience
            )
            or ""
        )

    def write(self, path: str, text: str) -> None:
        """A file of the machine."""
        target = self.files / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def read(self, path: str) -> str:
        """A file of the machine."""
        return (self.files / path.lstrip("/")).read_text()

    def journal(self, unit: str, *options: str) -> str:
        """What a unit has said."""
        return self.run("journalctl", "--unit", unit, "--no-pager", "--output=cat", *options).stdout

    def install(self, package: Path, *, check: bool = True) -> str:
        """Install a package, or another version of it, and keep what was changed of its configuration; what it says."""
        target = self.files / "root" / package.name
        shutil.copyfile(package, target)
        deb = ["dpkg", "--force-confold", "--force-unsafe-io", "--install", f"/root/{package.name}"]
        rpm = ["rpm", "--upgrade", "--oldpackage", "--verbose", f"/root/{package.name}"]
        done = self.run(*(deb if package.suffix == ".deb" else rpm), check=check)
        target.unlink()
        return done.stdout + done.stderr

    # Its clients.

    def in_its_network(self, command: list[str], **popen: object) -> subprocess.Popen[str]:
        """A program of ours, that sees its network and our files."""
        enter = ["nsenter", "--target", str(self.first), "--net", *command]
        return subprocess.Popen(
            enter, cwd=REPOSITORY, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen
        )  # type: ignore[call-overload, no-any-return]

    def get(self, path: str = "/", port: int = 8000) -> str:
        """The body of an answer with status 200, else the status; from within."""
        script = f"""
import urllib.request, urllib.error
try:
    print(urllib.request.urlopen("http://127.0.0.1:{port}{path}", timeout=30).read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.code, end="")
except OSError as error:
    print(error, end="")
"""
        return self.in_its_network([sys.executable, "-c", script]).communicate()[0]

    @contextlib.contextmanager
    def load(self, port: int = 8000, path: str = "/") -> Iterator[Lost]:
        """Clients for the length of a gesture; ``Lost`` is filled in at its end."""
        lost = Lost()
        process = self.in_its_network([sys.executable, "-m", "tests.packaging.load", str(port), path])
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        try:
            yield lost
        finally:
            said, _ = process.communicate("", timeout=PATIENCE * 2)
            assert process.returncode == 0, "no answers any more: standard error says since when"
            lost.fill(said)


class Lost:
    """What the clients of a gesture have lost."""

    answered = 0
    slowest = 0.0
    problems: tuple[str, ...] = ()

    def fill(self, said: str) -> None:
        found = json.loads(said)
        self.answered, self.slowest, self.problems = found["answered"], found["slowest"], tuple(found["problems"])
