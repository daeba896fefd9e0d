"""The shape of the room: no object that holds everything, and none that everybody writes to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import prefork.arbiter

ROOM = Path(prefork.arbiter.__file__).parent
TREES = {path.relative_to(ROOM).as_posix(): ast.parse(path.read_text()) for path in sorted(ROOM.rglob("*.py"))}
MOST_ATTRIBUTES = 16
MOST_WRITERS = 4  # modules besides the object's own
HOLDERS = {"life": "Life", "watch": "Watch"}  # what a worker has of each is always called so
FILLED_ONCE = {"Services"}  # what the command line hands over: made whole in one place, and never assigned to


def assigned(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Every attribute that is assigned to, of whatever object."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node


def of_self(attribute: ast.Attribute) -> bool:
    return isinstance(attribute.value, ast.Name) and attribute.value.id == "self"


def attributes(cls: ast.ClassDef) -> set[str]:
    """The fields of a class and what its methods set on ``self``; not the members of an enumeration."""
    fields = {one.target.id for one in cls.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}
    return fields | {attribute.attr for attribute in assigned(cls) if of_self(attribute)}


CLASSES = {
    (module, cls.name): attributes(cls)
    for module, tree in TREES.items()
    for cls in ast.walk(tree)
    if isinstance(cls, ast.ClassDef)
}


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_an_object_has_few_attributes(module: str, name: str):
    """What has more than sixteen is several things."""
    assert name in FILLED_ONCE or len(CLASSES[module, name]) <= MOST_ATTRIBUTES


def may_mean(attribute: ast.Attribute, name: str) -> bool:
    """Whether an assignment may be to an object of this class: known where the holder has a name of its own."""
    holder = attribute.value.attr if isinstance(attribute.value, ast.Attribute) else ""
    return HOLDERS.get(holder, name) == name and (name not in HOLDERS.values() or holder in HOLDERS)


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_an_object_is_not_written_to_from_everywhere(module: str, name: str):
    """Told by the attribute's name, so that two of one name count twice: it errs on the strict side."""
    own = CLASSES[module, name]
    writers = {
        other
        for other, tree in TREES.items()
        if other != module
        and any(one.attr in own and not of_self(one) and may_mean(one, name) for one in assigned(tree))
    }
    assert len(writers) <= MOST_WRITERS, writers


def test_what_a_worker_is_never_changes():
    """Nobody assigns to an attribute of its identity, and its state has one writer."""
    identity = CLASSES["fleet.py", "Worker"]
    assert not [
        one.attr for tree in TREES.values() for one in assigned(tree) if one.attr in identity and not of_self(one)
    ]
    assert {module for module, tree in TREES.items() for one in assigned(tree) if "life.state" in ast.unparse(one)} == {
        "fleet.py"
    }
