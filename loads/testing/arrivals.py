"""What a worker does in a phase at a rate, as `worker.arrivals` does it, with iterations that are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from loads.plan.spec import Plan, pacer_of
from loads.testing.iteration import Iteration
from loads.wire.messages import Start, Stop
from loads.worker.lanes import Lane, Lanes

if TYPE_CHECKING:
    from loads.testing.worker import Worker

_AGAIN_US = 50_000
"""Between two looks at the lease."""


class Arrivals:
    """One phase of one worker, which holds `lanes`. `over` is told when the last iteration ended, on its clock."""

    def __init__(
        self, worker: Worker, start: Start, plan: Plan, lanes: Sequence[Lane], over: Callable[[int], None]
    ) -> None:
        self.worker = worker
        self.phase = plan.phases[start.phase]
        self.number = start.phase
        self.at_us = start.phase_at_us
        self.stopped = False
        assert self.phase.arrivals is not None
        self._ends_us = self.at_us + self.phase.arrivals.duration_us
        self._grace_us = plan.graceful_stop_us
        self._over = over
        self._is_over = False
        self._last_end_us = 0
        self._busy: dict[int, Iteration] = {}
        self._held: Sequence[Lane] = ()
        self._lanes = Lanes(pacer_of(self.phase.arrivals), self.phase.users)
        self._turns = 0
        worker.agent.machine.cluster.target.offices[worker.run, self.number].add(self)
        self._later(self._ends_us + self._grace_us, self._cut_off)
        self._later(self._ends_us, self.check)
        self.hold(lanes)

    def __repr__(self) -> str:
        return f"<Arrivals {self.number} busy={len(self._busy)} {self._lanes!r} stopped={self.stopped}>"

    def serves(self, slot: int) -> bool:
        """Whether what arrives now for `slot` is its."""
        t_us = self.worker.time_us() - self.at_us
        return not self.stopped and not self._is_over and any(slot in lane.slots for lane in self._held_at(t_us))

    def hold(self, lanes: Sequence[Lane]) -> bool:
        """From now on serve these; False: it is too late."""
        if self.stopped or self._is_over:
            return False
        self._held = lanes
        self._lanes.hold(lanes)
        self._turn()
        return True

    def stop(self, stop: Stop) -> None:
        """Begin nothing more, as `stop` says."""
        self.stopped = True
        if stop.now:
            self._cut_off()
        else:
            grace_us = self._grace_us if stop.grace_us is None else stop.grace_us
            self._later(self.worker.time_us() + grace_us, self._cut_off)
        self.check()

    def forget(self) -> None:
        """The process is dead."""
        self._is_over = True
        for iteration in self._busy.values():
            iteration.forget()
        self._leave()

    def check(self) -> None:
        """Whether it is over."""
        now_us = self.worker.time_us()
        if self._is_over or self._busy or not (self.stopped or now_us >= self._ends_us or not self._lanes.slots()):
            return
        self._is_over = True
        self._leave()
        ended_us = max(self._last_end_us, self.at_us)
        self._over(ended_us if self.stopped else max(ended_us, min(now_us, self._ends_us)))

    def _turn(self) -> None:
        """Begin what is due, as far as users are free; come again when the next one is."""
        self._turns += 1
        turn, now_us = self._turns, self.worker.time_us()
        arrival = self._lanes.peek()
        while arrival is not None and self.at_us + arrival.due_us <= now_us < self._ends_us and not self.stopped:
            if now_us > self.worker.lease_until_us:
                self._later(now_us + _AGAIN_US, lambda: self._turn() if turn == self._turns else None)
                return
            if len(self._busy) >= self._room(now_us):
                break
            self._lanes.pop()
            self._serve(arrival.n, now_us - self.at_us - arrival.due_us)
            arrival = self._lanes.peek()
        if arrival is not None and not self.stopped and now_us < self._ends_us:
            due_us = self.at_us + arrival.due_us
            next_us = due_us if due_us > now_us else now_us + _AGAIN_US  # or as soon as somebody is free
            self._later(next_us, lambda: self._turn() if turn == self._turns else None)

    def _serve(self, n: int, late_us: int) -> None:
        slot = n % self.phase.users
        self.worker.agent.machine.cluster.target.arrive(self.worker, self.number, slot, n)
        self.worker.users += 1
        self._busy[n] = Iteration(self.worker, self.number, slot, lambda: self._served(n), late_us)
        self._busy[n].begin()

    def _served(self, n: int) -> None:
        del self._busy[n]
        self.worker.users -= 1
        self._last_end_us = self.worker.time_us()
        if not self._is_over:
            self._turn()
        self.check()

    def _room(self, now_us: int) -> int:
        return sum(len(lane.slots) for lane in self._held_at(now_us - self.at_us))

    def _held_at(self, t_us: int) -> list[Lane]:
        return [lane for lane in self._held if lane.from_us <= t_us and (lane.until_us is None or t_us < lane.until_us)]

    def _cut_off(self) -> None:
        if self._is_over:
            return
        self.stopped = True
        for iteration in self._busy.values():
            iteration.cut_off()
            self.worker.users -= 1
            self._last_end_us = self.worker.time_us()
        self._busy.clear()
        self.check()

    def _leave(self) -> None:
        self.worker.agent.machine.cluster.target.offices[self.worker.run, self.number].discard(self)

    def _later(self, at_us: int, call: Callable[[], None]) -> None:
        delay_us = max(0, at_us - self.worker.time_us())
        self.worker.later(delay_us, lambda: None if self._is_over else call())
