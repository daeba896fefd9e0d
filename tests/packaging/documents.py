"""The commands that the documents show, as they are written."""

from __future__ import annotations

import re
from pathlib import Path

from tests.packaging.packages import REPOSITORY

PROGRAMS = (
    *(
        "preforkd",
        "preforkctl",
        "systemctl",
        "journalctl",
        "systemd-analyze",
        "apt",
        "rpm",
        "editor",
        "kill",
        "upgrade",
    ),
    *("old=", "python3", "packaging/build", "contrib/upgrade", "podman", "docker", "kubectl", ".venv/", "/opt/prefork"),
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def of_markdown(path: Path) -> list[str]:
    """Lines of shell blocks, and what stands behind a prompt."""
    found = []
    for language, body in BLOCK.findall(path.read_text()):
        lines = body.splitlines()
        found += lines if language == "sh" else [line[2:] for line in lines if line.startswith("$ ")]
    return [stripped(line) for line in found if line and not line.startswith("#")]


def of_manual(path: Path) -> list[str]:
    """Lines of examples that begin with a program of ours."""
    text = path.read_text().replace("\\-", "-")
    return [line for line in text.splitlines() if re.match(r"preforkctl |preforkd -", line) and "[" not in line]


def of_comments(path: Path) -> list[str]:
    """Indented lines of the comment at the top."""
    found = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        match = re.match(r"#\s{4,}(.*)", line)
        if match and match[1].startswith(PROGRAMS) and "[" not in match[1]:
            found.append(stripped(match[1]))
    return found


def stripped(line: str) -> str:
    """Without what is said about it, behind it."""
    return re.split(r"\s{2,}", line)[0].strip()


def commands() -> dict[str, list[str]]:
    """Every command, by the document that shows it."""
    found = {"README.md": of_markdown(REPOSITORY / "README.md")}
    for path in sorted((REPOSITORY / "packaging/man").glob("*.[158]")):
        found[path.name] = of_manual(path)
    for name in ("upgrade", "container/Containerfile", "kubernetes/shop.yaml", "../prefork.toml.example"):
        path = REPOSITORY / "contrib" / name
        found[path.name] = of_comments(path)
    found["prefork.toml"] = of_comments(REPOSITORY / "packaging/etc/prefork.toml")
    return found
