"""Starts the servers that have no command line of their own for several workers: serve.py bjoern|fastwsgi PORT WORKERS.

Runs under the interpreter of the benchmark's virtual environment, beside app.py.
"""

from __future__ import annotations

import os
import sys

from app import application  # beside this file


def serve_bjoern(port: int, workers: int) -> None:
    """As its README shows: listen, fork, run in every child. One worker alone needs no parent."""
    import bjoern

    bjoern.listen(application, "127.0.0.1", port)
    if workers > 1 and all(os.fork() for _ in range(workers)):
        for _ in range(workers):
            os.wait()
        return
    bjoern.run()


def serve_fastwsgi(port: int, workers: int) -> None:
    """``run`` forks by itself for more than one worker."""
    import fastwsgi

    fastwsgi.run(application, "127.0.0.1", port, workers=workers)


if __name__ == "__main__":
    {"bjoern": serve_bjoern, "fastwsgi": serve_fastwsgi}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
