"""Pure. Every section and every key, by its path with ``*`` for the names of pools and listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic.fields import FieldInfo

from prefork.config.models.config import Config
from prefork.config.models.listen import Listen, Tls
from prefork.config.models.master import Access, Control, Log, Master, Status
from prefork.config.models.pool import Hooks, Http, Pool, Recycle, Timeout, WorkerRange
from prefork.config.models.section import Section

SECTIONS: Mapping[str, type[Section]] = {
    section.place: section
    for section in (
        *(Config, Master, Log, Access, Control, Status, Listen, Tls),
        *(Pool, WorkerRange, Timeout, Recycle, Hooks, Http),
    )
}

NAMED = ("listen", "pool")  # tables whose keys are names of the user's


def pattern_of(path: Sequence[str | int]) -> str:
    """The path of a key in this catalogue.

    Names of pools and listeners become ``*``, positions in lists are dropped.
    """
    names = [name for name in path if isinstance(name, str)]
    if len(names) > 1 and names[0] in NAMED:
        names[1] = "*"
    return ".".join(names)


def keys() -> dict[str, FieldInfo]:
    """Every key that is not itself a section (``pool.*.workers`` is a key, whatever forms it has)."""
    found = {}
    for section in SECTIONS.values():
        for name, field in section.model_fields.items():
            key = section.key_of(name)
            if section is not WorkerRange and key not in NAMED and (key == "pool.*.workers" or key not in SECTIONS):
                found[key] = field
    return found
