"""Sends what was measured: one Delta for each second of the run.

Also keeps the number of running users, whose integral over time travels with the deltas, so that a timeline shows the
users that really ran. Detail in time is what gives way when the parent is slow; counts never do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loads.client.clock import monotonic_us
from loads.metrics.summary import Summary, Totals
from loads.units import US_PER_S
from loads.wire.messages import Delta, Up

if TYPE_CHECKING:
    from loads.client.recorder import Recorder
    from loads.metrics.health import Health


class Meter:
    """The deltas of one worker. Before `begin` all that is measured counts for time 0."""

    def __init__(
        self, recorder: Recorder, send: Callable[[Up], None], take_health: Callable[[], Health | None] = lambda: None
    ) -> None:
        self._recorder = recorder
        self._send = send
        self._take_health = take_health
        self._run_at_us: int | None = None
        self._flushed_us = 0
        self._users = 0
        self._most_users = 0
        self._users_us = 0
        self._users_from_us = 0
        self._changed_us = 0
        self.seq = 0

    def begin(self, run_at_us: int) -> None:
        """A phase begins; the run began (or begins) at `run_at_us`. What was measured before must have been flushed."""
        if self._run_at_us is None:
            self._run_at_us = run_at_us
        self._flushed_us = self._users_from_us = self._changed_us = max(run_at_us, monotonic_us())

    def change_users(self, by: int) -> None:
        """`by` users more (or fewer) run from now on."""
        self._integrate()
        self._users += by
        self._most_users = max(self._most_users, self._users)

    def due_in_s(self) -> float:
        """Time until the next full second of the run; before its start, until the first one is over.

        A delta of less than a second would look as if that second were all told.
        """
        if self._run_at_us is None:
            return 1.0
        elapsed_us = monotonic_us() - self._run_at_us
        return (max(0, elapsed_us) // US_PER_S * US_PER_S + US_PER_S - elapsed_us) / US_PER_S

    def flush(self, *, last: bool = False) -> None:
        """Send all that was recorded since the last time; when that is nothing, the parent hears that the loop turns.

        The users of the second that has just begun are kept for the next time, unless this is the `last` one.
        """
        summary, health = self._recorder.take(), self._take_health()
        if self._run_at_us is None:
            if summary != Summary():
                self._deliver(0, summary)
            return
        self._integrate()
        t_us = max(0, self._flushed_us - self._run_at_us) // US_PER_S * US_PER_S
        self._flushed_us = monotonic_us()
        (first_us, first_users_us), *later = spread(
            self._users_us, self._users_from_us - self._run_at_us, self._flushed_us - self._run_at_us
        )
        self._users_us = 0
        if later and not last:
            kept_us, self._users_us = later.pop()
            self._users_from_us = self._run_at_us + kept_us
        else:
            self._users_from_us = self._flushed_us
        if first_us == t_us:
            summary.totals.users_us = first_users_us
        else:
            later.insert(0, (first_us, first_users_us))
        if health is not None:
            health.users, self._most_users = self._most_users, self._users
        if not last or summary != Summary() or health is not None:
            self._deliver(t_us, summary, health)
        for second_us, users_us in later:
            if users_us:
                self._deliver(second_us, Summary(totals=Totals(users_us=users_us)))

    def _integrate(self) -> None:
        now_us = monotonic_us()
        if self._run_at_us is not None:
            self._users_us += self._users * (now_us - self._changed_us)
        self._changed_us = now_us

    def _deliver(self, t_us: int, summary: Summary, health: Health | None = None) -> None:
        self.seq += 1
        self._send(Delta(seq=self.seq, t_us=t_us, users=self._users, summary=summary, health=health))


def spread(users_us: int, begin_us: int, end_us: int) -> list[tuple[int, int]]:
    """`users_us` user-microseconds over the run's seconds that [begin_us, end_us) touches: pairs (begin, part).

    At least one pair; each part goes by the time that falls into its second, and all add up to `users_us`.
    """
    begin_us = max(0, begin_us)
    first_us = begin_us // US_PER_S * US_PER_S
    parts = []
    for second_us in range(first_us + US_PER_S, end_us, US_PER_S):
        overlap_us = min(end_us, second_us + US_PER_S) - second_us
        parts.append((second_us, users_us * overlap_us // (end_us - begin_us)))
    return [(first_us, users_us - sum(part for _, part in parts)), *parts]
