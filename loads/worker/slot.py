"""A virtual user's greenlet: performs iterations, one after the other, and counts what they came to.

When iterations start is the business of who derives from it: `executor` for users that loop, `arrivals` for those that
serve what arrives. Whatever is thrown into it, from wherever, is an error, and the user goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final

import gevent

from loads.case import TestCase
from loads.client.clock import monotonic_ns, monotonic_us
from loads.client.rows import OwnRows
from loads.client.user import OUTSIDE, Numbers, VirtualUser
from loads.errors import Interrupted
from loads.worker import forks
from loads.worker.iteration import Performer, Routine
from loads.worker.outcome import Outcome, as_result

if TYPE_CHECKING:
    from loads.worker.loader import Scenario
    from loads.worker.running import Running

BREATH_US: Final = 10_000
"""How long a turn of the event loop may last when iterations don't wait: each user has an equal part of it."""
_AFTER_AN_ACCIDENT_S: Final = 0.05
_SHORTEST_S: Final = 1e-6
"""Not zero: what waits for a time must get its turn, and a sleep of zero may come back before the loop's timers."""


class CutOff(Interrupted, gevent.GreenletExit):  # type: ignore[misc]
    """What a hard stop raises; a greenlet that had not begun yet ends without a word."""


class Slot:
    """User `number` of the phase that `executor` runs; `serve` is what its greenlet does."""

    def __init__(self, executor: Running, number: int) -> None:
        crew = executor.crew
        self.slot = number
        self.stopped = False
        """No more iterations."""
        self.greenlet = gevent.Greenlet(self.run)
        self._crew = crew
        self._executor = executor
        self._user = VirtualUser(Numbers(number, executor.phase.users, 0, crew.worker), crew.recorder)
        self._user.rows = OwnRows(number, executor.phase.users, crew.seed)
        self._outcome = Outcome(self._user, crew.recorder, crew.faults)
        self._outcome.on_retire = self.retire
        self._performers: list[Performer | None] = [None] * len(crew.classes)
        self._iteration = 0
        self._in_iteration = False
        self._abandoned = False
        self._due_us: int | None = None
        """When the next iteration should begin, on our clock; None: nobody says."""
        self._awaited = False
        """Whether it was waited for."""

    def run(self) -> None:
        """The user's whole life."""
        self._user.enter()
        try:
            self.serve()
        except Interrupted:
            return
        finally:
            self._user.forget()

    def serve(self) -> None:
        """Run iterations for as long as there are any."""
        raise NotImplementedError

    def retire(self) -> None:
        """The rows of a feed are used up: the iteration that goes on is the last."""
        self.stopped = True

    def leave(self) -> None:
        """Begin no more iterations; whoever waits between two need not."""
        self.stopped = True
        if not self._in_iteration:
            self.cut_off()

    def cut_off(self) -> None:
        """End now, after the tearDown of what is in flight."""
        if not self.greenlet.dead:
            self.greenlet.kill(CutOff, block=False)

    def abandon(self) -> None:
        """Count the iteration that would not end as interrupted."""
        if self._in_iteration and not self._abandoned:
            self._abandoned = True
            self._crew.meter.change_users(-1)
            self._crew.recorder.interrupted(self._user.scenario)

    def _perform(self, card: int, now_us: int) -> int:
        """One iteration of what the deck's `card` stands for, which begins `now_us`. The time of its end."""
        drawn = self._crew.cards[card]
        if drawn is None:
            return monotonic_us()
        scenario, routine, number = drawn
        try:
            return self._iterate(scenario, routine, number, now_us)
        except Interrupted:
            raise
        except BaseException as error:
            return self._accident(error, scenario.name)

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
        if self._due_us is not None:
            user.late_us = late_us = max(0, now_us - self._due_us)
            crew.recorder.began(late_us, awaited=self._awaited)
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
            self._crew.recorder.interrupted(name)
        else:
            self._crew.recorder.ended(name, service_us, self._outcome.failed, self._user.late_us)

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
        if frame.f_code is Slot._iterate.__code__:
            scenario: Scenario = frame.f_locals["scenario"]
            return scenario.name
        frame = frame.f_back
    return None
