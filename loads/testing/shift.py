"""What a worker's virtual users do in one phase, as `worker.executor` does it, with iterations that are made up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from loads.plan.spec import Plan
from loads.testing.iteration import Iteration
from loads.wire.messages import Start, Stop

if TYPE_CHECKING:
    from loads.testing.worker import Worker

_NEVER_US: Final = 1 << 62


class Shift:
    """One phase of one worker. `over` is told when the last iteration ended, on the worker's clock."""

    def __init__(self, worker: Worker, start: Start, plan: Plan, over: Callable[[int], None]) -> None:
        self.worker = worker
        self.phase = plan.phases[start.phase]
        self.number = start.phase
        self.at_us = start.phase_at_us
        self.stopped = False
        self.last_end_us = 0
        self._over = over
        self._grace_us = plan.graceful_stop_us
        self._users: dict[int, User] = {}
        self._leaving: dict[User, Callable[[], None]] = {}
        self._is_over = False
        length_us = self.phase.duration_us
        if length_us is not None:
            self._limit(self.at_us + length_us + self._grace_us)

    def __repr__(self) -> str:
        return f"<Shift {self.number} {sorted(self._users)} leaving={len(self._leaving)} stopped={self.stopped}>"

    def take(self, slots: Iterable[int]) -> bool:
        """Run these, too; False: it is too late."""
        if self.stopped or self._is_over:
            return False
        for slot in slots:
            if slot not in self._users:
                user = self._users[slot] = User(self, slot)
                self.worker.world.clock.call_in(0, user.next_window)
        return True

    def give(self, slots: Iterable[int], through: Callable[[], None]) -> None:
        """Begin nothing more of these; `through` once nothing of them is in flight."""
        leaving = [user for slot in slots if (user := self._users.pop(slot, None)) is not None and not user.through]
        left = len(leaving)

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                through()

        if not left:
            through()
        for user in leaving:
            self._leaving[user] = one_less
            user.leave()

    def stop(self, stop: Stop) -> None:
        """Begin nothing more, as `stop` says."""
        self.stopped = True
        for user in list(self._users.values()):
            user.leave()
        if stop.now:
            self._cut_off()
        else:
            self._limit(self.worker.time_us() + (self._grace_us if stop.grace_us is None else stop.grace_us))
        self.check()

    def forget(self) -> None:
        """The process is dead."""
        self._is_over = True
        for user in [*self._users.values(), *self._leaving]:
            user.end()

    def done(self, user: User) -> None:
        """`user` has nothing more to do."""
        told = self._leaving.pop(user, None)
        if told is not None and self.worker.alive:
            told()
        self.check()

    def check(self) -> None:
        """Whether it is over."""
        if self._is_over or self._leaving or any(not user.through for user in self._users.values()):
            return
        self._is_over = True
        length_us = self.phase.duration_us
        ended_us = max(self.last_end_us, self.at_us)
        if length_us is not None and not self.stopped:
            ended_us = max(ended_us, self.at_us + length_us)
        self._over(ended_us)

    def _limit(self, at_us: int) -> None:
        self.worker.later(max(0, at_us - self.worker.time_us()), self._cut_off)

    def _cut_off(self) -> None:
        if self._is_over:
            return
        self.stopped = True
        for user in [*self._users.values(), *self._leaving]:
            user.cut_off()
        self.check()


class User:
    """One virtual user: a row of calls on the clock."""

    def __init__(self, shift: Shift, slot: int) -> None:
        self.shift = shift
        self.slot = slot
        self.through = False
        self._left = False
        self._iteration: Iteration | None = None
        self._running = False
        self._begun = 0
        self._windows = self._find_windows()
        self._end_us = 0
        self._key = (shift.worker.run, shift.number, slot)
        shift.worker.agent.machine.cluster.target.claims[self._key].add(self)

    @property
    def worker(self) -> Worker:
        """Who runs it."""
        return self.shift.worker

    def next_window(self) -> None:
        """Wait for its next span of time."""
        if self.through or not self.worker.alive:
            return
        window = None if self._left else next(self._windows, None)
        if window is None:
            self.end()
            return
        begin_us, self._end_us = window
        self._later(max(0, begin_us - self.worker.time_us()), self._enter)

    def leave(self) -> None:
        """Begin nothing more."""
        self._left = True
        self._unclaim()
        if self._iteration is None:
            self.end()

    def cut_off(self) -> None:
        """End at once."""
        if self._iteration is not None:
            self._iteration.cut_off()
            self.shift.last_end_us = self.worker.time_us()
        self._left = True
        self.end()

    def end(self) -> None:
        """It has nothing more to do."""
        if self.through:
            return
        self.through = True
        if self._iteration is not None:
            self._iteration.forget()
            self._iteration = None
        self._unclaim()
        if self._running:
            self._running = False
            self.worker.users -= 1
        self.shift.done(self)

    def _find_windows(self) -> Iterator[tuple[int, int]]:
        shift = self.shift
        for begin_us, end_us in shift.phase.windows(self.slot):
            until_us = _NEVER_US if end_us is None else shift.at_us + end_us
            if shift.worker.time_us() < until_us:
                yield shift.at_us + begin_us, until_us

    def _enter(self) -> None:
        self._running = True
        self.worker.users += 1
        self.worker.agent.machine.check_room(self.worker.agent)
        self._next()

    def _next(self) -> None:
        """The next iteration, if there is one and it may begin."""
        worker, hits = self.worker, self.shift.phase.hits
        now_us = worker.time_us()
        if self._left or now_us >= self._end_us or (hits is not None and self._begun >= hits):
            self._running = False
            worker.users -= 1
            if self._left or hits is not None:
                self.end()
            else:
                self.next_window()
        elif now_us > worker.lease_until_us:
            self._later(50_000, self._next)
        else:
            self._iterate()

    def _iterate(self) -> None:
        worker = self.worker
        worker.agent.machine.cluster.target.begin(worker, self.shift.number, self.slot)
        self._begun += 1
        self._iteration = Iteration(worker, self.shift.number, self.slot, self._ended)
        self._iteration.begin()

    def _ended(self) -> None:
        self._iteration = None
        self.shift.last_end_us = self.worker.time_us()
        if self._left:
            self.end()
        else:
            self._next()

    def _later(self, delay_us: int, call: Callable[[], None]) -> None:
        self.worker.later(delay_us, lambda: None if self.through else call())

    def _unclaim(self) -> None:
        self.worker.agent.machine.cluster.target.claims[self._key].discard(self)
