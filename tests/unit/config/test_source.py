"""From files to one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefork.config.source import Source, read
from prefork.errors import Fault


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def only_fault(source: Source) -> Fault:
    (fault,) = source.faults
    return fault


def test_a_file_is_read_with_its_places(tmp_path: Path):
    """Key path -> file:line:column."""
    file = write(tmp_path / "a.toml", "[log]\n  level = 'info'\n")
    source = read(file)
    assert source.data == {"log": {"level": "info"}}
    assert source.place_of(("log", "level")) == (file, 2, 3)
    assert source.faults == []


def test_a_key_that_is_absent_stands_at_its_table(tmp_path: Path):
    """The nearest table around it, or else the file."""
    source = read(write(tmp_path / "a.toml", "[pool.web]\n"))
    assert source.place_of(("pool", "web", "app"))[1:] == (1, 7)
    assert source.place_of(("listen",)) == (source.file, 0, 0)


def test_drop_ins_come_in_name_order(tmp_path: Path):
    """``include`` is relative to the including file; a glob's files are taken in the order of their names."""
    write(tmp_path / "d/20.toml", "[pool.b]\napp = 'b:b'\n")
    write(tmp_path / "d/10.toml", "[pool.a]\napp = 'a:a'\n[log]\nformat = 'json'\n")
    write(tmp_path / "d/.hidden.toml", "nonsense")
    source = read(write(tmp_path / "main.toml", "include = ['d/*.toml']\n[log]\nlevel = 'info'\n"))
    assert source.faults == []
    assert list(source.data["pool"]) == ["a", "b"]
    assert source.data["log"] == {"level": "info", "format": "json"}
    assert "include" not in source.data
    assert source.place_of(("pool", "b", "app")) == (str(tmp_path / "d/20.toml"), 2, 1)
    assert source.place_of(("log",)) == (str(tmp_path / "main.toml"), 2, 2)


def test_a_glob_without_matches_is_fine(tmp_path: Path):
    """An empty drop-in directory is how it begins."""
    assert read(write(tmp_path / "main.toml", "include = ['d/*.toml']")).faults == []


def test_a_file_is_included_once(tmp_path: Path):
    """Two patterns may match one file, and a glob the including file itself."""
    write(tmp_path / "a.toml", "[log]\nlevel = 'info'\n")
    (tmp_path / "b.toml").symlink_to(tmp_path / "a.toml")
    source = read(write(tmp_path / "main.toml", "include = ['a.toml', '*.toml']"))
    assert source.faults == []
    assert source.files == [str(tmp_path / "main.toml"), str(tmp_path / "a.toml")]


def test_a_plain_path_that_does_not_exist_is_a_fault(tmp_path: Path):
    """The place is that of the entry."""
    source = read(write(tmp_path / "main.toml", "include = ['absent.toml']"))
    fault = only_fault(source)
    assert (fault.key, fault.line, fault.column) == ("include[0]", 1, 12)
    assert fault.problem == f"there is no file {tmp_path}/absent.toml"
    assert source.broken


@pytest.mark.parametrize("include", ["'a.toml'", "[1]", "['']", "{}"])
def test_include_is_a_list_of_paths(tmp_path: Path, include: str):
    """Anything else is a fault."""
    assert "must be" in only_fault(read(write(tmp_path / "main.toml", f"include = {include}"))).problem


def test_an_included_file_includes_nothing(tmp_path: Path):
    """Where a key comes from is seen in one look."""
    write(tmp_path / "a.toml", "include = ['b.toml']\n[log]\nlevel = 'info'\n")
    source = read(write(tmp_path / "main.toml", "include = ['a.toml']"))
    fault = only_fault(source)
    assert (fault.file, fault.line, fault.problem) == (
        str(tmp_path / "a.toml"),
        1,
        "an included file cannot include others",
    )
    assert source.data == {"log": {"level": "info"}}


def test_a_key_in_two_files_names_both_places(tmp_path: Path):
    """A list is one value, a table is its keys."""
    write(tmp_path / "a.toml", "[pool.web]\npython_path = ['/a']\nsurge = 1\nenvironment.A = '1'\n[log.level]\nx = 1\n")
    main = write(
        tmp_path / "main.toml",
        "include = ['a.toml']\n[pool.web]\npython_path = ['/b']\nenvironment = { B = '2' }\n[log]\nlevel = 'info'\n",
    )
    source = read(main)
    assert [(fault.key, fault.line, fault.problem) for fault in source.faults] == [
        ("pool.web.python_path", 2, f"is set in two files, the first time at {main}:3:1"),
        ("log.level", 5, f"is set in two files, the first time at {main}:6:1"),
    ]
    assert {fault.file for fault in source.faults} == {str(tmp_path / "a.toml")}
    assert source.data["pool"]["web"]["environment"] == {"A": "1", "B": "2"}


def test_every_file_is_read_whatever_is_wrong_with_the_others(tmp_path: Path):
    """Syntax faults of all files are found at once."""
    write(tmp_path / "a.toml", "x = \n")
    write(tmp_path / "b.toml", "[log\n")
    (tmp_path / "c.toml").write_bytes(b"# ok\nx = '\xff'\n")
    (tmp_path / "d.toml").mkdir()
    source = read(write(tmp_path / "main.toml", "include = ['?.toml']\n"))
    assert [str(fault).removeprefix(f"{tmp_path}/") for fault in source.faults] == [
        "a.toml:1:5: invalid value",
        "b.toml:1:5: expected ']' at the end of a table declaration",
        "c.toml:2:6: is not UTF-8 (save it as UTF-8)",
        "d.toml: cannot be read: it is a directory",
    ]
    assert source.broken


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('a = """\n\n', 3, "unterminated string"),
        ("a = 1\na = 2\n", 2, "cannot overwrite a value"),
        ("a = " + "[" * 5000, 0, "nested too deeply"),
    ],
)
def test_a_syntax_fault_has_its_place(tmp_path: Path, text: str, line: int, problem: str):
    """At the end of the document, that is the last line."""
    fault = only_fault(read(write(tmp_path / "main.toml", text)))
    assert fault.line == line
    assert problem in fault.problem


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path):
    """Named as it was asked for."""
    missing = str(tmp_path / "none.toml")
    assert str(only_fault(read(missing))) == f"{missing}: cannot be read: No such file or directory"


def test_a_file_that_cannot_be_opened_is_a_fault(tmp_path: Path):
    """With the system's reason."""
    (tmp_path / "main.toml").symlink_to(tmp_path / "main.toml")
    assert "Too many levels of symbolic links" in only_fault(read(str(tmp_path / "main.toml"))).problem


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("pool.web.workers=8", ("pool", "web", "workers"), 8),
        ("log.level=debug", ("log", "level"), "debug"),
        ('log.level="debug"', ("log", "level"), "debug"),
        ("pool.web.timeout.boot=30s", ("pool", "web", "timeout", "boot"), "30s"),
        ("master.umask=0o027", ("master", "umask"), "0o027"),
        ("master.daemonize = true", ("master", "daemonize"), True),
        ("pool.web.listen=['a', 'b']", ("pool", "web", "listen"), ["a", "b"]),
        ("pool.web.environment={ A = '1' }", ("pool", "web", "environment"), {"A": "1"}),
        ('pool."a.b".app=m:a=b', ("pool", "a.b", "app"), "m:a=b"),
        ("listen.http.address=[::]:80", ("listen", "http", "address"), "[::]:80"),
        ("log.file=", ("log", "file"), ""),
        ("log.file=1\nx = 2", ("log", "file"), "1\nx = 2"),
    ],
)
def test_an_override_sets_one_key(tmp_path: Path, override: str, path: tuple[str, ...], value: object):
    """The value is TOML if it is valid TOML, else text; octal numbers stay text, as in the file."""
    source = read(write(tmp_path / "main.toml", ""), [override])
    assert source.faults == []
    found: object = source.data
    for name in path:
        found = found[name]
    assert found == value
    assert source.place_of(path) == ("--set", 0, 0)


def test_the_last_override_wins_and_replaces_what_the_file_says(tmp_path: Path):
    """What is gone has no place any more."""
    file = write(tmp_path / "main.toml", "[pool.web]\nenvironment = { A = '1' }\n")
    source = read(file, ["pool.web.environment={ B = 1 }", "log.level=info", "log.level=debug"])
    assert source.data == {"pool": {"web": {"environment": {"B": 1}}}, "log": {"level": "debug"}}
    assert source.place_of(("pool", "web", "environment", "B")) == ("--set", 0, 0)
    assert source.place_of(("pool", "web")) == (file, 1, 7)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("workers", '"workers" is not KEY=VALUE'),
        ("=8", "is not KEY=VALUE"),
        ("a b=8", "is not KEY=VALUE"),
        ("a\nb=8", "is not KEY=VALUE"),
        ("include=['x']", "cannot be set here"),
        ("log.level.x=1", 'cannot be set: "log.level" is not a table'),
    ],
)
def test_an_override_that_cannot_be_is_a_fault(tmp_path: Path, override: str, problem: str):
    """Its place is the command line."""
    fault = only_fault(read(write(tmp_path / "main.toml", "[log]\nlevel = 'info'"), [override]))
    assert fault.file == "--set"
    assert problem in fault.problem
