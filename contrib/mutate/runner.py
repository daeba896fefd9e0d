"""A process in which the tests of one module are run again and again, each time in a fork, with another version of it.

It has imported pytest, and whatever the tests need that does not depend on the module; so a run costs the tests and
little else. It is spoken to over its standard streams: the text of the module in a JSON line, answered by a word.
``Runner`` is the parent's end of it, and of ``swapper``, which is quicker and cannot judge every mutant.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

TOO_LONG = 30.0  # seconds of the processor that the tests may take: a mutant that loops is noticed too
TOO_MUCH = 4 << 30  # bytes that a mutant may fill
ARGUMENTS = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-seed=0")
ROOMS = ("prefork", "tests")


class Runner:
    """The parent's end. ``tree`` is a copy that may be written to; ``paths`` the module in it, or for a swapper all."""

    def __init__(self, tree: Path, paths: Iterable[str], tests: Iterable[str], kind: str = "runner") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", f"contrib.mutate.{kind}", ",".join(paths), *tests],
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, path: str, source: str, line: int) -> str:
        """``noticed`` if a test fails when the module reads so, else ``unnoticed``; ``import``: ask another kind.

        RuntimeError if the process has ended, as it does where the tests fail without a change.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"path": path, "source": source, "line": line}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the tests fail without a change, or the process that runs them has died")
        return answer

    def end(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Quick:
    """A plugin: a failing example is not made smaller, nor remembered."""

    @staticmethod
    def pytest_collection() -> None:
        """After ``conftest.py`` has loaded a profile, before tests take it over."""
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings(), phases=phases, database=None, deadline=None)
        settings.load_profile("mutants")


def limited(seconds: float) -> None:
    """Have this process killed after so many seconds of the processor, which others that are busy do not shorten."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    resource.setrlimit(resource.RLIMIT_DATA, (TOO_MUCH, TOO_MUCH))
    signal.alarm(300)  # one that waits for ever


def silenced() -> TextIO:
    """The standard output under another number; what is written to the usual ones from now on is lost."""
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    return answers


def dependents(module: str, root: Path) -> set[str]:
    """The modules of the tree that import this one, or one that does; itself included."""
    imports = {name: _imports(path) for name, path in _modules(root)}
    found = {module}
    while True:
        more = {name for name, imported in imports.items() if imported & found} - found
        if not more:
            return found
        found |= more


def _modules(root: Path) -> Iterable[tuple[str, Path]]:
    for room in ROOMS:
        for path in (root / room).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _warm(affected: set[str], tests: list[str]) -> None:
    """Import what the tests import, as far as it does not depend on the module."""
    wanted: set[str] = {"pytest", "hypothesis"}
    for name in {Path(test).with_suffix("").as_posix().replace("/", ".") for test in tests} | affected:
        path = Path(name.replace(".", "/") + ".py")
        if path.exists():
            wanted |= _imports(path)
    for name in sorted(wanted - affected):
        with contextlib.suppress(ImportError):  # the name of something in a module
            importlib.import_module(name)
    for name in [name for name in sys.modules if name in affected or name.startswith("tests.")]:
        del sys.modules[name]
        package, _, last = name.rpartition(".")
        if hasattr(sys.modules.get(package), last):
            delattr(sys.modules[package], last)  # else ``from package import it`` finds the old one


def _run(tests: list[str]) -> int:
    """The status of pytest, in a fork; not 0 also for one that takes too long."""
    pid = os.fork()
    if pid == 0:
        import pytest

        limited(TOO_LONG)
        os._exit(int(pytest.main([*ARGUMENTS, *tests], plugins=[Quick()])))
    _pid, ending = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(ending)


def main() -> None:
    path, *tests = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    module = path.removesuffix(".py").replace("/", ".")
    answers = silenced()
    _warm(dependents(module, Path.cwd()), tests)
    for line in sys.stdin:
        Path(path).write_text(json.loads(line)["source"])
        answers.write("noticed\n" if _run(tests) else "unnoticed\n")
        answers.flush()


if __name__ == "__main__":
    main()
