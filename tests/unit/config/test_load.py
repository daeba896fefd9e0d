"""A path becomes a Config, or every fault with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefork.config import load as loading
from prefork.config.load import load, read
from prefork.errors import ConfigError


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def faults(path: str | None, *overrides: str) -> list[str]:
    """The faults as they are printed, without the directory."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    directory = f"{Path(path).parent}/" if path else ""
    return [line.replace(directory, "") for line in str(caught.value).splitlines()]


def test_a_sound_file_is_a_config(tmp_path: Path):
    """With the overrides of the command line."""
    path = write(tmp_path / "p.toml", "[pool.web]\napp = 'shop:app'\nworkers = 4\n")
    assert load(path).pool["web"].workers == 4
    assert load(path, ["pool.web.workers=8", "log.level=debug"]).pool["web"].workers == 8


def test_a_misspelt_key_is_reported_with_file_line_and_column(tmp_path: Path):
    """file:line:column: key: what is wrong (hint)."""
    path = write(tmp_path / "prefork.toml", "[pool.web]\napp = 'shop:app'\ntimout = 3\n")
    assert faults(path) == ['prefork.toml:3:1: pool.web.timout: unknown key (did you mean "timeout"?)']


def test_every_fault_is_reported_at_once_in_the_order_of_the_file(tmp_path: Path):
    """Wrong types, unknown keys, missing keys, units, and the rules between sections."""
    path = write(
        tmp_path / "p.toml",
        """\
[master]
daemonize = "true"
[listen.http]
address = "8000"
backlog = true
[listen.spare]
address = "unix:/run/spare.sock"
[pool.web]
workers = "4"
listen = ["http"]
[pool.api]
app = "api:app"
listen = ["http"]
timeout = { boot = "60", request = "30s" }
[lgo]
level = "info"
""",
    )
    forms = 'must be a number of workers, "auto", or { min = 2, max = 16 }'
    assert faults(path) == [
        'p.toml:2:1: master.daemonize: must be true or false, not "true" (without quotation marks)',
        'p.toml:4:1: listen.http.address: write "127.0.0.1:8000", or "0.0.0.0:8000" for every interface',
        "p.toml:5:1: listen.http.backlog: must be a whole number, not true",
        "p.toml:6:9: listen.spare: no pool uses this listener (name it in the listen of a pool)",
        'p.toml:8:7: pool.web.app: is required (app = "module:attribute")',
        f'p.toml:9:1: pool.web.workers: {forms}, not "4" (without quotation marks)',
        'p.toml:13:1: pool.api.listen: "http" is claimed by the pools "web" and "api" (a listener belongs to one pool)',
        'p.toml:14:13: pool.api.timeout.boot: "60" lacks its unit: write "60s", or 60 without quotation marks for seconds',
        'p.toml:15:2: lgo: unknown key (did you mean "log"?)',
    ]


def test_a_fault_of_an_override_stands_on_the_command_line(tmp_path: Path):
    """And comes last."""
    path = write(tmp_path / "p.toml", "[pool.web]\napp = 'shop'\n")
    assert faults(path, "pool.web.workers=many", "log.level=loud") == [
        'p.toml:2:1: pool.web.app: must be "module:attribute" or "module:factory()", not "shop"',
        '--set: log.level: must be "debug", "info", "warning" or "error", not "loud"',
        '--set: pool.web.workers: must be a number of workers, "auto", or { min = 2, max = 16 }, not "many"',
    ]


def test_what_a_broken_file_may_hold_is_not_missed(tmp_path: Path):
    """A syntax fault in a drop-in does not make its keys "required", but other faults are told."""
    write(tmp_path / "a.toml", "[pool.web\n")
    path = write(tmp_path / "p.toml", "include = ['a.toml']\n[log]\nlevel = 3\n[listen.http]\n")
    assert faults(path) == [
        'p.toml:3:1: log.level: must be "debug", "info", "warning" or "error", not the number 3',
        "a.toml:1:10: expected ']' at the end of a table declaration",
    ]


def test_a_file_with_a_syntax_fault_has_that_fault_alone(tmp_path: Path):
    """What it would have said is not known."""
    assert faults(write(tmp_path / "p.toml", "[pool.web]\napp = shop\n")) == [
        'p.toml:2:7: invalid value (text needs quotation marks: app = "shop")'
    ]


def test_an_empty_file_says_what_to_add(tmp_path: Path):
    """The hint is a configuration."""
    assert faults(write(tmp_path / "p.toml", "")) == [
        'p.toml: pool: is required (add [pool.web] with app = "module:attribute")'
    ]


def test_without_a_path_it_looks_for_the_usual_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """/etc/prefork.toml; and if that is absent it says so."""
    assert loading.DEFAULT_PATH == "/etc/prefork.toml"
    monkeypatch.setattr(loading, "DEFAULT_PATH", str(tmp_path / "prefork.toml"))
    assert faults(None) == [f"no configuration: there is no {tmp_path}/prefork.toml (name a file with -c FILE)"]
    write(tmp_path / "prefork.toml", "[pool.web]\napp = 'shop:app'\n")
    assert load(None).pool["web"].app == "shop:app"


@pytest.mark.parametrize(
    "text",
    [
        "pool = 3",
        "pool = []",
        "[[pool]]",
        "listen = 'x'",
        "[listen]\nx = 3",
        "[pool]\nx = 3",
        "[pool.a]\nlisten = [3]\napp = 'a:a'",
    ],
)
def test_tables_of_the_wrong_kind_are_faults_like_any_other(tmp_path: Path, text: str):
    """Nothing that TOML can say makes it fall over."""
    assert all("must be" in fault or "required" in fault for fault in faults(write(tmp_path / "p.toml", text)))


def test_the_exit_code_is_that_of_a_wrong_configuration(tmp_path: Path):
    """78 (EX_CONFIG)."""
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path))
    assert caught.value.exit_code == 78
    assert "it is a directory" in str(caught.value)


def test_faults_that_are_found_later_have_their_place_too(tmp_path: Path):
    """The places outlive the reading."""
    path = write(tmp_path / "p.toml", "[pool.web]\napp = 'shop:app'\n")
    assert (
        str(read(path).fault(("pool", "web", "app"), "cannot be imported"))
        == f"{path}:2:1: pool.web.app: cannot be imported"
    )
