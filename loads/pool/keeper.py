"""Who of a pool's workers runs tearDownRun, once all the others are gone. Pure.

It is chosen when no phase will follow: best one that has run the tests, else one that is on its way, else a process
that is started for nothing but that. Whoever was told to is the last: what fails then is not tried again.

    nobody -choose-> chosen -Finish(tear_down_run)-> told
               chosen -death-> chosen anew, once -death-> nobody
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loads.pool.events import MemberState
from loads.pool.member import Member

_COMING: Final = (MemberState.STARTING, MemberState.LOADING)
_SET_UP: Final = (MemberState.LOADED, MemberState.SETTING_UP)


@dataclass
class Keeper:
    """Starts as nobody.

    Attributes:
        number: the worker's, while it has not been told.
        was_raised: a process was started for this alone.
    """

    number: int | None = None
    was_raised: bool = False

    def choose(self, members: Sequence[Member], *, begun: bool) -> bool:
        """Choose; False: nobody is left who could. Before the run has `begun`, only who ran setUpRun has to."""
        if not begun:
            self.number = 0 if members[0].state in _SET_UP else None
            return True
        able = [member for member in members if member.is_assigned]
        able += [member for member in members if member.state in (*_COMING, *_SET_UP)]
        self.number = able[0].number if able else None
        return bool(able)

    def raise_one(self) -> int | None:
        """The number of the worker to be started for it; None: that was done before."""
        self.number = None if self.was_raised else 0
        self.was_raised = True
        return self.number

    def may_go(self, members: Sequence[Member]) -> bool:
        """Whether it is there, and the others are gone."""
        others = all(member.state is MemberState.GONE for member in members if member.number != self.number)
        return self.number is not None and others and members[self.number].state not in (*_COMING, MemberState.GONE)
