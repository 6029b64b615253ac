"""Time that passes only when it is told to: from one call that is due to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class FakeClock:
    """Calls in order of time; those of the same microsecond in the order in which they were asked for."""

    def __init__(self, now_us: int = 0) -> None:
        self.now_us = now_us
        self._calls: list[tuple[int, int, Callable[[], object]]] = []
        self._asked = 0

    def __repr__(self) -> str:
        return f"<FakeClock {self.now_us / 1e6:.6f} s, {len(self._calls)} calls>"

    def call_at(self, at_us: int, call: Callable[[], object]) -> None:
        """Do `call` at `at_us`; what is late already is done next."""
        self._asked += 1
        heapq.heappush(self._calls, (max(at_us, self.now_us), self._asked, call))

    def call_in(self, delay_us: int, call: Callable[[], object]) -> None:
        """Do `call` in `delay_us`."""
        self.call_at(self.now_us + delay_us, call)

    def step(self) -> bool:
        """Go on to the next call and do it; False: there is none."""
        if not self._calls:
            return False
        self.now_us, _, call = heapq.heappop(self._calls)
        call()
        return True

    def run_until(self, until_us: int) -> None:
        """Do all that is due until then."""
        while self._calls and self._calls[0][0] <= until_us:
            self.step()
        self.now_us = max(self.now_us, until_us)
