"""When an agent that was told to go may go. Pure; called by `AgentState` alone.

It tells the broker with its beats, so that it gets nothing more, and goes when it has nothing any more: no run, and
nothing that earlier processes left and the broker takes. Without a broker it waits for nothing but its own load: what
is not delivered stays in the state directory, and the next agent there delivers it.
"""

from __future__ import annotations

from typing import Final

from loads.agent.part import Part
from loads.units import US_PER_S

SILENT_US: Final = 2_500_000
"""Without a run, a broker that was not heard for so long is not waited for."""
AWAY_US: Final = 5 * US_PER_S
"""With one neither, once nothing of it runs."""
STALLED_US: Final = 10 * US_PER_S
"""Estates of which it took nothing for so long are left to the next agent."""


class Leaving:
    """Since `now_us`."""

    def __init__(self, now_us: int) -> None:
        self._taken_us = now_us
        self._told_us: int | None = None
        self._is_known = False

    def beats(self, sent_us: int) -> None:
        """A beat says it."""
        if self._told_us is None:
            self._told_us = sent_us

    def is_answered(self, sent_us: int) -> None:
        """The beat of `sent_us` was answered."""
        self._is_known = self._is_known or (self._told_us is not None and sent_us >= self._told_us)

    def meets_anew(self) -> None:
        """A broker may not know it yet."""
        self._told_us, self._is_known = None, False

    def delivers(self, now_us: int) -> None:
        """The broker took something."""
        self._taken_us = now_us

    def is_done(self, part: Part | None, *, has_estates: bool, enlisted: bool, silent_us: int, now_us: int) -> bool:
        """Whether it may go now. `enlisted`: the broker knows us; it was heard `silent_us` ago."""
        if part is not None:
            return silent_us > AWAY_US and part.is_still(now_us)
        if not enlisted or silent_us > SILENT_US:
            return True
        return self._is_known and (not has_estates or now_us - self._taken_us > STALLED_US)
