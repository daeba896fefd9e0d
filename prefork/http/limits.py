"""Pure. How much of a request is taken before it is refused; sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass

# Of a chunked body, beside its data. Nobody sends chunk extensions but those who look for a gap.
CHUNK_LINE = 1024  # one chunk-size line with its extensions
CHUNK_EXTENSIONS = 16 * 1024  # all extensions of a message


@dataclass(frozen=True)
class Limits:
    """The limits of ``[pool.*.http]``. Trailers count against those of the fields."""

    request_line: int = 8 * 1024
    fields: int = 100
    field_bytes: int = 32 * 1024
    body: int = 100 * 1024 * 1024
