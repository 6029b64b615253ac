"""The clock of all measurements: the system's monotonic one, asked for in a way that tests don't replace.

Tests freeze and mock `time.monotonic` and its kin. What they do to their own time must not reach how Loads measures, so
the system call behind it is bound here, once, before any test file is imported.
"""

from __future__ import annotations

import time
from functools import partial

monotonic_ns = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
"""Nanoseconds; the same clock in all processes of a machine."""


def monotonic_us() -> int:
    """The same in microseconds."""
    return monotonic_ns() // 1_000
