"""The shell completions: as the command lines are, and as the shells understand them."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

from prefork.control.commands import COMMANDS
from tests.needs import needs

COMPLETIONS = Path(__file__).parents[3] / "packaging/completions"

BASH = """
source {directory}/{command}.bash
COMP_WORDS=({words}) COMP_CWORD={index} COMP_LINE='{line}' COMP_POINT={point}
_shtab_{command}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# zsh completes on a terminal only: one is made, and TAB is typed into it.
ZSH = """
zmodload zsh/zpty
zpty shell 'zsh -f -i'
zpty -w shell 'PROMPT=; fpath=({directory} $fpath); autoload -U compinit; compinit -u -D; LISTMAX=0'
zpty -w shell 'zstyle ":completion:*" list-separator "--"; print read''y'
zpty -r -m shell REPLY '*ready*'
zpty -w -n shell '{line}'$'\\t\\t'
zpty -r -t shell REPLY
for ((i = 0; i < 50; i++)); do sleep 0.1; zpty -r -t shell MORE && REPLY+=$MORE; [[ $REPLY == *{last}* ]] && break; done
print -r -- $REPLY
"""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def offered(shell: str, line: str, last: str) -> str:
    """What the shell offers behind ``line``; ``last`` is what comes last in the order of the alphabet."""
    needs(shell)
    command, *rest = line.split(" ")
    if shell == "fish":
        return run("fish", "--no-config", "-c", f"source {COMPLETIONS}/{command}.fish; complete -C {line!r}")
    if shell == "zsh":
        return run("zsh", "-f", "-c", ZSH.format(directory=COMPLETIONS, line=line, last=last))
    words = " ".join(f"'{word}'" for word in (command, *rest))
    index, point = len(rest), len(line)
    script = BASH.format(directory=COMPLETIONS, command=command, words=words, index=index, line=line, point=point)
    return run("bash", "--norc", "-c", script)


def test_they_are_up_to_date():
    """Run packaging/completions/generate.py after a change of the options."""
    spec = importlib.util.spec_from_file_location("generate", COMPLETIONS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert {name: (COMPLETIONS / name).read_text() for name in module.generated()} == module.generated()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_of_preforkctl_is_offered(shell: str):
    """Behind its name."""
    found = offered(shell, "preforkctl ", "upgrade")
    assert [word for word in COMMANDS if word not in found] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_options_of_a_command_are_offered(shell: str):
    """Those of that command, and no others."""
    found = offered(shell, "preforkctl reload --", "--wait")
    assert "--wait" in found
    assert "--schema" not in found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_options_of_preforkd_are_offered(shell: str):
    """All of them."""
    found = offered(shell, "preforkd --", "--version")
    assert [option for option in ("--config", "--check", "--print-config", "--set") if option not in found] == []


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_file_is_offered_for_the_configuration(shell: str, tmp_path: Path):
    """By its path."""
    (tmp_path / "prefork.toml").touch()
    assert "prefork.toml" in offered(shell, f"preforkd -c {tmp_path}/pre", "prefork.toml")
