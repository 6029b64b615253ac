"""Sends what was measured: one Delta for each second of the run.

Also keeps the number of running users, whose integral over time travels with the deltas, so that a timeline shows the
users that really ran. Detail in time is what gives way when the parent is slow; counts never do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from loads.metrics.summary import Summary, Totals
from loads.units import US_PER_S
from loads.wire.messages import Delta, Up

if TYPE_CHECKING:
    from loads.client.recorder import Recorder


def monotonic_us() -> int:
    """The machine's monotonic clock in microseconds: the same for all its processes."""
    return time.monotonic_ns() // 1_000


class Meter:
    """The deltas of one worker. Before `begin` all that is measured counts for time 0."""

    def __init__(self, recorder: Recorder, send: Callable[[Up], None]) -> None:
        self._recorder = recorder
        self._send = send
        self._run_at_us: int | None = None
        self._flushed_us = 0
        self._users = 0
        self._users_us = 0
        self._changed_us = 0
        self.seq = 0

    def begin(self, run_at_us: int) -> None:
        """The run begins (or began) at `run_at_us`; calls after the first change nothing."""
        if self._run_at_us is None:
            self._run_at_us = run_at_us
            self._flushed_us = self._changed_us = max(run_at_us, monotonic_us())

    def change_users(self, by: int) -> None:
        """`by` users more (or fewer) run from now on."""
        self._integrate()
        self._users += by

    def due_in_s(self) -> float:
        """Time until the next full second of the run."""
        if self._run_at_us is None:
            return 1.0
        return (US_PER_S - (monotonic_us() - self._run_at_us) % US_PER_S) / US_PER_S

    def flush(self) -> None:
        """Send all that was recorded since the last time; nothing when there is nothing."""
        summary = self._recorder.take()
        if self._run_at_us is None:
            if summary != Summary():
                self._deliver(0, summary)
            return
        self._integrate()
        users_us, self._users_us = self._users_us, 0
        begin_us, self._flushed_us = self._flushed_us - self._run_at_us, monotonic_us()
        (t_us, summary.totals.users_us), *late = spread(users_us, begin_us, self._flushed_us - self._run_at_us)
        if summary != Summary():
            self._deliver(t_us, summary)
        for t_us, part_us in late:
            self._deliver(t_us, Summary(totals=Totals(users_us=part_us)))

    def _integrate(self) -> None:
        now_us = monotonic_us()
        if self._run_at_us is not None:
            self._users_us += self._users * (now_us - self._changed_us)
        self._changed_us = now_us

    def _deliver(self, t_us: int, summary: Summary) -> None:
        self.seq += 1
        self._send(Delta(seq=self.seq, t_us=t_us, users=self._users, summary=summary))


def spread(users_us: int, begin_us: int, end_us: int) -> list[tuple[int, int]]:
    """`users_us` user-microseconds over the run's seconds in [begin_us, end_us): pairs of (second's begin, part).

    One pair, unless a blocked worker measures more than half a second too late. The parts add up to `users_us`.
    """
    first_us = max(0, begin_us) // US_PER_S * US_PER_S
    parts = []
    if end_us - first_us > US_PER_S * 3 // 2:
        for second_us in range(first_us + US_PER_S, end_us, US_PER_S):
            overlap_us = min(end_us, second_us + US_PER_S) - second_us
            parts.append((second_us, users_us * overlap_us // (end_us - begin_us)))
    return [(first_us, users_us - sum(part for _, part in parts)), *parts]
