"""How far a run is, as the owner of its pool said, and how much time is left. Pure questions; `PoolState` asks them."""

from __future__ import annotations

from dataclasses import dataclass

from loads.pool.events import Begin, End, Go, Halt
from loads.pool.member import CUT_OFF_US, MUTE_US


@dataclass
class Course:
    """What the owner said last of each kind; None: nothing yet.

    Attributes:
        was_set_up: it said SetUpRun.
        ending: it said End.
    """

    was_set_up: bool = False
    begin: Begin | None = None
    go: Go | None = None
    halt: Halt | None = None
    ending: bool = False

    @property
    def has_begun(self) -> bool:
        """Whether it said Begin."""
        return self.begin is not None

    @property
    def phase(self) -> int | None:
        """The one that goes on, or is over."""
        return None if self.go is None else self.go.phase

    @property
    def following(self) -> int:
        """The next phase."""
        return 0 if self.go is None else self.go.phase + 1

    @property
    def has_more_phases(self) -> bool:
        """Whether another will follow the one that goes on."""
        return self.begin is not None and 0 < self.following < len(self.begin.plan.phases)

    @property
    def is_cut_off(self) -> bool:
        """Whether nobody waits for what is in flight."""
        return self.halt is not None and self.halt.now

    @property
    def grace_us(self) -> int:
        """How long iterations in flight may go on."""
        return 0 if self.begin is None else self.begin.plan.graceful_stop_us

    def wait_us(self, now: bool) -> int:
        """How long workers have to come to their end; `now`: after a hard stop."""
        return CUT_OFF_US if now else self.grace_us + MUTE_US

    def length_us(self, go: Go) -> int | None:
        """How long the phase that `go` starts is; None: as long as its iterations take."""
        assert self.begin is not None
        return self.begin.plan.phases[go.phase].duration_us

    def has_time_left(self, now_us: int) -> bool:
        """Whether the phase that goes on is known to last beyond now."""
        length_us = None if self.go is None else self.length_us(self.go)
        return self.go is not None and length_us is not None and now_us < self.go.phase_at_us + length_us

    def is_open(self, from_phase: int, now_us: int) -> bool:
        """Whether something of what is taken from `from_phase` on can still run in the phase that goes on."""
        if self.go is None or self.go.phase < from_phase or self.halt is not None or self.ending:
            return False
        return self.length_us(self.go) is None or self.has_time_left(now_us)

    def keeps(self, end: End) -> bool:
        """Whether it is for this pool to run tearDownRun, now that it `end`s, and there is time for it."""
        if self.is_cut_off or self.ending:
            return False
        if end.keeper is not None:
            return end.keeper
        return self.was_set_up if self.begin is None else self.begin.keeper
