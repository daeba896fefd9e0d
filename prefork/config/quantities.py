"""Pure. Durations, sizes and permission bits as people write them.

Rules. Each reader has its writer, and reading what was written gives the same value. Whatever is wrong is a
ValueError whose text is one sentence for the operator. A number without a unit is seconds or bytes; a text needs
its unit, because ``"30"`` is as likely a slip as an intention; only ``"0"`` is the same in every unit.

Diagnostics. ValueError with a sentence, which becomes a fault of the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DURATION_PATTERN = r"^(0|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$"
SIZE_PATTERN = r"^(0|[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB|TiB))$"
OCTAL_PATTERN = r"^(0o?)?[0-7]{3}$"

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?([A-Za-z]*)", re.ASCII)
_LONGEST = 366 * 86_400.0  # seconds; a longer one is a slip, and the kernel's timers overflow not far above
_LARGEST = 1 << 62

DURATION_FORM = 'a duration like "500ms", "30s", "5m", "12h" or "7d", or a number of seconds'
SIZE_FORM = 'a size like "64KiB", "512MiB" or "2GiB", or a number of bytes'
OCTAL_FORM = 'an octal text like "0o660"'


def duration(value: object) -> float:
    """Seconds, from a number or a text such as ``500ms`` or ``5m``. Raises ValueError."""
    if isinstance(value, str):
        seconds = _amount(value, _MILLISECONDS, DURATION_FORM) / 1000
    elif isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124  NaN
        raise _unlike(DURATION_FORM)
    else:
        seconds = float(max(-1, min(value, _LONGEST + 1)))
    if seconds < 0:
        raise ValueError("must not be negative")
    if seconds > _LONGEST:
        raise ValueError('must not be longer than "366d"')
    return seconds


def duration_text(seconds: float) -> str | float:
    """A duration in seconds as its shortest exact text, or as a plain number when no text is exact."""
    if not seconds:
        return "0s"
    for unit, factor in reversed(_MILLISECONDS.items()):
        count = round(seconds * 1000 / factor)
        if count and count * factor / 1000 == seconds:
            return f"{count}{unit}"
    return seconds


def size(value: object) -> int:
    """Bytes. Decimal units are refused: half of the world means 1024 by "KB", the other half does not."""
    if isinstance(value, str):
        amount = _amount(value, _BYTES, SIZE_FORM)
        if amount != int(amount):
            raise ValueError("must be a whole number of bytes")
        count = int(amount)
    elif isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        raise _unlike(SIZE_FORM)
    if not 0 <= count <= _LARGEST:
        raise ValueError("must not be negative" if count < 0 else "is more than any machine has")
    return count


def size_text(count: int) -> str | int:
    """A size in bytes as its shortest exact text; one that is not a multiple of 1 KiB stays a number."""
    for unit, factor in reversed(_BYTES.items()):
        if factor > 1 and count and count % factor == 0:
            return f"{count // factor}{unit}"
    return count


def octal(value: object) -> int:
    """Permission bits. A TOML integer is refused: ``660`` and ``0o660`` cannot be told apart once they are read."""
    if not isinstance(value, str) or not re.fullmatch(OCTAL_PATTERN, value, re.ASCII):
        raise ValueError(f"must be {OCTAL_FORM}, in quotation marks")
    return int(value.removeprefix("0o"), 8)


def octal_text(bits: int) -> str:
    """The text that ``octal`` reads."""
    return f"0o{bits:03o}"


def _unlike(form: str) -> ValueError:
    return ValueError(f"must be {form}")


def _amount(text: str, units: Mapping[str, int], form: str) -> float:
    """The number in ``text`` times its unit, exact for whole numbers. Raises ValueError."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f'must be {form}, not "{text}"')
    whole, fraction, unit = match.groups()
    if not unit and int(whole) == 0 and not fraction:
        return 0
    if unit not in units:
        raise ValueError(_wrong_unit(text, unit, units))
    return int(whole) * units[unit] if not fraction else float(f"{whole}.{fraction}") * units[unit]


def _wrong_unit(text: str, unit: str, units: Mapping[str, int]) -> str:
    if not unit:
        example, plain = ("s", "seconds") if "s" in units else ("KiB", "bytes")
        return f'"{text}" lacks its unit: write "{text}{example}", or {text} without quotation marks for {plain}'
    # Kb, KB, kib and K are KiB here; sec is no unit.
    meant = next((name for name in units if unit.lower() in (name.lower(), name.lower().replace("i", ""))), "")
    meant = meant or next((name for name in units if len(unit) == 1 and name.startswith(unit.upper())), "")
    return f'unknown unit in "{text}": write ' + (f'"{meant}"' if meant else f"one of {', '.join(units)}")
