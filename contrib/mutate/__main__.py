"""Change a module in every small way, and see whether its tests notice: ``python3 -m contrib.mutate MODULE.py ...``.

The work is done in a temporary copy of the tree, by forks of a process that has imported everything but what depends
on the module. A mutant that no test notices is a survivor: a test is missing, or it changes nothing that anybody could
see, and then it belongs into ``equivalent.toml``, with the reason. Exits with 1 when less than ``--least`` percent of
the mutants that change behaviour are noticed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from contrib.mutate.mutants import Mutant, mutants
from contrib.mutate.runner import Runner

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIED = ("prefork", "tests", "contrib", "packaging")


@dataclass
class Verdict:
    """What became of one mutant: ``killed``, ``survived`` or ``equivalent``."""

    path: str
    mutant: Mutant
    outcome: str


def main() -> int:
    options = _options()
    listed = tomllib.loads((HERE / "equivalent.toml").read_text())
    known = {(one["file"], one["where"], one["change"]) for one in listed["equivalent"]}
    verdicts: list[Verdict] = []
    chosen: list[tuple[str, Mutant]] = []
    for path in options.files:
        found = list(mutants((ROOT / path).read_text()))
        _complain_of_stale(path, found, known)
        tried = [mutant for mutant in found if (path, mutant.where, mutant.change) not in known]
        verdicts += [Verdict(path, mutant, "equivalent") for mutant in found if mutant not in tried]
        if options.most and len(tried) > options.most:
            tried = sorted(random.Random(options.seed).sample(tried, options.most), key=lambda one: one.line)
        chosen += [(path, mutant) for mutant in tried]
    tests = {path: options.tests or files_for(path, listed["tests"]) for path in options.files}
    for verdict in run(chosen, tests, options.jobs):
        verdicts.append(verdict)
        where = f"{verdict.path}:{verdict.mutant.line}: {verdict.mutant.where}"
        stream = sys.stdout if verdict.outcome == "survived" else sys.stderr
        stream.write(f"{verdict.outcome}: {where}: {verdict.mutant.change}\n")
        stream.flush()
    for path in options.files:
        report(path, [one for one in verdicts if one.path == path])
    report("all", verdicts)
    return 1 if _share(verdicts) < options.least else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="contrib.mutate", description=__doc__)
    parser.add_argument("files", nargs="+", help="modules, from the root of the tree")
    parser.add_argument("--jobs", type=int, default=1, help="processes that test at a time")
    parser.add_argument("--most", type=int, default=0, help="mutants of a module that are tried; 0: all of them")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--tests", nargs="+", help="test files instead of those in equivalent.toml")
    parser.add_argument("--least", type=float, default=97.0, help="percent that have to be noticed")
    return parser.parse_args()


def files_for(path: str, rooms: dict[str, list[str]]) -> list[str]:
    """The module's own tests first, then those of its room."""
    module = Path(path).relative_to("prefork")
    own = Path("tests/unit") / module.parent / f"test_{module.stem}.py"
    room = max((one for one in rooms if path.startswith(one)), key=len, default="")
    others = [other for other in rooms.get(room, []) if other != str(own)]
    return [str(own), *others] if (ROOT / own).exists() else others


class Judge:
    """One copy of the tree, and the processes that try mutants in it: the quick one, and one that imports anew."""

    def __init__(self, tree: Path, tests: dict[str, list[str]]) -> None:
        self._tree, self._tests = tree, tests
        every = dict.fromkeys(test for files in tests.values() for test in files)
        self._swapper = Runner(tree, tests, every, "swapper")
        self._anew: tuple[str, Runner] | None = None

    def verdict(self, path: str, mutant: Mutant) -> Verdict:
        """What becomes of it."""
        answer = self._swapper.ask(path, mutant.source, mutant.line)
        if answer == "import":
            answer = self._importer(path).ask(path, mutant.source, mutant.line)
        return Verdict(path, mutant, "killed" if answer == "noticed" else "survived")

    def _importer(self, path: str) -> Runner:
        if self._anew and self._anew[0] == path:
            return self._anew[1]
        copied = self._tree.with_name(f"{self._tree.name}-anew")
        if self._anew:
            self._anew[1].end()
            shutil.copy(self._tree / self._anew[0], copied / self._anew[0])
        else:
            shutil.copytree(self._tree, copied)
        self._anew = (path, Runner(copied, [path], self._tests[path]))
        return self._anew[1]

    def end(self) -> None:
        self._swapper.end()
        if self._anew:
            self._anew[1].end()


def run(chosen: list[tuple[str, Mutant]], tests: dict[str, list[str]], jobs: int) -> Iterator[Verdict]:
    """Try them, ``jobs`` at a time, each in a copy of the tree. RuntimeError if the tests fail without a change."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as directory:
        idle: SimpleQueue[Judge] = SimpleQueue()
        judges = [Judge(_copy(Path(directory, str(number))), tests) for number in range(jobs)]
        for judge in judges:
            idle.put(judge)

        def verdict(one: tuple[str, Mutant]) -> Verdict:
            judge = idle.get()
            try:
                return judge.verdict(*one)
            finally:
                idle.put(judge)

        try:
            with ThreadPoolExecutor(jobs) as threads:
                yield from threads.map(verdict, chosen)
        finally:
            for judge in judges:
                judge.end()


def _copy(target: Path) -> Path:
    target.mkdir()
    leave = shutil.ignore_patterns("__pycache__", ".venv")
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=leave)
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith("."):
            shutil.copy(file, target)
    return target


def _complain_of_stale(path: str, found: list[Mutant], known: set[tuple[str, str, str]]) -> None:
    there = {(path, mutant.where, mutant.change) for mutant in found}
    for _path, where, change in sorted(one for one in known if one[0] == path and one not in there):
        sys.stderr.write(f"equivalent.toml: there is no such mutant any more: {path}: {where}: {change}\n")


def _share(verdicts: list[Verdict]) -> float:
    counted = [one for one in verdicts if one.outcome != "equivalent"]
    return 100 * sum(one.outcome == "killed" for one in counted) / len(counted) if counted else 100.0


def report(name: str, verdicts: list[Verdict]) -> None:
    """The figures."""
    counts = {
        outcome: sum(one.outcome == outcome for one in verdicts) for outcome in ("killed", "survived", "equivalent")
    }
    figures = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    sys.stdout.write(f"{name}: {figures}; {_share(verdicts):.1f} % noticed\n")


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
