"""Changes of a module that its tests should notice, made on the syntax tree: one at a time.

A mutant is known by the function that it is in and by what it changes, not by its line, so that the list of equivalent
ones (``equivalent.toml``) outlives edits above it. Texts are left alone: what they say is judged by people.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
REMOVED = (ast.Expr, ast.Assign, ast.AugAssign)


@dataclass(frozen=True)
class Mutant:
    """``where``: the dotted name of the function; ``change``: what it was and what it is; ``source``: the module."""

    where: str
    change: str
    line: int
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines; changes that read alike in one function are numbered."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str]] = Counter()
    for where, node, field, index, new in _changes(tree):
        before = getattr(node, field)
        old = before if index is None else before[index]
        change = _shown(node, old, new)
        seen[where, change] += 1
        count = seen[where, change]
        _put(node, field, index, new)
        ast.fix_missing_locations(tree)
        text = ast.unparse(tree)
        _put(node, field, index, old)
        yield Mutant(
            where,
            f"{change} #{count}" if count > 1 else change,
            getattr(old, "lineno", getattr(node, "lineno", 0)),
            text,
        )


Change = tuple[str, ast.AST, str, "int | None", object]


def _put(node: ast.AST, field: str, index: int | None, value: object) -> None:
    if index is None:
        setattr(node, field, value)
    else:
        getattr(node, field)[index] = value


def _changes(tree: ast.Module) -> Iterator[Change]:
    for where, node in _inside(tree, ""):
        for field, value in ast.iter_fields(node):
            items = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, item in items:
                for new in _replacements(node, field, index, item):
                    yield where, node, field, index, new


def _inside(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node that runs, with the name of its function; no annotations, nothing for the type checker alone."""
    yield where, node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or _for_types(node, field):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                named = isinstance(child, (*FUNCTIONS, ast.ClassDef))
                yield from _inside(child, f"{where}.{child.name}".lstrip(".") if named else where)


def _for_types(node: ast.AST, field: str) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and field == "body"


def _replacements(node: ast.AST, field: str, index: int | None, item: object) -> Iterator[ast.AST | object]:
    if isinstance(node, ast.Compare) and field == "ops":
        yield from (other() for other in COMPARISONS[type(item)])
    elif isinstance(node, ast.BoolOp) and field == "op":
        yield ast.And() if isinstance(item, ast.Or) else ast.Or()
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and field == "op" and type(item) in OPERATORS:
        if not _joins_text(node):
            yield OPERATORS[type(item)]()
    elif isinstance(item, ast.AST):
        yield from _of_expression(node, field, item)
        yield from _of_statement(node, field, index, item)


def _joins_text(node: ast.AST) -> bool:
    """A ``+`` of texts or types has no opposite."""
    return any(isinstance(one, (ast.JoinedStr, ast.Subscript)) for one in ast.walk(node))


def _of_expression(node: ast.AST, field: str, item: ast.AST) -> Iterator[ast.AST]:
    if isinstance(item, ast.Constant):
        if isinstance(item.value, bool):
            yield ast.copy_location(ast.Constant(not item.value), item)
        elif isinstance(item.value, (int, float)):
            yield ast.copy_location(ast.Constant(item.value + 1), item)
    elif isinstance(item, ast.UnaryOp) and isinstance(item.op, ast.Not):
        yield item.operand
    elif isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id in CALLS:
        other = copy.copy(item)
        other.func = ast.copy_location(ast.Name(CALLS[item.func.id], ast.Load()), item.func)
        yield other
    asked = field == "test" and not isinstance(node, ast.Assert) and not isinstance(item, ast.Constant)
    if asked or (isinstance(node, ast.comprehension) and field == "ifs"):
        yield ast.copy_location(ast.Constant(value=True), item)
        yield ast.copy_location(ast.Constant(value=False), item)


def _of_statement(node: ast.AST, field: str, index: int | None, item: ast.AST) -> Iterator[ast.AST]:
    if field not in ("body", "orelse") or index is None or isinstance(node, (ast.Module, ast.ClassDef)):
        return
    docstring = isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
    if isinstance(item, REMOVED) and not docstring:
        yield ast.copy_location(ast.Pass(), item)
    elif isinstance(item, ast.Return) and item.value is not None:
        if not (isinstance(item.value, ast.Constant) and item.value.value is None):
            yield ast.copy_location(ast.Return(ast.Constant(None)), item)
    elif isinstance(item, (ast.Return, ast.Continue, ast.Break)):
        yield ast.copy_location(ast.Pass(), item)


def _shown(node: ast.AST, old: object, new: object) -> str:
    """What is changed, in its expression where that is short."""
    around = ast.unparse(node) if isinstance(node, (ast.Compare, ast.BoolOp, ast.BinOp)) else ""
    names = [ast.unparse(one) if _is_code(one) else type(one).__name__ for one in (old, new)]
    text = " -> ".join(name.replace("\n", " ")[:100] for name in names)
    return f"{text} in {around}" if around and not _is_code(old) else text


def _is_code(one: object) -> bool:
    return isinstance(one, (ast.expr, ast.stmt))
