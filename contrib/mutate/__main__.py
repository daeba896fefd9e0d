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
import time
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
    for path in options.files:
        found = list(mutants((ROOT / path).read_text()))
        _complain_of_stale(path, found, known)
        chosen = [mutant for mutant in found if (path, mutant.where, mutant.change) not in known]
        verdicts += [Verdict(path, mutant, "equivalent") for mutant in found if mutant not in chosen]
        if options.sample < 1:
            chosen = random.Random(options.seed).sample(chosen, int(len(chosen) * options.sample))
        tests = options.tests or files_for(path, listed["tests"])
        began = time.monotonic()
        verdicts += run(path, chosen, tests, options.jobs)
        report(path, [one for one in verdicts if one.path == path], time.monotonic() - began)
    if len(options.files) > 1:
        report("all", verdicts, 0.0)
    return 1 if _share(verdicts) < options.least else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="contrib.mutate", description=__doc__)
    parser.add_argument("files", nargs="+", help="modules, from the root of the tree")
    parser.add_argument("--jobs", type=int, default=1, help="processes that test at a time")
    parser.add_argument("--sample", type=float, default=1.0, help="the share of the mutants that is tried")
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

    def __init__(self, tree: Path, path: str, tests: list[str]) -> None:
        self._tree, self._path, self._tests = tree, path, tests
        self._swapper = Runner(tree, path, tests, "swapper")
        self._importer: Runner | None = None

    def check(self) -> None:
        """Raise RuntimeError if the tests fail without a change."""
        if self._anew((ROOT / self._path).read_text()) == "noticed":
            raise RuntimeError(f"{' '.join(self._tests)}: they fail without any change")

    def verdict(self, mutant: Mutant) -> Verdict:
        """What becomes of it."""
        answer = self._swapper.ask(mutant.source, mutant.line)
        if answer == "import":
            answer = self._anew(mutant.source)
        if answer != "noticed":
            sys.stderr.write(f"survived: {self._path}:{mutant.line}: {mutant.where}: {mutant.change}\n")
        return Verdict(self._path, mutant, "killed" if answer == "noticed" else "survived")

    def _anew(self, source: str) -> str:
        if self._importer is None:
            copied = self._tree.with_name(self._tree.name + "-anew")
            shutil.copytree(self._tree, copied)
            self._importer = Runner(copied, self._path, self._tests)
        return self._importer.ask(source)

    def end(self) -> None:
        self._swapper.end()
        if self._importer:
            self._importer.end()


def run(path: str, chosen: list[Mutant], tests: list[str], jobs: int) -> list[Verdict]:
    """Try them, ``jobs`` at a time, each in a copy of the tree. RuntimeError if the tests fail without a change."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as directory:
        idle: SimpleQueue[Judge] = SimpleQueue()
        judges = [Judge(_copy(Path(directory, str(number))), path, tests) for number in range(jobs)]
        try:
            judges[0].check()
            for judge in judges:
                idle.put(judge)

            def verdict(mutant: Mutant) -> Verdict:
                judge = idle.get()
                try:
                    return judge.verdict(mutant)
                finally:
                    idle.put(judge)

            with ThreadPoolExecutor(jobs) as threads:
                return list(threads.map(verdict, chosen))
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


def report(name: str, verdicts: list[Verdict], seconds: float) -> None:
    """The figures, and the survivors with their lines."""
    counts = {
        outcome: sum(one.outcome == outcome for one in verdicts) for outcome in ("killed", "survived", "equivalent")
    }
    for one in verdicts:
        if one.outcome == "survived":
            sys.stdout.write(f"  {one.path}:{one.mutant.line}: {one.mutant.where}: {one.mutant.change}\n")
    figures = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    sys.stdout.write(f"{name}: {figures}; {_share(verdicts):.1f} % noticed ({seconds:.0f} s)\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
