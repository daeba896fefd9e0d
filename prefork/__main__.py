"""``python -m prefork`` is ``preforkd``."""

import sys

from prefork.cli import main

sys.exit(main())
