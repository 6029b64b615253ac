"""Runs one phase: its share of virtual users, each a greenlet that loops over iterations.

Ends when all users are through, when the phase's time is over and iterations in flight had their grace, or when it is
stopped. Meanwhile users may come and go: the share of a worker that is lost goes to others. Knows nothing of sockets,
files or portions: what it measures goes to the recorder, when to start comes in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from loads.case import TestCase
from loads.client.clock import monotonic_ns, monotonic_us
from loads.client.user import OUTSIDE, Numbers, VirtualUser
from loads.errors import Interrupted
from loads.units import US_PER_S
from loads.worker import forks
from loads.worker.iteration import Performer, Routine
from loads.worker.outcome import Outcome, as_result

if TYPE_CHECKING:
    from loads.plan.spec import Phase
    from loads.worker.crew import Crew
    from loads.worker.loader import Scenario

CUT_OFF_S = 1.0
"""How long users that were cut off have for their tearDown."""
_BREATH_US = 10_000
"""How long a turn of the event loop may last when iterations don't wait: each user has an equal part of it."""
_AFTER_AN_ACCIDENT_S = 0.05
_SHORTEST_S = 1e-6
"""Not zero: what waits for a time must get its turn, and a sleep of zero may come back before the loop's timers."""


class _CutOff(Interrupted, gevent.GreenletExit):  # type: ignore[misc]
    """What a hard stop raises; a greenlet that had not begun yet ends without a word."""


class Executor:
    """One phase of one worker: `run` blocks until it is over, `take`, `give` and `stop` may be called meanwhile."""

    def __init__(self, crew: Crew, phase: Phase, slots: Iterable[int], phase_at_us: int, graceful_stop_us: int) -> None:
        self.crew = crew
        self.phase = phase
        self.phase_at_us = phase_at_us
        self.breath_us = _BREATH_US
        self.over = Event()
        """Set when nothing runs any more."""
        self._stopped = Event()
        self._graceful_stop_us = graceful_stop_us
        self._stop_now = False
        self._changed = Event()
        self._runners: dict[int, _Runner] = {}
        self._leaving: set[_Runner] = set()
        self._left = 0
        length_us = phase.duration_us
        self._deadline_us = None if length_us is None else phase_at_us + length_us + graceful_stop_us
        self.take(slots)

    def run(self) -> None:
        """Run the phase to its end."""
        while self._left and not self._stop_now:
            left_us = None if self._deadline_us is None else self._deadline_us - monotonic_us()
            if left_us is not None and left_us <= 0:
                break
            self._changed.wait(None if left_us is None else left_us / US_PER_S)
            self._changed.clear()
        self._start_no_more()
        runners = [*self._runners.values(), *self._leaving]
        for runner in runners:
            runner.cut_off()
        gevent.joinall([runner.greenlet for runner in runners], CUT_OFF_S)
        for runner in runners:
            runner.abandon()
        self.over.set()

    def take(self, slots: Iterable[int]) -> bool:
        """Run these slots, too, unless they run already; what of their time is over is skipped. False: it is too late.

        Who runs the same slot and was told to leave does so first.
        """
        if self._stopped.is_set():
            return False
        for slot in slots if self.crew.runnable else ():
            if slot not in self._runners:
                before = [runner.greenlet for runner in self._leaving if runner.slot == slot]
                runner = self._runners[slot] = _Runner(self, slot, before)
                runner.greenlet.rawlink(partial(self._is_through, runner))
                runner.greenlet.start()
                self._left += 1
        self._share_breath()
        return True

    def give(self, slots: Iterable[int]) -> list[gevent.Greenlet]:
        """Begin no more iterations of these slots. Those who ran them, and may be in the last one yet."""
        leaving = [runner for slot in slots if (runner := self._runners.pop(slot, None)) is not None]
        for runner in leaving:
            if not runner.greenlet.dead:
                self._leaving.add(runner)
                runner.leave()
        self._share_breath()
        return [runner.greenlet for runner in leaving]

    def stop(self, *, now: bool) -> None:
        """Start no more iterations; `now`: cut off those in flight, too."""
        self._start_no_more()
        deadline_us = monotonic_us() + self._graceful_stop_us
        self._deadline_us = deadline_us if self._deadline_us is None else min(self._deadline_us, deadline_us)
        self._stop_now = self._stop_now or now
        self._changed.set()

    def wait_until(self, at_us: float) -> None:
        """Wait for `at_us`, or until the phase is stopped."""
        left_us = at_us - monotonic_us()
        if left_us > 0:
            self._stopped.wait(left_us / US_PER_S)

    def wait_for_lease(self) -> None:
        """Wait until iterations may start, or until the phase is stopped."""
        while not self._stopped.is_set() and monotonic_us() > self.crew.lease_until_us:
            self._stopped.wait(0.05)

    def _start_no_more(self) -> None:
        for runner in self._runners.values():
            runner.stopped = True
        self._stopped.set()

    def _share_breath(self) -> None:
        self.breath_us = _BREATH_US // max(1, len(self._runners))

    def _is_through(self, runner: _Runner, _: gevent.Greenlet) -> None:
        self._leaving.discard(runner)
        self._left -= 1
        if not self._left:
            self._changed.set()


class _Runner:
    """One VU slot of the phase, run by one greenlet."""

    def __init__(self, executor: Executor, slot: int, before: Sequence[gevent.Greenlet] = ()) -> None:
        crew = executor.crew
        self.slot = slot
        self.stopped = False
        """No more iterations."""
        self.greenlet = gevent.Greenlet(self.run)
        self._before = before
        self._executor = executor
        self._crew = crew
        self._user = VirtualUser(Numbers(slot, executor.phase.users, 0, crew.worker), crew.recorder)
        self._outcome = Outcome(self._user, crew.recorder, crew.faults)
        self._performers: list[Performer | None] = [None] * len(crew.classes)
        self._iteration = 0
        self._in_iteration = False
        self._abandoned = False
        self._random = random.Random(f"{crew.seed}/think/{slot}") if crew.think_time_us else None

    def run(self) -> None:
        """Run iterations in all the slot's windows."""
        executor, meter = self._executor, self._crew.meter
        self._user.enter()
        try:
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
                    self._loop(end_us)
                finally:
                    if not self._abandoned:
                        meter.change_users(-1)
        except Interrupted:
            return
        finally:
            self._user.forget()

    def leave(self) -> None:
        """Begin no more iterations; whoever waits between two need not."""
        self.stopped = True
        if not self._in_iteration:
            self.cut_off()

    def cut_off(self) -> None:
        """End now, after the tearDown of what is in flight."""
        if not self.greenlet.dead:
            self.greenlet.kill(_CutOff, block=False)

    def abandon(self) -> None:
        """Count the iteration that would not end as interrupted."""
        if self._in_iteration and not self._abandoned:
            self._abandoned = True
            self._crew.meter.change_users(-1)
            self._crew.recorder.interrupted()

    def _windows(self) -> Iterator[tuple[int, float]]:
        """When the slot runs, on our clock, without what is over."""
        at_us = self._executor.phase_at_us
        for begin_us, end_us in self._executor.phase.windows(self.slot):
            until_us = math.inf if end_us is None else at_us + end_us
            if monotonic_us() < until_us:
                yield at_us + begin_us, until_us

    def _loop(self, end_us: float) -> None:
        """Iterations until `end_us`, or until the user has run all that it has to.

        The clock is read once for each: where nothing waits between two, the end of one is the beginning of the next.
        """
        crew, executor, deck = self._crew, self._executor, self._crew.deck
        hits = math.inf if executor.phase.hits is None else executor.phase.hits
        several = len(deck) > 1
        now_us = since_us = monotonic_us()
        while self._iteration < hits and now_us < end_us and not self.stopped:
            if now_us > crew.lease_until_us:
                now_us = self._park()
                continue
            card = crew.cards[deck.pick(self.slot, self._iteration, executor.phase.users) if several else 0]
            if card is None:
                now_us = monotonic_us()
            else:
                scenario, routine, number = card
                try:
                    now_us = self._iterate(scenario, routine, number, now_us)
                except Interrupted:
                    raise
                except BaseException as error:
                    now_us = self._accident(error, scenario.name)
            self._iteration += 1
            if self._random is not None and self._iteration < hits:
                now_us = self._think(self._random, now_us, end_us)
                continue
            if crew.running is not self:
                crew.running, since_us = self, now_us
            if now_us - since_us > executor.breath_us or now_us - crew.breathed_us > _BREATH_US:
                now_us = since_us = self._breathe(now_us)

    def _park(self) -> int:
        """Wait for leave to go on; who waits for that is no load, and counts as no user. The time after."""
        meter = self._crew.meter
        meter.change_users(-1)
        try:
            return self._guarded(OUTSIDE, self._executor.wait_for_lease)
        finally:
            if not self._abandoned:
                meter.change_users(1)

    def _breathe(self, now_us: int) -> int:
        """Let the event loop turn and others run. The time after."""
        self._crew.breathed_us = now_us  # one is enough
        self._crew.breathed_us = self._guarded(OUTSIDE, gevent.sleep, _SHORTEST_S)
        return self._crew.breathed_us

    def _guarded(self, name: str, wait: Callable[..., object], *until: float) -> int:
        """Wait; whatever is thrown in meanwhile, from wherever, is an error, and the user goes on. The time after."""
        try:
            wait(*until)
        except Interrupted:
            raise
        except BaseException as error:
            return self._accident(error, name)
        return monotonic_us()

    def _accident(self, error: BaseException, name: str) -> int:
        """Something came out of an iteration or a wait that should not: count it, and go on in a while."""
        self._crew.faults.error(error, name)
        if self._in_iteration:
            self._outcome.failed = True
            self._close(name, 0, monotonic_us())
        return self._guarded(name, gevent.sleep, _AFTER_AN_ACCIDENT_S)

    def _think(self, source: random.Random, now_us: int, end_us: float) -> int:
        """Wait as a person would between two iterations, but not beyond the end of the user's time."""
        shortest_us, longest_us = self._crew.think_time_us or (0, 0)
        until_us = now_us + source.randint(shortest_us, longest_us)
        return self._guarded(OUTSIDE, self._executor.wait_until, min(until_us, end_us))

    def _iterate(self, scenario: Scenario, routine: Routine, number: int, now_us: int) -> int:
        """One iteration, which begins `now_us`. The time of its end."""
        crew, user, outcome = self._crew, self._user, self._outcome
        user.scenario = scenario.name
        user.iteration = self._iteration
        user.last_hit = None
        if outcome.failed or outcome.interrupted:
            outcome.begin()
        crew.recorder.started()
        self._in_iteration = True
        performer = self._performers[number]
        if performer is None or not performer.stands or "app" in performer.fields:
            performer = self._ready(scenario, number)
            now_us = monotonic_us()
        try:
            performer.perform(routine)
        except KeyboardInterrupt as error:
            outcome.addError(performer.case, (type(error), error, error.__traceback__))
        except Interrupted:
            outcome.interrupted = True
        if forks.forked:
            forks.end_if_child()
        end_us = monotonic_ns() // 1_000
        self._close(scenario.name, end_us - now_us, end_us)
        return end_us

    def _close(self, name: str, service_us: int, end_us: int) -> None:
        """The iteration is over."""
        self._in_iteration = False
        if self._user.held:
            self._user.release_held()
        if self._abandoned:
            return
        self._crew.last_end_us = end_us
        if self._outcome.interrupted:
            self._crew.recorder.interrupted()
        else:
            self._crew.recorder.ended(name, service_us, self._outcome.failed)

    def _ready(self, scenario: Scenario, number: int) -> Performer:
        """Who performs the tests of the scenario's class, with a case that is as an iteration may expect it.

        The case lives as long as the user; a plain unittest.TestCase gets a fresh one each time.
        """
        performer, fresh_session = self._performers[number], self._crew.fresh_session
        if performer is None:
            performer = self._performers[number] = Performer(as_result(self._outcome))
        if not issubclass(scenario.cls, TestCase):
            performer.take(scenario.cls(scenario.method))
        elif performer.case is None:
            case = scenario.cls(scenario.method)
            case._virtual_user = self._user
            case._use_server(self._crew.server_url)
            performer.take(case)
            performer.stands = not fresh_session
        else:
            performer.case._renew(session=fresh_session)
        return performer


def scenario_of(frame: FrameType | None) -> str | None:
    """The test whose iteration `frame` is a part of, for who looks at a running stack from outside."""
    while frame is not None:
        if frame.f_code is _Runner._iterate.__code__:
            scenario: Scenario = frame.f_locals["scenario"]
            return scenario.name
        frame = frame.f_back
    return None
