"""Users over time, for the closed model.

A profile is a row of stages; in each the level of users goes in a straight line from the level before (0 at the
start) to the stage's own; a stage of no length jumps. VU slot k runs while the level is above k, so slot 0 starts a
ramp from zero at once and is the last to stop on the way down. All in integers: any machine computes the same
microsecond. Pure; knows nothing of workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec


class Stage(msgspec.Struct, frozen=True, array_like=True):
    """`duration_us` microseconds that end at `users` virtual users."""

    duration_us: int
    users: int


class Profile:
    """The level of users that `stages` draw.

    >>> list(Profile([Stage(10, 5), Stage(20, 5)]).windows(1))
    [(2, 30)]
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = tuple(stages)

    @property
    def duration_us(self) -> int:
        """From the first stage's begin to the last one's end."""
        return sum(stage.duration_us for stage in self._stages)

    def windows(self, slot: int) -> Iterator[tuple[int, int]]:
        """The spans (begin_us, end_us) in which the level is above `slot`, in order, none empty, none touching."""
        last: tuple[int, int] | None = None
        for begin, end in self._crossings(slot):
            if last is not None and last[1] == begin:
                last = (last[0], end)
                continue
            if last is not None:
                yield last
            last = (begin, end)
        if last is not None:
            yield last

    def _crossings(self, slot: int) -> Iterator[tuple[int, int]]:
        """The same, a span for each time the level rises above `slot` and falls again."""
        begin: int | None = None
        for start_us, duration_us, before, after in self._lines():
            if begin is None and before <= slot < after:
                begin = start_us + (slot - before) * duration_us // (after - before)
            elif begin is not None and after <= slot < before:
                end = start_us + (before - slot) * duration_us // (before - after)
                if end > begin:
                    yield begin, end
                begin = None
        if begin is not None and begin < self.duration_us:
            yield begin, self.duration_us

    def users_at(self, t_us: int) -> int:
        """How many slots run at `t_us` after the start; 0 before and after the profile."""
        if not 0 <= t_us < self.duration_us:
            return 0
        peak = max(stage.users for stage in self._stages)
        return sum(any(begin <= t_us < end for begin, end in self.windows(slot)) for slot in range(peak))

    def _lines(self) -> Iterator[tuple[int, int, int, int]]:
        start_us = level = 0
        for stage in self._stages:
            yield start_us, stage.duration_us, level, stage.users
            start_us += stage.duration_us
            level = stage.users
