"""Pure. Where the service stands as a whole."""

from __future__ import annotations

from enum import Enum


class ServiceState(Enum):
    """Where the service stands as a whole."""

    STARTING = "starting"  # not every pool has been up yet: what cannot boot ends the master
    SERVING = "serving"  # from now on the master never gives up
    STOPPING = "stopping"
