"""Clients in a machine's network: ``python -m tests.packaging.load PORT PATH``, until standard input ends."""

from __future__ import annotations

import json
import sys

from contrib.bench.clients import load
from tests.gestures.conftest import answered


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    with load(port, path) as running:
        answered(running, 20)
        print("serving", flush=True)
        sys.stdin.read()
        answered(running, running.answered + 20)  # it serves afterwards as well
    print(json.dumps({"answered": running.answered, "slowest": running.slowest(), "problems": running.problems}))


if __name__ == "__main__":
    main()
