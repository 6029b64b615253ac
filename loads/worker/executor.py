"""Runs a phase of the closed model: virtual users that loop, each on a slot, one iteration after the other.

Ends when all users are through, when the phase's time is over and iterations in flight had their grace, or when it is
stopped. Meanwhile users may come and go: the share of a worker that is lost goes to others.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import gevent

from loads.client.clock import monotonic_us
from loads.client.user import OUTSIDE
from loads.units import US_PER_S
from loads.worker.running import Running
from loads.worker.slot import BREATH_US, Slot

if TYPE_CHECKING:
    from loads.plan.spec import Phase
    from loads.worker.crew import Crew

_CAME_LATER_US: Final = US_PER_S
"""A slot whose time began longer ago was somebody else's till now: what was due then is not run again."""


class Executor(Running):
    """One phase of one worker: `take` and `give` may be called while it runs."""

    def __init__(self, crew: Crew, phase: Phase, slots: Iterable[int], phase_at_us: int, graceful_stop_us: int) -> None:
        super().__init__(crew, phase, phase_at_us, graceful_stop_us)
        self.breath_us = BREATH_US
        self._loopers: dict[int, _Looper] = {}
        self._leaving: set[_Looper] = set()
        self._left = 0
        self.take(slots)

    def take(self, slots: Iterable[int]) -> bool:
        """Run these slots, too, unless they run already; what of their time is over is skipped. False: it is too late.

        Who runs the same slot and was told to leave does so first.
        """
        if self._stopped.is_set():
            return False
        for slot in slots if self.crew.runnable else ():
            if slot not in self._loopers:
                before = [looper.greenlet for looper in self._leaving if looper.slot == slot]
                looper = self._loopers[slot] = _Looper(self, slot, before)
                looper.greenlet.rawlink(partial(self._is_through, looper))
                looper.greenlet.start()
                self._left += 1
        self._share_breath()
        return True

    def give(self, slots: Iterable[int]) -> list[gevent.Greenlet]:
        """Begin no more iterations of these slots. Those who ran them, and may be in the last one yet."""
        leaving = [looper for slot in slots if (looper := self._loopers.pop(slot, None)) is not None]
        for looper in leaving:
            if not looper.greenlet.dead:
                self._leaving.add(looper)
                looper.leave()
        self._share_breath()
        return [looper.greenlet for looper in leaving]

    def _slots(self) -> Iterable[Slot]:
        return [*self._loopers.values(), *self._leaving]

    def _is_done(self, now_us: int) -> bool:
        return not self._left

    def _share_breath(self) -> None:
        self.breath_us = BREATH_US // max(1, len(self._loopers))

    def _is_through(self, looper: _Looper, _: gevent.Greenlet) -> None:
        self._leaving.discard(looper)
        self._left -= 1
        if not self._left:
            self._changed.set()


class _Looper(Slot):
    """One VU slot of the phase: iterations in all its windows, once all greenlets `before` are through."""

    def __init__(self, executor: Executor, number: int, before: Sequence[gevent.Greenlet] = ()) -> None:
        super().__init__(executor, number)
        self._closed = executor
        self._before = before
        self._random = (
            random.Random(f"{executor.crew.seed}/think/{number}") if executor.crew.think_time_us is not None else None
        )

    def serve(self) -> None:
        """Run iterations in all the slot's windows."""
        executor, meter = self._closed, self._crew.meter
        for greenlet in self._before:
            while not greenlet.dead:
                self._guarded(OUTSIDE, greenlet.join)
        for begin_us, end_us in self._windows():
            while monotonic_us() < begin_us and not self.stopped:
                self._guarded(OUTSIDE, executor.wait_until, begin_us)
            if self.stopped:
                return
            meter.change_users(1)
            try:
                if executor.phase.pacing_us is None:
                    self._loop(end_us)
                else:
                    self._pace(begin_us, end_us, executor.phase.pacing_us)
            finally:
                if not self._abandoned:
                    meter.change_users(-1)

    def _windows(self) -> Iterator[tuple[int, float]]:
        """When the slot runs, on our clock, without what is over."""
        at_us = self._executor.phase_at_us
        for begin_us, end_us in self._executor.phase.windows(self.slot):
            until_us = math.inf if end_us is None else at_us + end_us
            if monotonic_us() < until_us:
                yield at_us + begin_us, until_us

    @property
    def _hits(self) -> float:
        hits = self._executor.phase.hits
        return math.inf if hits is None else hits

    def _loop(self, end_us: float) -> None:
        """Iterations until `end_us`, or until the user has run all that it has to.

        The clock is read once for each: where nothing waits between two, the end of one is the beginning of the next.
        """
        crew, executor, deck, hits = self._crew, self._closed, self._crew.deck, self._hits
        several = len(deck) > 1
        now_us = since_us = monotonic_us()
        while self._iteration < hits and now_us < end_us and not self.stopped:
            if now_us > crew.lease_until_us:
                now_us = self._park()
                continue
            card = deck.pick(self.slot, self._iteration, executor.phase.users) if several else 0
            now_us = self._perform(card, now_us)
            self._iteration += 1
            if self._random is not None and self._iteration < hits:
                now_us = self._think(self._random, now_us, end_us)
                continue
            if crew.running is not self:
                crew.running, since_us = self, now_us
            if now_us - since_us > executor.breath_us or now_us - crew.breathed_us > BREATH_US:
                now_us = since_us = self._breathe(now_us)

    def _pace(self, begin_us: int, end_us: float, pacing_us: int) -> None:
        """Iteration i is due at `begin_us` + i x `pacing_us`; who comes late from the one before begins at once."""
        crew, deck, users = self._crew, self._crew.deck, self._executor.phase.users
        now_us = monotonic_us()
        turn = 0 if now_us - begin_us < _CAME_LATER_US else -(-(now_us - begin_us) // pacing_us)
        first, free_us = turn, now_us
        while self._iteration < self._hits and not self.stopped:
            due_us = begin_us + turn * pacing_us
            while now_us < min(due_us, end_us) and not self.stopped:
                now_us = self._guarded(OUTSIDE, self._executor.wait_until, min(due_us, end_us))
            if self.stopped or due_us >= end_us or now_us >= end_us:
                break
            if now_us > crew.lease_until_us:
                now_us = self._park()
                continue
            # Awaited was what the one before did not keep from beginning: also while there was no leave to begin it.
            self._due_us, self._awaited = due_us, free_us <= due_us or turn == first
            now_us = free_us = self._perform(deck.pick(self.slot, self._iteration, users), now_us)
            self._iteration += 1
            turn += 1
            if now_us - crew.breathed_us > BREATH_US:
                now_us = self._breathe(now_us)
        if self not in self._closed._leaving:
            self._declare(begin_us + turn * pacing_us, min(end_us, now_us), pacing_us)

    def _declare(self, due_us: int, until_us: float, pacing_us: int) -> None:
        """What was due from `due_us` on never began: it had waited until then."""
        crew, users = self._crew, self._executor.phase.users
        while self._iteration < self._hits and due_us < until_us:
            card = crew.cards[crew.deck.pick(self.slot, self._iteration, users)]
            if card is not None:
                crew.recorder.unstarted(card[0].name, int(until_us) - due_us)
            self._iteration += 1
            due_us += pacing_us

    def _think(self, source: random.Random, now_us: int, end_us: float) -> int:
        """Wait as a person would between two iterations, but not beyond the end of the user's time."""
        shortest_us, longest_us = self._crew.think_time_us or (0, 0)
        until_us = now_us + source.randint(shortest_us, longest_us)
        return self._guarded(OUTSIDE, self._executor.wait_until, min(until_us, end_us))
