"""Durations as people write them, and back: ``90s``, ``1m30s``, ``250ms``. Rates: ``500/s``. Sizes: ``2g``, ``100m``.

Pure text and numbers; time is integer microseconds (`_us`) inside Loads. Imports nothing but errors.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from loads.errors import UsageError

US_PER_S = 1_000_000
Rate = int
"""Millionths of one per hour, so that 500/s, 7/m and 0.5/h are whole numbers."""
RATE_PER_S: Rate = 3_600 * 1_000_000
"""One per second."""

_UNIT_US = {"us": 1, "ms": 1_000, "s": US_PER_S, "m": 60 * US_PER_S, "h": 3_600 * US_PER_S, "d": 86_400 * US_PER_S}
_NUMBER = r"\d{1,12}(?:\.\d{1,12})?"
_PART = re.compile(rf"({_NUMBER})(us|ms|s|m|h|d)", re.ASCII)
_LONGEST_US = 366 * _UNIT_US["d"]
_DURATION_HINT = "write it with its unit, like 90s, 1m30s or 250ms"
_RATE = re.compile(rf"({_NUMBER}) ?/ ?(s|sec|m|min|h)", re.ASCII)
_RATE_UNITS = {
    "s": RATE_PER_S,
    "sec": RATE_PER_S,
    "m": RATE_PER_S // 60,
    "min": RATE_PER_S // 60,
    "h": RATE_PER_S // 3_600,
}
HIGHEST_RATE: Rate = 10_000_000 * RATE_PER_S
"""What may be asked for: more than a cluster has ever done, and an integral over a year still fits its limits."""
_SIZE = re.compile(rf"({_NUMBER})([kmgt]?)b?", re.ASCII)
_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LARGEST_BYTES = (1 << 62) - 1


def parse_duration_us(text: str) -> int:
    """`text` (``90s``, ``1m30s``, ``1.5h``; a bare number counts seconds) as microseconds, zero or more.

    Raises:
        UsageError: it is not a duration.
    """
    stripped = text.strip().lower()
    if re.fullmatch(_NUMBER, stripped, re.ASCII):
        stripped += "s"
    parts = list(_PART.finditer(stripped))
    if not parts or "".join(part.group() for part in parts) != stripped:
        raise UsageError(f"{text!r} is not a duration", _DURATION_HINT)
    duration_us = sum(round(float(number) * _UNIT_US[unit]) for number, unit in (part.groups() for part in parts))
    if duration_us > _LONGEST_US:
        raise UsageError(f"{text!r} is longer than a year", _DURATION_HINT)
    return duration_us


def format_duration(duration_us: int) -> str:
    """`duration_us` for a person: ``850us``, ``12.5ms``, ``9.3s``, ``1m30s``, ``2h05m``; rounded to what is shown."""
    if duration_us < 1_000:
        return f"{duration_us}us"
    if duration_us < 999_500:
        return f"{duration_us / 1_000:.3g}ms"
    if duration_us < 59_950_000:
        return f"{duration_us / US_PER_S:.1f}".removesuffix(".0") + "s"
    seconds = round(duration_us / US_PER_S)
    if seconds >= 3_600:
        hours, minutes = divmod(round(duration_us / (60 * US_PER_S)), 60)
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    minutes = seconds // 60
    return f"{minutes}m{seconds % 60:02d}s" if seconds % 60 else f"{minutes}m"


def parse_rate(text: str) -> Rate:
    """`text` (``500/s``, ``30/m``, ``0.5/h``) as a rate, zero or more.

    Raises:
        UsageError: it is not a rate.
    """
    found = _RATE.fullmatch(text.strip().lower())
    hint = "write it with its unit of time, like 500/s, 30/m or 100/h"
    if found is None:
        raise UsageError(f"{text!r} is not a rate", hint)
    exact = Fraction(found[1]) * _RATE_UNITS[found[2]]
    if exact > HIGHEST_RATE:
        raise UsageError(f"{text!r} is more than 10,000,000/s", hint)
    return round(exact)


def format_rate(rate: Rate) -> str:
    """`rate` for a person, by the shortest time in which it is not below one: ``500/s``, ``30/m``, ``0.5/h``."""
    for name in ("s", "m", "h"):
        count = Fraction(rate, _RATE_UNITS[name])
        if count >= 1 or not rate or name == "h":
            break
    shown = f"{float(count):,.6g}" if count < 1_000_000 else f"{float(count):,.0f}"
    return f"{shown}/{name}"


def parse_part(text: str) -> float:
    """``1%`` or ``0.01`` as a part of a whole, 0..1.

    Raises:
        UsageError: it is neither.
    """
    number, percent = text.strip(), text.strip().endswith("%")
    number = number.removesuffix("%").strip()
    part = float(Fraction(number) / (100 if percent else 1)) if re.fullmatch(_NUMBER, number, re.ASCII) else -1.0
    if not 0 <= part <= 1:
        raise UsageError(f"{text!r} is no part of a whole", "write it like 1% or 0.01")
    return part


def parse_size_bytes(text: str) -> int:
    """`text` (``2g``, ``100m``, ``1.5k``; a bare number counts bytes) as bytes, zero or more; ``k`` is 1,024.

    Raises:
        UsageError: it is not a size.
    """
    found = _SIZE.fullmatch(text.strip().lower())
    size_bytes = round(Decimal(found[1]) * _SIZE_UNITS[found[2]]) if found else -1
    if not 0 <= size_bytes <= _LARGEST_BYTES:
        raise UsageError(f"{text!r} is not a size", "write it with its unit, like 2g, 100m or 64k")
    return size_bytes


def sendable(text: str) -> str:
    """`text` as UTF-8 can hold it: what it can't (halves of surrogate pairs, as odd bytes become) is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def plural(count: int, noun: str) -> str:
    """``1 user``, ``2 users``, ``12,000 hits``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
