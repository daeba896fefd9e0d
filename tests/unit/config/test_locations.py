"""Places of keys, with tomli as the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from prefork.config.locations import Path, key_text, scan


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path in what tomli read."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inside:
        yield (*path, key)
        yield from paths(entry, (*path, key))


def stands_at(text: str, line: int, column: int, name: str) -> bool:
    """Whether a key of that name, bare or quoted, stands there."""
    rest = text.split("\n")[line - 1][column - 1 :]
    if rest[0] not in "\"'":
        return rest.startswith(name)
    ends = [index + 1 for index, char in enumerate(rest) if char == rest[0] and index]
    return any(reads_as(rest[:end], name) for end in ends)


def reads_as(quoted: str, name: str) -> bool:
    try:
        return tomli.loads(f"{quoted} = 0") == {name: 0}
    except tomli.TOMLDecodeError:
        return False


def accepts(text: str) -> bool:
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return False
    return True


def assert_every_place(text: str) -> None:
    found = scan(text, "f")
    assert found.keys() == set(paths(tomli.loads(text)))
    for path, (_file, line, column) in found.items():
        if isinstance(path[-1], str):
            assert stands_at(text, line, column, path[-1]), (path, line, column)


@pytest.mark.parametrize(
    ("text", "path", "line", "column"),
    [
        ("a = 1", ("a",), 1, 1),
        ("\n  a = 1", ("a",), 2, 3),
        ("a.b . c = 1", ("a", "b", "c"), 1, 7),
        ('"a.b"."c" = 1', ("a.b", "c"), 1, 7),
        ("'it is' = 1", ("it is",), 1, 1),
        ('"\\u0061" = 1', ("a",), 1, 1),
        ("[x]\n[x.y]\nb = 1", ("x", "y", "b"), 3, 1),
        ("[x.y]\n[x]\n", ("x",), 2, 2),
        ("[x.y]\n", ("x",), 1, 2),
        ("[ x . y ]\n", ("x", "y"), 1, 7),
        ("a = { b = 1, c.d = [2] }", ("a", "c", "d"), 1, 16),
        ("a = { b = 1, c.d = [2] }", ("a", "c", "d", 0), 1, 21),
        ("a = [\n  1, # [x]\n  [ 2,\n 3 ],\n]\nb = 1", ("a", 1, 1), 4, 2),
        ("a = [\n  1, # [x]\n  [ 2,\n 3 ],\n]\nb = 1", ("b",), 6, 1),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 1, "b"), 4, 1),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 1, "c", "d"), 6, 1),
        ("[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]\nx = 1", ("a", 1, "b", 0, "x"), 6, 1),
        ('a = """\n[no]\nb = 1 \\"""\n"""""\nc = 1', ("c",), 5, 1),
        ("a = '''\n[no]\n'' '''\nc = 1", ("c",), 4, 1),
        ('a = "x = \\" # y" # b = 2\nc = 1979-05-27 07:32:00 # d\ne = 1', ("e",), 3, 1),
        ("a = 1\r\nb = 1", ("b",), 2, 1),
        ('"ä" = 1\n"ö" = { "ü" = 1 }', ("ö", "ü"), 2, 9),
    ],
)  # fmt: skip
def test_a_key_is_found(text: str, path: Path, line: int, column: int):
    """Dotted and quoted keys, inline tables, lists, arrays of tables and multi-line texts."""
    assert scan(text, "f")[path] == ("f", line, column)
    assert_every_place(text)


BARE = st.from_regex(r"[A-Za-z0-9_-]{1,3}", fullmatch=True)
INSIDE = st.text("ab .#=[]{}é,'", max_size=4)
NAMES = st.one_of(
    BARE,
    INSIDE.map(lambda text: f'"{text}"'),
    st.sampled_from(['"\\""', '"\\\\"', '"\\u00e9"', '"\\t]"']),
    INSIDE.map(lambda text: "'" + text.replace("'", "") + "'"),
)
KEYS = st.lists(NAMES, min_size=1, max_size=3).flatmap(
    lambda names: st.sampled_from([".", " . "]).map(lambda dot: dot.join(names))
)
SCALARS = st.sampled_from([
    "1", "-0.5e3", "0x1F", "true", "inf", "1979-05-27", "1979-05-27 07:32:00Z", "07:32:00",
    '""', '"a # b"', '"\\"]"', "'}'", "'\\'", '"""x"""', '"""\n[a]\nb = 1\n"""', '"""\\""""', '"""""a"""""',
    "'''x'''", "'''\n# [a]\n'''", "''''a'''''", '"""a\\\n  b"""',
])  # fmt: skip
GAPS = st.sampled_from(["", " ", "\n", " # ],}\n", "\r\n\t"])


def lists_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(values, max_size=3), GAPS, GAPS, st.sampled_from(["", ","])).map(
        lambda parts: f"[{parts[1]}{f'{parts[2]},{parts[1]}'.join(parts[0])}{parts[3] if parts[0] else ''}{parts[2]}]"
    )


def tables_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(KEYS, values).map(" = ".join)
    return st.lists(pair, max_size=3).map(lambda pairs: "{ " + ", ".join(pairs) + " }")


VALUES = st.recursive(SCALARS, lambda values: lists_of(values) | tables_of(values), max_leaves=6)
STATEMENTS = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]}={pair[1]}"),
    st.tuples(KEYS, VALUES).map(lambda pair: f"\t{pair[0]} =  {pair[1]} # x = 1"),
    KEYS.map(lambda key: f"[{key}]"),
    KEYS.map(lambda key: f" [[ {key} ]] # ["),
    st.sampled_from(["", "# a = 1", "  "]),
)


@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_every_key_that_tomli_reads_has_its_place(statements: list[str], newline: str):
    """The paths are those of tomli, no more and no fewer, and at each place stands that key."""
    text = ""
    for statement in statements:
        longer = f"{text}{statement}{newline}"
        text = longer if accepts(longer) else text
    assert_every_place(text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("pool", "web", "app"), "pool.web.app"),
        (("pool", "a b", "listen", 1), 'pool."a b".listen[1]'),
        (('a"\\', ""), '"a\\"\\\\".""'),
    ],
)
def test_a_path_is_written_as_in_toml(path: Path, text: str):
    """Names that are not bare are quoted, positions stand in brackets."""
    assert key_text(path) == text
