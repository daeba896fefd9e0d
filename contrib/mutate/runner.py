"""A process in which the tests of one module are run again and again, each time in a fork, with another version of it.

It has imported pytest, and whatever the tests need that does not depend on the module; so a run costs the tests and
little else. It is spoken to over its standard streams: the text of the module as a JSON line, answered by a word.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

TOO_LONG = 60  # seconds that the tests may take: a mutant that loops is noticed too
ROOMS = ("prefork", "tests")


class Runner:
    """The parent's end. ``tree`` is a copy that may be written to; ``path`` the module in it."""

    def __init__(self, tree: Path, path: str, tests: Iterable[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "contrib.mutate.runner", path, *tests],
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def notices(self, source: str) -> bool:
        """Whether a test fails when the module reads so."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(source) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the process that runs the tests has ended")
        return answer == "noticed"

    def end(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


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
    """The status of pytest, in a fork; 1 also for one that takes too long."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(TOO_LONG)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        import pytest

        status = pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests])
        os._exit(int(status))
    _pid, ending = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(ending)


def main() -> None:
    path, *tests = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    module = path.removesuffix(".py").replace("/", ".")
    _warm(dependents(module, Path.cwd()), tests)
    for line in sys.stdin:
        Path(path).write_text(json.loads(line))
        sys.stdout.write("noticed\n" if _run(tests) else "unnoticed\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
