"""preforkd: the command line, and the only room where everything meets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from prefork.cli import check, options
from prefork.cli.options import Options
from prefork.errors import ConfigError, PreforkError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``preforkd``. Returns the exit status; see its manual page for what each means."""
    chosen = options.parse(sys.argv[1:] if argv is None else argv)
    try:
        return _act(chosen)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except PreforkError as error:
        print(f"preforkd: {error}", file=sys.stderr)
        return error.exit_code


def _act(chosen: Options) -> int:
    from prefork.cli import launch
