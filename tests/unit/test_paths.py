"""M5: by a path, the master changes files in a few modules only, which are made for directories of others' making."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import prefork

ROOT = Path(prefork.__file__).parent
MODULES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))

OS = {
    *("chown", "lchown", "chmod", "lchmod", "unlink", "remove", "rename", "renames", "replace", "link", "symlink"),
    *("mkdir", "makedirs", "mkfifo", "mknod", "rmdir", "removedirs", "truncate", "utime", "setxattr", "removexattr"),
}
PATH = {
    *("chmod", "lchmod", "unlink", "rename", "hardlink_to", "symlink_to", "mkdir", "rmdir", "touch"),
    *("write_text", "write_bytes"),
}
READING = ("O_RDONLY", "O_PATH")
WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND")
# Each with its reason.
ALLOWED = {
    "observe/secure_open.py": "logs, with the rights of whoever owns a directory on the way",
    "system/unixsocket.py": "the files of unix sockets, held by O_PATH without following a link",
    "system/directory.py": "entries of a directory that is held open",
    "system/process.py": "/dev/null and /proc, which are root's",
    "system/daemon.py": "/dev/null, which is root's",
    "system/memory.py": "a file without a name, in the temporary directory",
    "worker/spool.py": "in the worker, with its rights: a file without a name",
    "worker/outbox.py": "in the worker, with its rights: a file without a name",
}


def changes_in(path: Path) -> set[str]:
    """Calls that change, make or open for writing a file by its name, as ``os.unlink`` or ``.unlink``."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {found for call in calls if (found := change(call))}


def change(call: ast.Call) -> str:
    """What a call changes; empty if nothing."""
    called = call.func
    if isinstance(called, ast.Name):
        modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        writes = any(set("wax+") & set(ast.unparse(mode)) for mode in modes)
        return "open" if called.id == "open" and writes else ""
    if not isinstance(called, ast.Attribute):
        return ""
    module = called.value.id if isinstance(called.value, ast.Name) else ""
    if module == "os" and called.attr == "open":
        told = ast.unparse(call)  # flags that are a name may be any
        reads = any(flag in told for flag in READING) and not any(flag in told for flag in WRITING)
        return "" if reads else "os.open"
    if (module == "os" and called.attr in OS) or module in ("tempfile", "shutil"):
        return f"{module}.{called.attr}"
    return f".{called.attr}" if module not in ("os", "directory") and called.attr in PATH else ""


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ALLOWED])
def test_no_other_module_changes_a_file_by_its_name(module: str):
    """A link that leads elsewhere, or a directory that belongs to a worker, would have root change any file."""
    assert not changes_in(ROOT / module)


@pytest.mark.parametrize("module", ALLOWED)
def test_each_exception_is_needed(module: str):
    """Else it is to go from the list."""
    assert changes_in(ROOT / module)


@pytest.mark.parametrize(
    "text",
    [
        "os.chown('x', 1, 1)",
        "open('x', 'w')",
        "self.path.unlink()",
        "Path('x').write_text('')",
        "os.rename(a, b)",
        "os.open(a, os.O_RDWR)",
    ],
)
def test_the_scan_finds_what_it_is_for(tmp_path: Path, text: str):
    """It is not blind."""
    (tmp_path / "module.py").write_text(text)
    assert changes_in(tmp_path / "module.py")


@pytest.mark.parametrize("text", ["open('x')", "open('x', 'rb')", "os.open(a, os.O_RDONLY)", "directory.unlink('x')"])
def test_the_scan_lets_reading_pass(tmp_path: Path, text: str):
    """Nothing is changed by it."""
    (tmp_path / "module.py").write_text(text)
    assert not changes_in(tmp_path / "module.py")
