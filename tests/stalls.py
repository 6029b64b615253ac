"""When the machine stood still: a thread that wants to run a hundred times a second notes when it could not.

A virtual machine whose host is busy stands still as a whole, for a second even. What a target sees then is no fault of
the load's, and a dip in the load while this thread ran is no fault of the machine's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TICK_S = 0.01
STALL_S = 0.1
"""Less is but other programs' turn."""


class Stalls:
    """Times by the wall clock, in seconds, in which nothing ran."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def __repr__(self) -> str:
        return f"<Stalls {' '.join(f'{to_s - from_s:.2f}s' for from_s, to_s in self.spans) or 'none'}>"

    def within(self, from_s: float, to_s: float) -> float:
        """Seconds of that time."""
        return sum(max(0.0, min(to_s, end_s) - max(from_s, begin_s)) for begin_s, end_s in self.spans)


@contextmanager
def watch_stalls() -> Iterator[Stalls]:
    """All stalls from here to the end of the block."""
    stalls, over = Stalls(), threading.Event()

    def look() -> None:
        last_s = time.time()
        while not over.wait(TICK_S):
            now_s = time.time()
            if now_s - last_s > STALL_S:
                stalls.spans.append((last_s + TICK_S, now_s))
            last_s = now_s

    thread = threading.Thread(target=look, name="stalls")
    thread.start()
    try:
        yield stalls
    finally:
        over.set()
        thread.join()
