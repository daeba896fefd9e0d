"""Pure. The rules between keys, listeners and pools, that no key can check alone.

Rules. Every breach is found, not only the first. They are looked for in what could be read, whatever else is wrong
with the configuration, so that one mistake does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefork.config.addresses import parse
from prefork.config.suggest import did_you_mean

DEFAULT_LISTENERS: Mapping[str, str] = {"http": "127.0.0.1:8000"}

Claims = Mapping[str, Sequence[str] | None]  # pool -> the listeners it names; None: all


@dataclass(frozen=True)
class Breach:
    """A fault and the path of the key that has it."""

    path: tuple[str | int, ...]
    problem: str
    hint: str = ""


def breaches(addresses: Mapping[str, str], claims: Claims) -> list[Breach]:
    """What is wrong between listeners (name -> address) and the pools that claim them."""
    found = [*_same_address(addresses), *_unknown(addresses, claims), *_claimed_twice(addresses, claims)]
    if claims and not any(_unknown(addresses, claims)):
        # With a misspelt name about, "no pool uses it" would only repeat the mistake.
        found += _unused(addresses, claims)
    return found


def detached(addresses: Mapping[str, str], logs: Mapping[str, str]) -> Iterator[Breach]:
    """What cannot work in a daemon: ``logs`` (key -> target) and listeners that it loses when it detaches."""
    for key, target in logs.items():
        if target == "stderr":
            hint = 'a daemon has no standard error: set the log to a path, "syslog" or "journal"'
            yield Breach(("master", "daemonize"), f'{key} = "stderr" would be lost', hint)
    for name, address in addresses.items():
        if address.startswith("systemd:"):
            hint = "systemd passes sockets to the process that it starts: set master.daemonize = false"
            yield Breach(("listen", name, "address"), "a daemon does not receive the sockets of systemd", hint)


def without_template(pools: Iterable[str]) -> Iterator[Breach]:
    """``pools``: the names of those that refork and do not preload."""
    for name in pools:
        problem = "refork needs a template, and this pool does not preload"
        yield Breach(("pool", name, "refork"), problem, "set preload = true, or remove refork")


def _same_address(addresses: Mapping[str, str]) -> Iterator[Breach]:
    first: dict[str, str] = {}
    for name, address in addresses.items():
        try:
            text = str(parse(address))
        except ValueError:
            continue  # reported where it stands
        other = first.setdefault(text, name)
        if other != name:
            yield Breach(("listen", name, "address"), f"{text} is the address of listen.{other} already")


def _unknown(addresses: Mapping[str, str], claims: Claims) -> Iterator[Breach]:
    for pool, names in claims.items():
        for index, name in enumerate(names or ()):
            if name not in addresses:
                hint = did_you_mean(name, addresses) or f"there is {_and(addresses)}"
                yield Breach(("pool", pool, "listen", index), f'no listener is called "{name}"', hint)


def _claimed_twice(addresses: Mapping[str, str], claims: Claims) -> Iterator[Breach]:
    for listener in addresses:
        pools = [pool for pool, names in claims.items() if names is None or listener in names]
        if len(pools) > 1:
            explicit = all(claims[pool] is not None for pool in pools)
            hint = "a listener belongs to one pool" if explicit else "write listen = [...] in every pool"
            problem = f'"{listener}" is claimed by the pools {_and(pools)}'
            yield Breach(("pool", pools[1], "listen"), problem, hint)


def _unused(addresses: Mapping[str, str], claims: Claims) -> Iterator[Breach]:
    if None in claims.values():
        return
    used = {name for names in claims.values() for name in names or ()}
    for listener in addresses:
        if listener not in used:
            yield Breach(("listen", listener), "no pool uses this listener", "name it in the listen of a pool")


def _and(names: Sequence[str] | Mapping[str, str]) -> str:
    *rest, last = (f'"{name}"' for name in names)
    return f"{', '.join(rest)} and {last}" if rest else last
