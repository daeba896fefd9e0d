"""From "module:attribute" to an application, with errors that say which part of it is wrong."""

from __future__ import annotations

import sys

import pytest

from prefork.errors import BootError
from prefork.worker.importer import load

MODULES = {
    "good.py": "def app(environ, start_response): ...\nclass Space:\n    inner = staticmethod(app)\ndef make(): return app\n",
    "odd.py": "number = 7\ndef fails(): raise ValueError('in the factory')\ndef gives_none(): return None\n",
    "imports_nothing_there.py": "import not_installed_anywhere\n",
    "imports_from_good.py": "from good import not_there\n",
    "raises.py": "raise ZeroDivisionError('while importing')\n",
    "leaves.py": "import sys\nsys.exit(3)\n",
    "bad_syntax.py": "def app(:\n",
    "package/__init__.py": "",
    "package/good.py": "def app(environ, start_response): ...\n",
}


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("spec", ["good:app", "good:Space.inner", "good:make()", "package.good:app"])
def test_what_is_there_is_found(spec):
    """A callable, a dotted attribute, what a factory makes, a module in a package."""
    assert load(spec).__name__ == "app"


FAULTS = {
    "nowhere:app": ("there is no module 'nowhere'", "python_path"),
    "package.nowhere:app": ("there is no module 'package.nowhere'", "python_path"),
    "nowhere.good:app": ("there is no module 'nowhere'", "python_path"),
    "good:aap": ("has no attribute 'aap'", 'did you mean "app"?'),
    "good:Space.iner": ("has no attribute 'iner'", 'did you mean "inner"?'),
    "odd:number": ("is an int, not a callable WSGI application", "callable"),
    "odd:number()": ("is an int, which cannot be called", "()"),
    "odd:gives_none()": ("is a NoneType, not a callable WSGI application", "callable"),
    "odd:fails()": ("ValueError: in the factory", "Traceback"),
    "imports_nothing_there:app": ("No module named 'not_installed_anywhere'", "Traceback"),
    "imports_from_good:app": ("cannot import name 'not_there'", "Traceback"),
    "raises:app": ("ZeroDivisionError: while importing", "Traceback"),
    "leaves:app": ("SystemExit: 3", "Traceback"),
    "bad_syntax:app": ("SyntaxError", "Traceback"),
}


@pytest.mark.parametrize("spec", FAULTS)
def test_what_is_wrong_is_said(spec):
    """A module that is not there is told from one that fails; a hint says what to do."""
    with pytest.raises(BootError) as caught:
        load(spec)
    story = str(caught.value)
    assert spec in story
    for part in FAULTS[spec]:
        assert part in story
