"""The command line."""

from __future__ import annotations

import pytest

from prefork import __version__
from prefork.cli.options import Action, Options, parse


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        ([], Options()),
        (["-c", "a.toml"], Options(config="a.toml")),
        (["--config=a.toml", "-t"], Options(Action.CHECK, "a.toml")),
        (["--check"], Options(Action.CHECK)),
        (["--print-config"], Options(Action.PRINT_CONFIG)),
        (["--schema"], Options(Action.SCHEMA)),
        (["--set", "a=1", "--set=b=2"], Options(overrides=("a=1", "b=2"))),
        (["--daemon"], Options(overrides=("master.daemonize=true",))),
        (["--set", "a=1", "--foreground"], Options(overrides=("a=1", "master.daemonize=false"))),
    ],
)
def test_the_command_line_is_read(argv: list[str], options: Options):
    """--daemon and --foreground are overrides like any other."""
    assert parse(argv) == options


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--what"], "unrecognized arguments: --what"),
        (["prefork.toml"], "unrecognized arguments: prefork.toml"),
        (["-c"], "expected one argument"),
        (["--conf", "a.toml"], "unrecognized arguments"),
        (["--daemon", "--foreground"], "not allowed with"),
        (["-t", "--schema"], "not allowed with"),
    ],
)
def test_a_wrong_command_line_is_explained(argv: list[str], problem: str, capsys: pytest.CaptureFixture[str]):
    """Exit status 64 (EX_USAGE); usage and reason on standard error. Abbreviations are wrong, too."""
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 64
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("usage: preforkd ")
    assert problem in err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]):
    """On standard output, and all is well."""
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"prefork {__version__}\n"


def test_the_help_tells_options_signals_and_exit_codes(capsys: pytest.CaptureFixture[str]):
    """What one needs at a terminal."""
    with pytest.raises(SystemExit) as caught:
        parse(["-h"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for word in ("--set KEY=VALUE", "--print-config", "USR2", "TTIN", "exit status", "78", "64"):
        assert word in out
