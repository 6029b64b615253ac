"""Runs one phase: its share of virtual users, each a greenlet that loops over iterations.

Ends when all users are through, when the phase's time is over and iterations in flight had their grace, or when it is
stopped. Knows nothing of sockets or files: what it measures goes to the recorder, when to start comes in.
"""

from __future__ import annotations

import random
import unittest
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from loads.case import TestCase
from loads.client.clock import monotonic_us
from loads.client.user import OUTSIDE, Numbers, VirtualUser
from loads.errors import Interrupted
from loads.units import US_PER_S
from loads.worker.forks import end_if_child
from loads.worker.outcome import Faults, Outcome, as_result

if TYPE_CHECKING:
    from loads.client.recorder import Recorder
    from loads.plan.choice import Deck
    from loads.plan.spec import Phase
    from loads.worker.loader import Scenario
    from loads.worker.meter import Meter

LEASE_US = 2_500_000
"""Without a word from the parent for so long, no iteration starts: load never runs on unwatched."""
CUT_OFF_S = 1.0
"""How long users that were cut off have for their tearDown."""
_BREATH_US = 10_000
"""After so long without a switch, an iteration that never waits lets others run."""
_AFTER_AN_ACCIDENT_S = 0.05
_SHORTEST_S = 1e-6
"""Not zero: what waits for a time must get its turn, and a sleep of zero may come back before the loop's timers."""


class Crew:
    """What the virtual users of a worker share.

    Args:
        runnable: the test classes whose fixtures succeeded.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        runnable: set[type[unittest.TestCase]],
        deck: Deck,
        recorder: Recorder,
        faults: Faults,
        meter: Meter,
        *,
        worker: int,
        server_url: str | None,
        fresh_session: bool,
        think_time_us: tuple[int, int] | None,
        seed: int,
    ) -> None:
        self.scenarios = scenarios
        self.runnable = runnable
        self.deck = deck
        self.recorder = recorder
        self.faults = faults
        self.meter = meter
        self.worker = worker
        self.server_url = server_url
        self.fresh_session = fresh_session
        self.think_time_us = think_time_us
        self.seed = seed
        self.heard_us = monotonic_us()
        self.breathed_us = self.heard_us
        self.last_end_us = 0


class _CutOff(Interrupted, gevent.GreenletExit):  # type: ignore[misc]
    """What a hard stop raises; a greenlet that had not begun yet ends without a word."""


class Executor:
    """One phase of one worker: `run` blocks until it is over, `stop` may be called meanwhile."""

    def __init__(
        self, crew: Crew, phase: Phase, slots: range, phase_at_us: int, graceful_stop_us: int, leased: bool = True
    ) -> None:
        self.crew = crew
        self.phase = phase
        self.phase_at_us = phase_at_us
        self.leased = leased
        self.stopping = Event()
        self._graceful_stop_us = graceful_stop_us
        self._stop_now = False
        self._changed = Event()
        self._runners = [_Runner(self, slot) for slot in slots] if crew.runnable else []
        length_us = phase.duration_us
        self._deadline_us = None if length_us is None else phase_at_us + length_us + graceful_stop_us

    def run(self) -> None:
        """Run the phase to its end."""
        greenlets = [gevent.spawn(runner.run) for runner in self._runners]
        watch = gevent.spawn(self._tell_when_done, greenlets)
        while not watch.dead and not self._stop_now:
            left_us = None if self._deadline_us is None else self._deadline_us - monotonic_us()
            if left_us is not None and left_us <= 0:
                break
            self._changed.wait(None if left_us is None else left_us / US_PER_S)
            self._changed.clear()
        self.stopping.set()
        for greenlet in greenlets:
            if not greenlet.dead:
                greenlet.kill(_CutOff, block=False)
        watch.join(CUT_OFF_S)
        watch.kill()
        for runner in self._runners:
            runner.abandon()

    def stop(self, *, now: bool) -> None:
        """Start no more iterations; `now`: cut off those in flight, too."""
        self.stopping.set()
        deadline_us = monotonic_us() + self._graceful_stop_us
        self._deadline_us = deadline_us if self._deadline_us is None else min(self._deadline_us, deadline_us)
        self._stop_now = self._stop_now or now
        self._changed.set()

    def wait_until(self, at_us: int) -> bool:
        """Wait for `at_us`; False when the phase is stopped before."""
        left_us = at_us - monotonic_us()
        if left_us > 0:
            self.stopping.wait(left_us / US_PER_S)
        return not self.stopping.is_set()

    def wait_for_lease(self) -> bool:
        """Wait until the parent was heard lately; False when the phase is stopped before."""
        while self.leased and monotonic_us() - self.crew.heard_us > LEASE_US:
            if self.stopping.wait(0.05):
                return False
        return not self.stopping.is_set()

    def _tell_when_done(self, greenlets: list[gevent.Greenlet]) -> None:
        gevent.joinall(greenlets)
        self._changed.set()


class _Runner:
    """One VU slot of the phase, run by one greenlet."""

    def __init__(self, executor: Executor, slot: int) -> None:
        crew = executor.crew
        self._executor = executor
        self._crew = crew
        self._slot = slot
        self._user = VirtualUser(Numbers(slot, executor.phase.users, 0, crew.worker), crew.recorder)
        self._outcome = Outcome(self._user, crew.recorder, crew.faults)
        self._cases: dict[type, TestCase] = {}
        self._iteration = 0
        self._in_iteration = False
        self._abandoned = False
        self._random = random.Random(f"{crew.seed}/think/{slot}") if crew.think_time_us else None

    def run(self) -> None:
        """Run iterations in all the slot's windows."""
        executor, meter = self._executor, self._crew.meter
        self._user.enter()
        try:
            for begin_us, end_us in executor.phase.windows(self._slot):
                if not executor.wait_until(executor.phase_at_us + begin_us):
                    return
                meter.change_users(1)
                try:
                    self._loop(None if end_us is None else executor.phase_at_us + end_us)
                finally:
                    if not self._abandoned:
                        meter.change_users(-1)
        except Interrupted:
            return
        finally:
            self._user.forget()

    def abandon(self) -> None:
        """Count the iteration that would not end as interrupted."""
        if self._in_iteration and not self._abandoned:
            self._abandoned = True
            self._crew.meter.change_users(-1)
            self._crew.recorder.interrupted()

    def _loop(self, end_us: int | None) -> None:
        crew, executor, hits = self._crew, self._executor, self._executor.phase.hits
        while (hits is None or self._iteration < hits) and not executor.stopping.is_set():
            now_us = monotonic_us()
            if end_us is not None and now_us >= end_us:
                return
            if now_us - crew.heard_us > LEASE_US and not executor.wait_for_lease():
                return
            scenario = crew.scenarios[crew.deck.pick(self._slot, self._iteration, executor.phase.users)]
            if scenario.cls in crew.runnable:
                self._guarded(scenario.name, partial(self._iterate, scenario))
            self._iteration += 1
            now_us = monotonic_us()
            if self._random is not None and (hits is None or self._iteration < hits):
                self._guarded(OUTSIDE, partial(self._think, self._random, now_us, end_us))
                continue
            if now_us - crew.breathed_us > _BREATH_US:
                gevent.sleep(_SHORTEST_S)
                crew.breathed_us = monotonic_us()

    def _guarded(self, name: str, step: Callable[[], None]) -> None:
        """Run `step`; whatever comes out of it, from wherever it was thrown in, is an error, and the user goes on."""
        try:
            step()
        except Interrupted:
            raise
        except BaseException as error:
            self._crew.faults.error(error, name)
            if self._in_iteration:
                self._close(name, 0, failed=True)
            self._guarded(name, partial(gevent.sleep, _AFTER_AN_ACCIDENT_S))

    def _close(self, name: str, service_us: int, *, failed: bool) -> None:
        """The iteration is over."""
        self._in_iteration = False
        if self._user.held:
            self._user.release_held()
        if self._abandoned:
            return
        self._crew.last_end_us = monotonic_us()
        if self._outcome.interrupted:
            self._crew.recorder.interrupted()
        else:
            self._crew.recorder.ended(name, service_us, failed)

    def _think(self, source: random.Random, now_us: int, end_us: int | None) -> None:
        """Wait as a person would between two iterations, but not beyond the end of the user's time."""
        shortest_us, longest_us = self._crew.think_time_us or (0, 0)
        until_us = now_us + source.randint(shortest_us, longest_us)
        self._executor.wait_until(until_us if end_us is None else min(until_us, end_us))

    def _iterate(self, scenario: Scenario) -> None:
        crew, user, outcome = self._crew, self._user, self._outcome
        user.scenario = scenario.name
        user.numbers = user.numbers._replace(iteration=self._iteration)
        user.last_hit = None
        outcome.begin()
        crew.recorder.started()
        self._in_iteration = True
        case = self._case(scenario)
        begin_us = monotonic_us()
        try:
            case.run(as_result(outcome))
        except KeyboardInterrupt as error:
            outcome.addError(case, (type(error), error, error.__traceback__))
        except Interrupted:
            outcome.interrupted = True
        end_if_child()
        self._close(scenario.name, monotonic_us() - begin_us, failed=outcome.failed)

    def _case(self, scenario: Scenario) -> unittest.TestCase:
        """The user's instance of the scenario's class; a plain unittest.TestCase gets a fresh one each time."""
        if not issubclass(scenario.cls, TestCase):
            return scenario.cls(scenario.method)
        case = self._cases.get(scenario.cls)
        if case is None:
            case = scenario.cls(scenario.method)
            case._virtual_user = self._user
            case._use_server(self._crew.server_url)
            self._cases[scenario.cls] = case
        else:
            case._renew(session=self._crew.fresh_session)
        case._testMethodName = scenario.method
        return case


def scenario_of(frame: FrameType | None) -> str | None:
    """The test whose iteration `frame` is a part of, for who looks at a running stack from outside."""
    while frame is not None:
        if frame.f_code is _Runner._iterate.__code__:
            scenario: Scenario = frame.f_locals["scenario"]
            return scenario.name
        frame = frame.f_back
    return None
