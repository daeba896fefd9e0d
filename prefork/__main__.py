"""``python -m prefork`` is ``preforkd``: nothing is imported from the directory that it is started in.

Python puts that directory first on ``sys.path`` for ``-m``. A master that root starts in somebody's directory would
run that person's ``struct.py`` or ``yaml.py``; what belongs to an application is found by ``directory`` and
``python_path`` in its worker.
"""

import os
import sys

try:
    here = os.getcwd()
except FileNotFoundError:  # it has been removed: what needs it says so
    here = ""

if sys.path and not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", here):
    del sys.path[0]

from prefork.cli import main

sys.exit(main())
