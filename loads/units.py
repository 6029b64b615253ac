"""Durations as people write them, and back: ``90s``, ``1m30s``, ``250ms``.

Pure text and numbers; time is integer microseconds (`_us`) inside Loads. Imports nothing but errors.
"""

from __future__ import annotations

import re

from loads.errors import UsageError

US_PER_S = 1_000_000

_UNIT_US = {"us": 1, "ms": 1_000, "s": US_PER_S, "m": 60 * US_PER_S, "h": 3_600 * US_PER_S, "d": 86_400 * US_PER_S}
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_DURATION_HINT = "write it with its unit, like 90s, 1m30s or 250ms"


def parse_duration_us(text: str) -> int:
    """`text` (``90s``, ``1m30s``, ``1.5h``; a bare number counts seconds) as microseconds, zero or more.

    Raises:
        UsageError: it is not a duration.
    """
    stripped = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", stripped, re.ASCII):
        return round(float(stripped) * US_PER_S)
    parts = list(_PART.finditer(stripped))
    if not parts or "".join(part.group() for part in parts) != stripped:
        raise UsageError(f"{text!r} is not a duration", _DURATION_HINT)
    return sum(round(float(number) * _UNIT_US[unit]) for number, unit in (part.groups() for part in parts))


def format_duration(duration_us: int) -> str:
    """`duration_us` for a person: ``850us``, ``12.5ms``, ``9.3s``, ``1m30s``, ``2h05m``; rounded to what is shown."""
    if duration_us < 1_000:
        return f"{duration_us}us"
    if duration_us < 999_500:
        return f"{duration_us / 1_000:.3g}ms"
    if duration_us < 59_950_000:
        return f"{duration_us / US_PER_S:.1f}".removesuffix(".0") + "s"
    seconds = round(duration_us / US_PER_S)
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    if hours:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    return f"{minutes}m{seconds % 60:02d}s" if seconds % 60 else f"{minutes}m"


def format_bytes(count: int) -> str:
    """`count` bytes for a person, in powers of 1,000: ``512 B``, ``12.3 kB``, ``4.1 MB``."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:.3g} TB"


def plural(count: int, noun: str) -> str:
    """``1 user``, ``2 users``, ``12,000 hits``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
