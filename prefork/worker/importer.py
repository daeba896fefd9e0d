"""From "module:attribute" to what it names, with errors that say which part of it is wrong.

An import error inside an application is never taken for a missing application. Runs in the worker, and in the child
of ``preforkd -t``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from prefork.errors import BootError
from prefork.worker import offspring
from prefork.worker.protocol import WsgiApp

_fork_safe = True


def no_longer_fork_safe() -> None:
    """From here on this process must not be forked: it has made what a child would share to its harm. For applications.

    A worker whose application says so never becomes the template of others (pool.*.refork).
    """
    global _fork_safe
    _fork_safe = False


def is_fork_safe() -> bool:
    """The application has not objected."""
    return _fork_safe


def load(spec: str) -> WsgiApp:
    """The application that ``module:attribute`` or ``module:factory()`` names. Raises BootError."""
    found = load_attribute(spec.removesuffix("()"))
    if spec.endswith("()"):
        if not callable(found):
            raise BootError(f"{spec} is {_article(found)}, which cannot be called", hint="leave out the ()")
        try:
            found = found()
        except BaseException as error:  # an application may raise anything, SystemExit too
            if offspring.forked:
                offspring.end(error)
            raise BootError(f"{spec} failed\n{traceback.format_exc()}") from None
    if not callable(found):
        raise BootError(f"{spec} is {_article(found)}, not a callable WSGI application")
    return found  # type: ignore[no-any-return]


def load_hook(spec: str) -> Callable[[], object]:
    """The function that ``module:function`` of a hook names. Raises BootError if it cannot be called as hooks are."""
    found = load_attribute(spec)
    if not callable(found):
        raise BootError(f"{spec} is {_article(found)}, not a function")
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise BootError(f"{spec} cannot be a hook: {error}", hint="hooks are called without arguments") from None
    except ValueError:  # a built-in whose signature is not known: the call will tell
        pass
    return found  # type: ignore[no-any-return]


def load_attribute(spec: str) -> Any:
    """What ``module:attribute`` names; the attribute may have dots. Raises BootError."""
    module_name, _, attribute = spec.partition(":")
    module = _import(module_name, spec)
    found: Any = module
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise BootError(f"{spec}: {found!r} has no attribute {name!r}", hint=_similar(found, name)) from None
    return found


def _import(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise BootError(f"{spec} cannot be imported\n{traceback.format_exc()}") from None
        path = ", ".join(entry or os.curdir for entry in sys.path)
        hint = "set directory or python_path of its pool"
        raise BootError(f"{spec}: there is no module {error.name!r} in {path}", hint=hint) from None
    except BaseException as error:  # as above
        if offspring.forked:
            offspring.end(error)
        raise BootError(f"{spec} cannot be imported\n{traceback.format_exc()}") from None


def _article(found: object) -> str:
    name = type(found).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _similar(found: object, name: str) -> str:
    close = difflib.get_close_matches(name, [known for known in dir(found) if not known.startswith("__")], n=1)
    return f'did you mean "{close[0]}"?' if close else ""
