"""What workers print: passed on line by line, marked with the worker, and never without end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_LINE_BYTES: Final = 2_000
LINES_PER_S: Final = 50
"""Sustained; as many again may come at once."""


@dataclass(frozen=True)
class Printed:
    """A line that worker `worker` wrote to its standard output or error."""

    worker: int
    line: str


async def pass_on(stream: asyncio.StreamReader, worker: int, report: Callable[[Printed], None]) -> None:
    """Report the lines of `stream` until it ends; what floods is dropped, and that is said."""
    budget = _Budget(time.monotonic)
    rest = b""
    while data := await stream.read(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines, rest = [*lines, rest[:MAX_LINE_BYTES]], b""
        for line in lines:
            dropped = budget.spend()
            if dropped is None:
                continue
            if dropped:
                report(Printed(worker, f"({dropped:,} lines dropped)"))
            report(Printed(worker, line[:MAX_LINE_BYTES].decode(errors="replace").rstrip("\r")))
    if rest:
        report(Printed(worker, rest.decode(errors="replace")))
    if budget.dropped:
        report(Printed(worker, f"({budget.dropped:,} lines dropped)"))


class _Budget:
    """A token bucket of lines."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at_s = clock()
        self._left = 2.0 * LINES_PER_S
        self.dropped = 0

    def spend(self) -> int | None:
        """None: drop this line. Else pass it on; the number says how many were dropped before it."""
        now_s = self._clock()
        self._left = min(2.0 * LINES_PER_S, self._left + (now_s - self._at_s) * LINES_PER_S)
        self._at_s = now_s
        if self._left < 1:
            self.dropped += 1
            return None
        self._left -= 1
        dropped, self.dropped = self.dropped, 0
        return dropped
