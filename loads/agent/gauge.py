"""How the machine is: its load, its processors, its memory; what the broker is told with each beat.

All of the machine, whoever uses it: who looks at a cluster wants to see what else runs there, too. What the workers
took for themselves is in the health that they measure. Read once a second, which costs a tenth of a millisecond.
"""

from __future__ import annotations

import os
import time
from typing import Final

import psutil

from loads.agent.events import Reading

READ_S: Final = 1.0
"""Between two looks: a share of less than that is mostly noise."""


class Gauge:
    """Of this machine."""

    def __init__(self) -> None:
        self._reading = Reading()
        self._read_s: float | None = None
        self._busy_s, self._whole_s = _processor_s()

    def __repr__(self) -> str:
        return f"<Gauge {self._reading}>"

    def read(self) -> Reading:
        """How it is, as of at most a second ago. The share of the processors is there from the second time on."""
        now_s = time.monotonic()
        if self._read_s is not None and now_s - self._read_s < READ_S:
            return self._reading
        first, self._read_s = self._read_s is None, now_s
        memory = psutil.virtual_memory()
        share = self._share()
        self._reading = Reading(
            load=os.getloadavg()[0],
            cpu_share=None if first else share,
            memory_used_bytes=max(0, int(memory.total - memory.available)),
            memory_bytes=int(memory.total),
        )
        return self._reading

    def _share(self) -> float | None:
        """Part of the time since the last call in which processors were busy; None: there was no such time."""
        busy_s, whole_s = _processor_s()
        busy, whole = busy_s - self._busy_s, whole_s - self._whole_s
        self._busy_s, self._whole_s = busy_s, whole_s
        return min(1.0, max(0.0, busy / whole)) if whole > 0 else None


def _processor_s() -> tuple[float, float]:
    """Time in which processors were busy, and all of their time, since the machine started.

    What guests took is in `user` and `nice` already; time that waits for a disk is idle.
    """
    times = psutil.cpu_times()._asdict()
    whole = sum(value for name, value in times.items() if name not in ("guest", "guest_nice"))
    return whole - times["idle"] - times.get("iowait", 0.0), whole
