"""A process that has collected the tests of some modules, and judges a mutant by swapping the code of its functions.

Rules. Nothing is imported for a mutant: a fork puts the changed code into the functions that there are, and runs only
the tests that reach the changed statement, the quickest first. What is executed by an import (constants, class bodies,
defaults, functions that an import calls) cannot be swapped: the answer is ``import``, and ``runner`` judges it.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import pytest

from contrib.mutate.runner import ARGUMENTS, Quick, limited, silenced

Place = tuple[str, int]  # name and first line of a code object


def nested(code: CodeType) -> list[CodeType]:
    """The code objects in another, in their order."""
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _differs(one: CodeType, other: CodeType) -> bool:
    def parts(code: CodeType) -> tuple[object, ...]:
        values = tuple((type(value), value) for value in code.co_consts if not isinstance(value, CodeType))
        return (code.co_code, values, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)

    return parts(one) != parts(other) or len(nested(one)) != len(nested(other))


def replaced(source: str, mutant: str) -> dict[Place, CodeType] | None:
    """The functions whose code a mutant changes, by their places; None: it changes what an import does."""
    original = compile(source, "original", "exec")
    same, changed = (compile(text, "mutant", "exec") for text in (ast.unparse(ast.parse(source)), mutant))
    found: dict[Place, CodeType] = {}

    def within(left: CodeType, middle: CodeType, right: CodeType) -> bool:
        """Whether it differs, at any depth."""
        deeper = zip(nested(left), nested(middle), nested(right), strict=True)
        return _differs(middle, right) or any(within(*three) for three in deeper)

    def look(left: CodeType, middle: CodeType, right: CodeType) -> bool:
        if _differs(middle, right):
            return False
        for three in zip(nested(left), nested(middle), nested(right), strict=True):
            if three[0].co_flags & 2:  # CO_NEWLOCALS: a function, not the body of a class
                if within(*three):
                    found[three[0].co_name, three[0].co_firstlineno] = three[2]
            elif not look(*three):
                return False
        return True

    return found if look(original, same, changed) else None


def statement(source: str, line: int) -> tuple[int, int]:
    """The first and the last line of the innermost statement at a line; of a compound one without its body."""
    spans = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = max(body[0].lineno - 1, node.lineno) if body else node.end_lineno or node.lineno
            spans.append((node.lineno, last))
    around = [(first, last) for first, last in spans if first <= line <= last]
    return max(around, default=(line, line))


class Tracer:
    """Notes which lines and functions of some files are executed."""

    def __init__(self, files: Iterable[str]) -> None:
        self.lines: dict[str, set[int]] = {file: set() for file in files}
        self.places: set[tuple[str, Place]] = set()

    def __call__(self, frame: FrameType, _event: str, _argument: object) -> Any:
        code = frame.f_code
        if code.co_filename not in self.lines:
            return None
        self.places.add((code.co_filename, (code.co_name, code.co_firstlineno)))
        return self._line

    def _line(self, frame: FrameType, _event: str, _argument: object) -> Any:
        self.lines[frame.f_code.co_filename].add(frame.f_lineno)
        return self._line


class Reached(NamedTuple):
    """What a test took: seconds of the processor, its place in the collection, and the lines by file."""

    seconds: float
    index: int
    lines: dict[str, list[int]]


class Swapper(Quick):
    """The plugin that takes the place of pytest's loop over the collected tests."""

    def __init__(self, paths: Iterable[str], requests: Iterator[str], answers: Any) -> None:
        self._sources = {path: Path(path).read_text() for path in paths}
        self._files = {path: str(Path.cwd() / path) for path in self._sources}
        self._requests, self._answers = requests, answers
        self._imported = Tracer(self._files.values())
        self._reached: list[Reached] = []
        sys.settrace(self._imported)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge one mutant a line until the input ends."""
        sys.settrace(None)
        self._reached = self._trace(session)
        if not self._reached:
            return True  # a test fails without any change
        for request in self._requests:
            given = json.loads(request)
            self._answers.write(self._judge(session, given["path"], given["source"], given["line"]) + "\n")
            self._answers.flush()
        return True

    def _trace(self, session: pytest.Session) -> list[Reached]:
        """Run every test once, in a fork, so that this process stays as the collection left it."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            for index, item in enumerate(session.items):
                sys.settrace(tracer := Tracer(self._files.values()))
                began = time.process_time()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                sys.settrace(None)
                took = time.process_time() - began
                if session.testsfailed:  # by itself, or for being traced, which takes its time?
                    session.testsfailed = 0
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if session.testsfailed:
                    os._exit(1)
                lines = {file: sorted(lines) for file, lines in tracer.lines.items() if lines}
                with os.fdopen(os.dup(writing), "w") as stream:
                    stream.write(json.dumps([took, index, lines]) + "\n")
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            found = [Reached(*json.loads(line)) for line in stream]
        failed = os.waitpid(pid, 0)[1]
        return [] if failed else sorted(found, key=lambda one: (one.seconds, one.index))

    def _judge(self, session: pytest.Session, path: str, mutant: str, line: int) -> str:
        file = self._files[path]
        codes = replaced(self._sources[path], mutant)
        if codes is None or any((file, place) in self._imported.places for place in codes):
            return "import"
        swaps: list[tuple[FunctionType, CodeType]] = []
        for function in gc.get_objects():
            if isinstance(function, FunctionType) and function.__code__.co_filename == file:
                place = (function.__code__.co_name, function.__code__.co_firstlineno)
                if place in codes:
                    swaps.append((function, codes[place]))
        if len(swaps) < len(codes):
            return "import"
        first, last = statement(self._sources[path], line)
        within = set(range(first, last + 1))
        return self._in_fork(session, swaps, [one for one in self._reached if within & set(one.lines.get(file, ()))])

    @staticmethod
    def _in_fork(session: pytest.Session, swaps: list[Any], chosen: list[Reached]) -> str:
        pid = os.fork()
        if pid == 0:
            try:
                for function, code in swaps:
                    function.__code__ = code
            except ValueError:  # other free variables than the function has
                os._exit(9)
            for one in chosen:
                limited(1 + 3 * one.seconds)
                item = session.items[one.index]
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if session.testsfailed:
                    os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return {0: "unnoticed", 9: "import"}.get(status, "noticed")


def main() -> None:
    paths, *tests = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    answers = silenced()
    pytest.main([*ARGUMENTS, "-s", *tests], plugins=[Swapper(paths.split(","), iter(sys.stdin), answers)])


if __name__ == "__main__":
    main()
