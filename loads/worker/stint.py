"""What a worker runs of the phase that goes on: who runs it, and what of it is taken and given in mid-run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent

from loads.worker.arrivals import Arrivals
from loads.worker.executor import Executor
from loads.worker.holding import Holding

if TYPE_CHECKING:
    from gevent.event import Event

    from loads.plan.share import Portion
    from loads.plan.spec import Plan
    from loads.wire.messages import Start, Take, Yield
    from loads.worker.crew import Crew
    from loads.worker.lanes import Lane


class Stint:
    """Of one worker. `executor` is there while something may run."""

    def __init__(self) -> None:
        self.executor: Executor | Arrivals | None = None
        self.gave = False
        """Whether slots of the phase were given away in it."""
        self._holding = Holding()
        self._plan: Plan | None = None
        self._start: Start | None = None
        self._ran: set[int] = set()
        """Slots that run in the phase, or did; at a rate: lanes."""
        self._over: set[int] = set()
        """Lanes that an earlier Start of the phase ran to their end."""

    def assign(self, portions: tuple[Portion, ...], plan: Plan) -> None:
        """These are the worker's own."""
        self._plan = plan
        self._holding.take(portions)

    def begin(self, crew: Crew, start: Start) -> Executor | Arrivals:
        """Who runs what is the worker's of the phase, and did not run in it before."""
        if self._start is None or self._start.phase != start.phase:
            self._ran.clear()
            self.gave = False
        self._start = start
        assert self._plan is not None
        phase, at_us, grace_us = self._plan.phases[start.phase], start.phase_at_us, self._plan.graceful_stop_us
        if phase.arrivals is None:
            slots = self._slots() - self._ran
            self._ran |= slots
            self.executor = Executor(crew, phase, sorted(slots), at_us, grace_us)
        else:
            self._over = set(self._ran)
            lanes = self._lanes()
            self._ran |= {lane.number for lane in lanes}
            self.executor = Arrivals(crew, phase, lanes, at_us, grace_us)
        return self.executor

    def take(self, message: Take) -> None:
        """More is the worker's. An executor for which that comes too late leaves it to the next Start."""
        self._holding.take(message.portions, message.from_phase, message.from_us)
        match self.executor:
            case Executor() as executor:
                new = self._slots() - self._ran
                if executor.take(new):
                    self._ran |= new
            case Arrivals() as arrivals:
                self._hold(arrivals)

    def give(self, message: Yield, tell: Callable[[Yield], None]) -> None:
        """Less is; `tell` is called when what was given is nobody's here.

        At a rate that is at once: from when on is settled, and what is due before is still served here.
        """
        self._holding.give(message.portions, message.from_us)
        if isinstance(self.executor, Executor):
            gone = self._ran - self._slots()
            self._ran -= gone
            self.gave = self.gave or bool(gone)
            gevent.spawn(_tell_when_through, tell, message, self.executor.give(gone), self.executor.over)
            return
        if self.executor is not None:
            self._hold(self.executor)
        tell(message)

    def _hold(self, arrivals: Arrivals) -> None:
        lanes = self._lanes()
        if arrivals.hold(lanes):
            self._ran |= {lane.number for lane in lanes}

    def _slots(self) -> set[int]:
        """What is ours of the phase."""
        if self._start is None or self._plan is None:
            return set()
        return self._holding.slots(self._start.phase, self._plan.phases[self._start.phase].users)

    def _lanes(self) -> list[Lane]:
        """The same of a phase at a rate, but for what is over."""
        if self._start is None or self._plan is None:
            return []
        users = self._plan.phases[self._start.phase].users
        held = self._holding.lanes(self._start.phase, users, self._start.from_us)
        return [lane for lane in held if lane.number not in self._over]


def _tell_when_through(
    tell: Callable[[Yield], None], message: Yield, leaving: list[gevent.Greenlet], over: Event
) -> None:
    """Say that the slots are nobody's here: once their users are `leaving` no more, or the phase is `over`."""
    through = gevent.spawn(gevent.joinall, leaving)
    gevent.wait([through, over], count=1)
    through.kill()
    tell(message)
