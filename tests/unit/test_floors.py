"""The architecture as data: who may import whom, and which modules are pure. Policy, not to be bent for a build."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import prefork

ROOT = Path(prefork.__file__).parent
MODULES = {
    ".".join(("prefork", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

PURE = {
    "prefork.config.models",
    "prefork.config.addresses",
    "prefork.config.changes",
    "prefork.config.dump",
    "prefork.config.messages",
    "prefork.config.locations",
    "prefork.config.plan",
    "prefork.config.quantities",
    "prefork.config.rules",
    "prefork.http",
    "prefork.arbiter.attempt",
    "prefork.arbiter.facts",
    "prefork.arbiter.orders",
    "prefork.arbiter.fleet",
    "prefork.arbiter.termination",
    "prefork.arbiter.death_report",
    "prefork.arbiter.policy",
    "prefork.arbiter.pools",
    "prefork.arbiter.retries",
    "prefork.arbiter.rolling",
    "prefork.arbiter.situation",
    "prefork.arbiter.recycling",
    "prefork.arbiter.reload",
    "prefork.arbiter.stalls",
    "prefork.arbiter.templates",
    "prefork.arbiter.upgrade.policy",
    "prefork.arbiter.commands",
    "prefork.arbiter.master",
    "prefork.arbiter.overview",
    "prefork.control.commands",
    "prefork.control.shown",
    "prefork.control.protocol",
    "prefork.worker.settings",
    "prefork.worker.spec",
    "prefork.worker.protocol",
}
IMPURE = {"os", "socket", "time", "threading", "random", "logging", "subprocess", "select", "selectors"}

# From the ground up. Rooms on one floor never import each other.
FLOORS = (
    {"prefork", "prefork.errors", "prefork.demo"},
    PURE,
    {"prefork.config", "prefork.system", "prefork.observe"},
    {"prefork.arbiter", "prefork.worker", "prefork.control", "prefork.status"},
    {"prefork.cli"},
    {"prefork.__main__"},
)

# What may run under an application's own interpreter.
IN_WORKERS = (
    "prefork.worker",
    "prefork.http",
    "prefork.observe",
    "prefork.system.scoreboard",
    "prefork.system.channel",
    "prefork.system.memory",
)
FOR_WORKERS = set(sys.stdlib_module_names) | {"httptools", "structlog", "setproctitle", "uvloop", "wsproto", "h2"}


def imports_of(path: Path, *, types: bool = False) -> set[str]:
    """Every module that a file imports at run time, as dotted names; with ``types``, under TYPE_CHECKING as well."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree) if types else _runtime_nodes(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = names & MODULES.keys()
            found.update(known)
            if len(known) < len(names):
                found.add(node.module)
    return found


def _runtime_nodes(tree: ast.AST):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _runtime_nodes(node)


def covers(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def is_pure(module: str) -> bool:
    return any(covers(module, room) for room in PURE)


def floor_of(module: str) -> int:
    if is_pure(module):
        return FLOORS.index(PURE)
    for height, rooms in enumerate(FLOORS):
        if height == 0 and module in rooms:
            return height
        if height > 1 and any(covers(module, room) for room in rooms):
            return height
    raise AssertionError(f"{module} is on no floor: say where it belongs")


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_floors_below_or_from_its_own_room(module: str):
    """The floors: errors < pure modules < config, system, observe < arbiter | worker | control | status < cli.

    Pure modules are one floor and may import each other, whatever their room: what counts there is the purity.
    """
    for other in imports_of(MODULES[module]):
        if other.split(".")[0] != "prefork" or room_of(other) == room_of(module):
            continue
        if is_pure(module) and is_pure(other):
            continue  # one floor, and what matters there is that nothing of the world comes in
        assert floor_of(other) < floor_of(module), f"{module} imports {other}"


def test_there_is_no_circle_of_imports():
    """Each module is understood after those that it imports; an import for types alone counts as any other."""
    left = {name: imports_of(path, types=True) & MODULES.keys() - {name} for name, path in MODULES.items()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    circle = {name: sorted(needs & left.keys()) for name, needs in left.items()}
    assert not circle, circle


@pytest.mark.parametrize("module", [name for name in MODULES if is_pure(name)])
def test_a_pure_module_imports_nothing_that_touches_the_world(module: str):
    """Pure modules import no os, socket, time, threading, random, logging, nor a module of ours that is not pure."""
    imports = imports_of(MODULES[module])
    assert not {name.split(".")[0] for name in imports} & IMPURE
    for other in imports:
        assert not other.startswith("prefork.") or other == "prefork.errors" or is_pure(other), other


@pytest.mark.parametrize("module", [name for name in MODULES if is_pure(name)])
def test_a_pure_module_says_so_first(module: str):
    """The docstring of a pure module begins with the word."""
    if MODULES[module].name != "__init__.py":
        assert (ast.get_docstring(ast.parse(MODULES[module].read_text())) or "").startswith("Pure.")


@pytest.mark.parametrize("module", [name for name in MODULES if any(covers(name, room) for room in IN_WORKERS)])
def test_what_runs_in_workers_needs_no_more_than_a_workers_interpreter_has(module: str):
    """Never pydantic, tomli or python-daemon: an application's own environment need not have them."""
    for other in imports_of(MODULES[module]):
        assert other.startswith("prefork") or other.split(".")[0] in FOR_WORKERS, f"{module} imports {other}"


@pytest.mark.parametrize("name", ["util", "utils", "common", "helpers", "base", "misc"])
def test_no_module_is_named_for_nothing(name: str):
    """A module is named by its one concept."""
    assert not [module for module in MODULES if module.split(".")[-1] == name]


FEWEST, MOST = 30, 350  # lines of a file
# Each with its reason.
OF_ANOTHER_SIZE = {
    "prefork.__main__": "the entry of python -m",
    "prefork.http.limits": "a table",
    "prefork.http.response": "a table of phrases, and the page made of it",
    "prefork.config.models.unsupported": "a table",
    "prefork.worker.connection": "one state machine, until its states are a table",
    "prefork.worker.exchange": "one call of an application, until the connection frames its response",
    "prefork.system.listeners": "the filter, the kinds of addresses and what workers spoil, on one page",
    "prefork.system.process": "what the operating system does to processes, call by call",
}


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_a_file_is_neither_a_corridor_nor_a_hall(module: str):
    """A room of a few lines is merged, one that outgrows a screenful of screens is divided; each exception is needed."""
    lines = MODULES[module].read_text().count("\n")
    assert (FEWEST <= lines <= MOST) is (module not in OF_ANOTHER_SIZE), f"{module} has {lines} lines"
