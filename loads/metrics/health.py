"""How a load generator fared itself: mergeable values.

A worker sends a `Health` with each delta: how late its event loop was, its processor time, pauses, open files, ports.
It rates each span (about a second) against the bounds below before sending, so that what travels are plain sums and
maxima: a `Health` is a commutative monoid and costs the same after an hour as after a second. What is to be told of it
is the business of `symptoms`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from loads.metrics.histogram import Histogram
from loads.units import US_PER_S

BUSY_SHARE: Final = 0.9
"""When it uses this part of a processor, or waits for one, a worker is busy: what it times waits for the worker."""
WAITED_SHARE: Final = 0.2
"""From this part of the time on that a worker was ready to run and got no processor, it is starved."""
STALLED_SHARE: Final = 0.5
"""The same for any program of the machine, where the kernel does not tell it of one process."""
LATE_US: Final = 100_000
"""A span in which the event loop was late by this much is a late one."""
RATED_FROM_US: Final = 100_000
"""Shorter spans, as at the end of a run, say nothing: they are added up and not rated."""
RECENT_US: Final = 8 * US_PER_S
"""How far back `WorkerHealth` knows single spans: with room for three bad seconds, each told a second late."""


class Spell(msgspec.Struct, array_like=True):
    """Spans of one kind: how long they were in all, and how much of that was used (or waited)."""

    wall_us: int = 0
    part_us: int = 0

    def merge(self, other: Spell) -> None:
        """Add `other`."""
        self.wall_us += other.wall_us
        self.part_us += other.part_us

    @property
    def share(self) -> float:
        """The part of the spans, 0..1; 0 when there are none."""
        return self.part_us / self.wall_us if self.wall_us else 0.0


class Health(msgspec.Struct, array_like=True):
    """How one worker fared in some span of time. Empty: the identity of `merge`.

    Attributes:
        wall_us: time covered, by the monotonic clock.
        cpu_us: processor time used, of all threads; a gevent worker has use for one processor.
        cpu_peak: the largest share of a rated span.
        waited_us: ready to run, without a processor; None where the kernel does not tell.
        stalled_us: the same for any program of the machine; taken only where `waited_us` can't be.
        lag: how late the event loop came to its timers.
        busy, starved: the spans that were rated so (starved goes first: it is the cause), with the processor time used
            and the time waited in them.
        late_us: length of the spans that were rated late.
        files, files_limit: most files open, and the limit; None where the kernel does not tell.
        ports, ports_range: most ports towards one address, and how many there are; None likewise.
        users: most virtual users that ran.
        troubled_us: length of the spans that were rated busy, starved or late, each counted once.
        slept_us: how long the machine slept meanwhile.
        set_forward_us, set_back_us: by how much the wall clock was set. No duration depends on it.
    """

    wall_us: int = 0
    cpu_us: int = 0
    cpu_peak: float | None = None
    waited_us: int | None = None
    stalled_us: int | None = None
    lag: Histogram = msgspec.field(default_factory=Histogram)
    busy: Spell = msgspec.field(default_factory=Spell)
    starved: Spell = msgspec.field(default_factory=Spell)
    late_us: int = 0
    pauses: int = 0
    paused_us: int = 0
    longest_pause_us: int = 0
    files: int | None = None
    files_limit: int | None = None
    ports: int | None = None
    ports_range: int | None = None
    users: int = 0
    troubled_us: int = 0
    slept_us: int = 0
    set_forward_us: int = 0
    set_back_us: int = 0

    @property
    def cpu_share(self) -> float | None:
        """Processors used on average; None when no time was covered."""
        return self.cpu_us / self.wall_us if self.wall_us else None

    @property
    def waited_share(self) -> float | None:
        """Part of the time spent waiting for a processor; None where it is not known."""
        return None if self.waited_us is None or not self.wall_us else self.waited_us / self.wall_us

    def paused(self, pause_us: int) -> None:
        """A garbage collection took so long."""
        self.pauses += 1
        self.paused_us += pause_us
        self.longest_pause_us = max(self.longest_pause_us, pause_us)

    def rate(self) -> None:
        """Hold this one span against the bounds: once, when it is over and before it is merged with others."""
        wall_us = self.wall_us
        if wall_us < RATED_FROM_US:
            return
        self.cpu_peak = self.cpu_us / wall_us
        waited_us, bound = self.waited_us, WAITED_SHARE
        if waited_us is None:
            waited_us, bound = self.stalled_us or 0, STALLED_SHARE
        if waited_us >= bound * wall_us:
            self.starved = Spell(wall_us, waited_us)
        elif self.cpu_us + (self.waited_us or 0) >= BUSY_SHARE * wall_us:
            self.busy = Spell(wall_us, self.cpu_us)
        if self.lag.max_us >= LATE_US:
            self.late_us = wall_us
        self.troubled_us = max(self.busy.wall_us, self.starved.wall_us, self.late_us)

    def merge(self, other: Health) -> None:
        """Take in `other`, which stays as it is. Of two limits the tighter one stays."""
        for name in (*_COUNTS, *_CLOCKS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_pause_us = max(self.longest_pause_us, other.longest_pause_us)
        self.users = max(self.users, other.users)
        for mine, theirs in ((self.busy, other.busy), (self.starved, other.starved)):
            mine.merge(theirs)
        self.lag.merge(other.lag)
        self.waited_us = joined(operator.add, self.waited_us, other.waited_us)
        self.stalled_us = joined(operator.add, self.stalled_us, other.stalled_us)
        self.cpu_peak = joined(max, self.cpu_peak, other.cpu_peak)
        self.files = joined(max, self.files, other.files)
        self.files_limit = joined(min, self.files_limit, other.files_limit)
        self.ports = joined(max, self.ports, other.ports)
        self.ports_range = joined(min, self.ports_range, other.ports_range)


_COUNTS: Final = ("wall_us", "cpu_us", "late_us", "troubled_us", "pauses", "paused_us")
_CLOCKS: Final = ("slept_us", "set_forward_us", "set_back_us")
_N = TypeVar("_N", int, float)


def joined(how: Callable[[_N, _N], _N], one: _N | None, other: _N | None) -> _N | None:
    """`how` of both; where one is None, the other."""
    if one is None or other is None:
        return other if one is None else one
    return how(one, other)


class WorkerHealth(msgspec.Struct):
    """How one worker fared in the whole run, and lately: the spans that began in its last seconds."""

    total: Health = msgspec.field(default_factory=Health)
    recent: list[tuple[int, Health]] = []

    def add(self, t_us: int, health: Health) -> None:
        """Fold in the span that began in the second from `t_us` on."""
        self.total.merge(health)
        self.recent = [span for span in self.recent if span[0] > t_us - RECENT_US] + [(t_us, health)]

    def since(self, from_us: int) -> Health:
        """What of the recent spans began at `from_us` or later."""
        whole = Health()
        for t_us, health in self.recent:
            if t_us >= from_us:
                whole.merge(health)
        return whole
