"""The packages that the tests install: this version, a newer one, and a newer one that cannot start."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.packaging.roots import digest, kept

REPOSITORY = Path(__file__).parents[2]
PACKAGING = REPOSITORY / "packaging"
THIS, NEWER, BROKEN = "0.1.0", "0.1.1", "0.1.2"


class Packages:
    """Built in the background from the first moment on; ``deb`` and ``rpm`` wait for theirs.

    Processes of one run that have the same ``scratch`` share what is there: each thing is made by the first that comes.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        scratch.mkdir(exist_ok=True)
        self._pool = ThreadPoolExecutor(2)
        self._libraries = self._pool.submit(self._once, "libraries", self._fetch)
        self._built = {
            (kind, version): self._pool.submit(self._once, f"{kind}-{version}", partial(self._build, kind, version))
            for kind in ("deb", "rpm")
            for version in (THIS, NEWER, BROKEN)
        }

    def _once(self, name: str, make: Callable[[], Path]) -> Path:
        """What ``make`` returned, in whichever process it ran."""
        made = self._scratch / f"{name}.made"
        with (self._scratch / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                made.write_text(str(make()))
            return Path(made.read_text())

    def _fetch(self) -> Path:
        program, pinned = (PACKAGING / "bundle" / name for name in ("bundle.py", "requirements.txt"))
        name = f"libraries-{digest(program.read_bytes(), pinned.read_bytes())}"

        def make(tree: Path) -> None:
            subprocess.run([sys.executable, str(program), str(tree)], check=True)

        return kept(name, make)

    def _build(self, kind: str, version: str) -> Path:
        tree = self.libraries()
        if version == BROKEN:
            tree = self._scratch / f"broken-{kind}"
            shutil.copytree(self.libraries(), tree)
            (tree / "structlog/__init__.py").write_text('raise ImportError("this library was broken on its way")\n')
        return build(
            kind, self._scratch / f"{kind}-{version}", "--libraries", str(tree), "--version", version, "--quick"
        )

    def libraries(self) -> Path:
        return self._libraries.result()

    def deb(self, version: str = THIS) -> Path:
        return self._built["deb", version].result()

    def rpm(self, version: str = THIS) -> Path:
        return self._built["rpm", version].result()

    def wheels(self, python: str = "3.13") -> Path:
        """A directory with prefork and all that it needs, for a Python of a machine: pip needs no network there."""
        return self._once(f"wheels-{python}", partial(self._gather, python))

    def _gather(self, python: str) -> Path:
        place = self._scratch / f"wheels-{python}"
        pip = [sys.executable, "-m", "pip", "-qq"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(place), str(REPOSITORY)], check=True)
        [wheel] = place.glob("prefork-*.whl")
        foreign = ["--python-version", python, "--only-binary", ":all:", "--dest", str(place)]
        subprocess.run([*pip, "download", *foreign, str(wheel)], check=True)
        return place

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)  # nobody waits for what is not begun


def build(kind: str, out: Path, *options: str) -> Path:
    """The package that packaging/build makes."""
    command = [sys.executable, str(PACKAGING / "build"), kind, "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())
