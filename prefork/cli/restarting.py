"""The command that starts this program again, for an upgrade (USR2).

Rules. A program that was started as a script is started as a script again: the kernel then takes the interpreter from
the script's first line as it is at that moment. So a deploy that puts another release behind a symbolic link, its
virtual environment with it, is upgraded to that release's interpreter. Who named an interpreter gets the same again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

FIRST_LINE = 512  # bytes that the kernel looks at are fewer (execve(2))


def command() -> list[str]:
    """The words of the command, to be run in the directory where this program was started."""
    return command_of(sys.orig_argv, sys.argv[0], sys.executable)


def command_of(words: Sequence[str], script: str, interpreter: str) -> list[str]:
    """``words``: as the interpreter was started; ``script``: what it runs; ``interpreter``: its path."""
    if script in words[1:]:
        at = words.index(script, 1)
        if _runs_by_itself(script, words[:at]):
            return [script, *words[at + 1 :]]
    return [interpreter, *words[1:]]


def _runs_by_itself(script: str, before: Sequence[str]) -> bool:
    """Whether the kernel put the words ``before`` in front of the script, from its first line."""
    try:
        with open(script, "rb") as file:
            first, second = file.readline(FIRST_LINE), file.readline(FIRST_LINE)
    except OSError:
        return False
    if not first.startswith(b"#!") or not os.access(script, os.X_OK):
        return False
    named = [os.fsdecode(word) for word in first[2:].split(maxsplit=1)]
    if second.startswith(b"'''exec'"):  # pip's way with a path that is too long, or has spaces
        named = [os.fsdecode(second[len("'''exec'") :].split(b'"$0"')[0].strip().strip(b'"'))]
    named = [word.strip() for word in named]
    if named and os.path.basename(named[0]) == "env":
        named = named[1:]
    return named == list(before)
