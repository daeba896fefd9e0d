"""``preforkd --plan``: what a reload would do, said without asking anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefork.cli import main

OLD = "[pool.web]\napp = 'shop:app'\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "old.toml").write_text(OLD)
    (tmp_path / "new.toml").write_text(OLD + "workers = 4\n")
    return str(tmp_path / "new.toml"), str(tmp_path / "old.toml")


def test_it_compares_two_files(files: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    """A line for the change, and what a reload comes to."""
    new, old = files
    assert main(["-c", new, "--plan", "--against", old]) == 0
    assert capsys.readouterr().out.startswith("pool.web.workers  1 -> 4  at once\n")


def test_what_print_config_prints_is_a_file(files: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Saved when the daemon was started, it is what runs."""
    new, old = files
    main(["-c", old, "--print-config"])
    (tmp_path / "running.toml").write_text(capsys.readouterr().out)
    assert main(["-c", new, "--plan", "--against", str(tmp_path / "running.toml")]) == 0
    assert capsys.readouterr().out.startswith("pool.web.workers  1 -> 4  at once\n")


def test_faults_of_either_are_told(files: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    """With their places, and status 78."""
    new, old = files
    Path(old).write_text(OLD + "workres = 1\n")
    assert main(["-c", new, "--plan", "--against", old]) == 78
    assert "old.toml:3:1: pool.web.workres" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--plan"], ["--against", "x"], ["-t", "--against", "x"]])
def test_one_goes_with_the_other(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    """Said with what is missing, and status 64."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 64
    assert "--against" in capsys.readouterr().err
