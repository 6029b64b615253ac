from __future__ import annotations

import gc
import sys
import unittest
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent
import pytest

from loads.case import TestCase
from loads.client.clock import monotonic_us
from loads.client.feeders import open_feed
from loads.client.user import Numbers
from loads.errors import UsageError
from loads.metrics.counters import ENDED, STARTED
from loads.metrics.summary import ITERATION, ITERATION_NAME, SeriesKey, Summary
from loads.plan.choice import Deck
from loads.plan.profile import Stage
from loads.plan.spec import Phase
from loads.units import US_PER_S
from loads.worker import executor
from loads.worker import running as running_phase
from loads.worker.crew import Crew
from loads.worker.executor import Executor
from loads.worker.loader import Scenario
from loads.worker.meter import Meter
from loads.worker.outcome import Faults
from loads.worker.slot import scenario_of
from loads.worker.watchdog import BLOCKED_AFTER_S
from tests.build import new_recorder

seen: list[Any] = []


class Site(TestCase):
    __test__ = False

    def test_who(self) -> None:
        seen.append(self.user)

    def test_slow(self) -> None:
        seen.append(self.user)
        gevent.sleep(0.01)

    def test_instance(self) -> None:
        seen.append((id(self), self._testMethodName))

    def test_other(self) -> None:
        seen.append((id(self), self._testMethodName))

    def test_frame(self) -> None:
        seen.append(scenario_of(sys._getframe()))

    def test_fails_first(self) -> None:
        self.assertGreater(self.user.iteration, 0)

    def test_throws(self) -> None:
        """Something of the test's own that hits its user when the iteration is over."""
        gevent.spawn(gevent.getcurrent().throw, ValueError("late"))

    def test_throws_later(self) -> None:
        if self.user.iteration == 0:
            gevent.spawn_later(0.06, gevent.getcurrent().throw, ValueError("later"))
        gevent.sleep(0.01)


class Plain(unittest.TestCase):
    __test__ = False

    def test_instance(self) -> None:
        self.assertNotIn("old", vars(self))
        self.old = True
        seen.append(self)


class Unmade(TestCase):
    __test__ = False

    def __init__(self, name: str) -> None:
        raise RuntimeError("no init")

    def test_it(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


def crew_of(scenarios: Sequence[Scenario], **changes: Any) -> Crew:
    recorder = new_recorder()
    given = {
        "worker": 1,
        "server_url": None,
        "fresh_session": False,
        "think_time_us": None,
        "seed": 1,
        "runnable": {scenario.cls for scenario in scenarios},
        **changes,
    }
    runnable = given.pop("runnable")
    deck = Deck([1] * len(scenarios), None)
    meter = Meter(recorder, lambda delta: None)
    return Crew(scenarios, runnable, deck, recorder, Faults(recorder), meter, **given)


def run(crew: Crew, phase: Phase) -> Summary:
    now_us = monotonic_us()
    crew.meter.begin(now_us)
    Executor(crew, phase, range(phase.users), now_us, 1_000_000).run()
    return crew.recorder.take()


def test_each_iteration_has_its_number() -> None:
    run(crew_of([Scenario(Site, "test_who", 1)]), Phase(2, hits=3))
    assert sorted(seen) == [Numbers(user, 2, iteration, 1) for user in range(2) for iteration in range(3)]


def test_a_case_lives_as_long_as_its_user_and_serves_all_tests_of_its_class() -> None:
    run(crew_of([Scenario(Site, "test_instance", 1), Scenario(Site, "test_other", 1)]), Phase(1, hits=4))
    assert [name for _, name in seen] == ["test_instance", "test_other"] * 2
    assert len({case for case, _ in seen}) == 1


def test_a_plain_test_gets_a_fresh_case_each_time() -> None:
    totals = run(crew_of([Scenario(Plain, "test_instance", 1)]), Phase(1, hits=3)).totals
    assert totals.success == 3
    assert len({id(case) for case in seen}) == 3


@pytest.mark.parametrize("fresh", [True, False])
def test_a_fresh_session_is_one_for_each_iteration(fresh: bool) -> None:
    class Keeps(TestCase):
        def test_it(self) -> None:
            seen.append(self.session)

    run(crew_of([Scenario(Keeps, "test_it", 1)], fresh_session=fresh), Phase(1, hits=3))
    assert len({id(session) for session in seen}) == (3 if fresh else 1)


def test_each_iteration_is_judged_by_itself() -> None:
    summary = run(crew_of([Scenario(Site, "test_fails_first", 1)]), Phase(1, hits=3))
    assert (summary.totals.failures, summary.totals.success, summary.totals.ended) == (1, 2, 3)
    [series] = summary.series.values()
    assert (series.sent, series.failed) == (3, 1)


def test_tests_whose_fixtures_failed_do_not_start() -> None:
    scenarios = [Scenario(Site, "test_who", 1), Scenario(Plain, "test_instance", 1)]
    totals = run(crew_of(scenarios, runnable={Site}), Phase(1, hits=4)).totals
    assert (totals.started, [numbers.iteration for numbers in seen]) == (2, [0, 2])


def test_a_running_stack_tells_its_test() -> None:
    scenario = Scenario(Site, "test_frame", 1)
    run(crew_of([scenario]), Phase(1, hits=1))
    assert seen == [scenario.name]
    assert scenario_of(sys._getframe()) is None


def test_iterations_add_up_to_no_more_than_the_time_they_took() -> None:
    """One reading of the clock ends an iteration and begins the next: nothing is counted twice."""
    begin_us = monotonic_us()
    scenario = Scenario(Site, "test_who", 1)
    summary = run(crew_of([scenario]), Phase(1, hits=1_000))
    service = summary.series[SeriesKey(scenario.name, ITERATION, ITERATION_NAME)].service
    assert service.count == 1_000
    assert service.sum_us <= monotonic_us() - begin_us


def test_thinking_is_no_part_of_an_iteration() -> None:
    scenario = Scenario(Site, "test_who", 1)
    summary = run(crew_of([scenario], think_time_us=(30_000, 30_000)), Phase(1, hits=3))
    assert summary.series[SeriesKey(scenario.name, ITERATION, ITERATION_NAME)].service.max_us < 30_000


def test_what_is_thrown_at_a_user_that_takes_breath_is_told_and_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "BREATH_US", -1)
    summary = run(crew_of([Scenario(Site, "test_throws", 1)]), Phase(1, hits=3))
    assert (summary.totals.success, summary.totals.errors, summary.totals.ended) == (3, 3, 3)
    [group] = summary.errors.values()
    assert (group.message, group.scenario) == ("late", "(outside)")


def test_users_that_never_wait_keep_nobody_waiting() -> None:
    """Not the event loop, which would be called blocked, and not each other."""
    crew = crew_of([Scenario(Site, "test_who", 1)])
    late_us = []

    def tick() -> None:
        while True:
            before_us = monotonic_us()
            gevent.sleep(0.001)
            late_us.append(monotonic_us() - before_us)

    gc.collect()
    gc.freeze()  # as a worker does: what all other tests left in this process is none of its pauses
    ticking = gevent.spawn(tick)
    run(crew, Phase(60, stages=(Stage(0, 60), Stage(800_000, 60))))
    ticking.kill()
    gc.unfreeze()
    assert max(late_us) < BLOCKED_AFTER_S * US_PER_S
    turns = Counter(numbers.user for numbers in seen)
    assert len(turns) == 60
    assert max(turns.values()) < 20 * min(turns.values())


def test_what_is_thrown_at_a_user_that_waits_for_its_next_turn_is_told_and_it_goes_on() -> None:
    pause = (Stage(0, 1), Stage(40_000, 1), Stage(0, 0), Stage(100_000, 0), Stage(0, 1), Stage(40_000, 1))
    summary = run(crew_of([Scenario(Site, "test_throws_later", 1)]), Phase(1, stages=pause))
    assert summary.totals.errors == 1
    assert summary.totals.success == summary.totals.ended > 4


def test_a_case_that_can_not_be_made_costs_its_iteration_and_a_pause() -> None:
    totals = run(crew_of([Scenario(Unmade, "test_it", 1)]), Phase(1, hits=2)).totals
    assert (totals.started, totals.ended, totals.errors) == (2, 2, 2)


def test_after_the_lease_no_iteration_starts_until_there_is_another() -> None:
    crew = crew_of([Scenario(Site, "test_who", 1)])
    crew.lease_until_us = monotonic_us() - 1
    waiting = gevent.spawn(run, crew, Phase(1, hits=1))
    waiting.join(0.1)
    assert not seen
    crew.lease_until_us = monotonic_us() + US_PER_S
    waiting.join(5)
    assert len(seen) == 1


def test_a_lease_that_is_taken_back_ends_what_would_have_gone_on() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    crew.lease_until_us = monotonic_us() + 60 * US_PER_S
    running = gevent.spawn(run, crew, Phase(1, hits=10_000))
    gevent.sleep(0.05)
    crew.lease_until_us = monotonic_us()
    count = len(seen)
    running.join(0.1)
    assert len(seen) <= count + 1
    assert not running.dead
    running.kill()


def test_who_needs_no_lease_waits_for_none() -> None:
    crew = crew_of([Scenario(Site, "test_who", 1)])
    assert run(crew, Phase(1, hits=2)).totals.ended == 2


def test_an_iteration_that_is_cut_off_is_interrupted_after_its_tear_down() -> None:
    class Slow(TestCase):
        def test_it(self) -> None:
            self.addCleanup(seen.append, "cleanup")
            gevent.sleep(60)

        def tearDown(self) -> None:
            seen.append("tearDown")

    crew = crew_of([Scenario(Slow, "test_it", 1)])
    running = Executor(crew, Phase(1, hits=2), range(1), monotonic_us(), 0)
    gevent.spawn_later(0.05, running.stop, now=True)
    running.run()
    totals = crew.recorder.take().totals
    assert (totals.started, totals.interrupted, totals.ended, totals.errors) == (1, 1, 0, 0)
    assert seen == ["tearDown", "cleanup"]


def test_an_iteration_that_does_not_let_itself_be_cut_off_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn(TestCase):
        def test_it(self) -> None:
            for _ in range(20):
                try:
                    gevent.sleep(0.01)
                except BaseException as error:
                    seen.append(error)

    monkeypatch.setattr(running_phase, "CUT_OFF_S", 0.05)
    crew = crew_of([Scenario(Stubborn, "test_it", 1)])
    running = Executor(crew, Phase(1, hits=2), range(1), monotonic_us(), 0)
    gevent.spawn_later(0.02, running.stop, now=True)
    running.run()
    assert crew.recorder.summary.totals.interrupted == len(seen) == 1
    gevent.sleep(0.4)
    assert (crew.recorder.summary.totals.interrupted, crew.recorder.summary.totals.ended) == (1, 0)


# Users that come and go in mid-phase.

LONG = Phase(8, stages=(Stage(0, 8), Stage(60 * US_PER_S, 8)))


def begin(crew: Crew, phase: Phase, slots: Sequence[int]) -> tuple[Executor, gevent.Greenlet]:
    """A phase that goes on."""
    now_us = monotonic_us()
    crew.meter.begin(now_us)
    running = Executor(crew, phase, slots, now_us, US_PER_S)
    return running, gevent.spawn(running.run)


def end(running: Executor, greenlet: gevent.Greenlet) -> None:
    running.stop(now=True)
    greenlet.join(5)
    assert greenlet.dead


def users_of(crew: Crew) -> int:
    """As the meter counts them."""
    return crew.meter._users


def test_users_that_are_taken_run_at_once_and_those_given_run_no_more() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, LONG, [0, 1])
    gevent.sleep(0.03)
    assert running.take([2, 3])
    gevent.sleep(0.03)
    assert ({numbers.user for numbers in seen}, users_of(crew)) == ({0, 1, 2, 3}, 4)
    leaving = running.give([0, 2])
    gevent.joinall(leaving, 5)
    assert users_of(crew) == 2
    seen.clear()
    gevent.sleep(0.03)
    assert {numbers.user for numbers in seen} == {1, 3}
    end(running, greenlet)
    totals = crew.recorder.take().totals
    assert totals.started == totals.ended + totals.interrupted
    assert users_of(crew) == 0


def test_who_is_given_in_mid_iteration_comes_to_its_end() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, LONG, [0])
    gevent.sleep(0.005)
    [leaving] = running.give([0])
    assert not leaving.dead
    leaving.join(5)
    greenlet.join(5)
    totals = crew.recorder.take().totals
    assert (totals.started, totals.ended, totals.interrupted) == (1, 1, 0)


def test_who_waits_between_two_iterations_leaves_at_once() -> None:
    """For its think time, its window, or its lease."""
    for change in ("think", "window", "lease"):
        crew = crew_of([Scenario(Site, "test_who", 1)], think_time_us=(10**8, 10**8) if change == "think" else None)
        crew.lease_until_us = 0 if change == "lease" else crew.lease_until_us
        late = Phase(1, stages=(Stage(60 * US_PER_S, 0), Stage(0, 1), Stage(US_PER_S, 1)))
        running, greenlet = begin(crew, late if change == "window" else LONG, [0])
        gevent.sleep(0.02)
        gevent.joinall(running.give([0]), 1)
        greenlet.join(1)
        assert greenlet.dead, change
        assert crew.recorder.take().totals.errors == 0


def test_a_slot_that_is_taken_back_waits_for_who_runs_it_still() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, LONG, [0])
    gevent.sleep(0.005)
    for _ in range(3):
        running.give([0])
        running.take([0])
        assert crew.recorder.page[STARTED] - crew.recorder.page[ENDED] == 1
    gevent.sleep(0.05)
    assert crew.recorder.page[STARTED] - crew.recorder.page[ENDED] <= 1
    assert crew.recorder.page[STARTED] > 2
    end(running, greenlet)


def test_what_runs_already_is_not_taken_twice() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, Phase(2, hits=3), [0])
    running.take([0, 1])
    greenlet.join(5)
    assert Counter(numbers.user for numbers in seen) == {0: 3, 1: 3}


def test_what_of_a_taken_slots_time_is_over_is_skipped() -> None:
    """Slot 1 had its first window before it came, and its second is to come; slot 2 is in its only one."""
    down = (Stage(0, 3), Stage(50_000, 3), Stage(0, 1), Stage(100_000, 1), Stage(0, 2), Stage(200_000, 2))
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, Phase(3, stages=down), [0])
    gevent.sleep(0.08)
    running.take([1, 2])
    gevent.sleep(0.04)
    assert {numbers.user for numbers in seen} == {0}
    gevent.sleep(0.08)
    assert {numbers.user for numbers in seen} == {0, 1}
    greenlet.join(5)
    assert {numbers.user for numbers in seen} == {0, 1}


def test_the_last_to_leave_ends_the_phase_and_then_it_is_too_late() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, LONG, [0, 1])
    running.give([0, 1])
    greenlet.join(5)
    assert greenlet.dead
    assert running.over.is_set()
    assert not running.take([0])


def test_all_users_together_have_one_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    running, greenlet = begin(crew, LONG, [0, 1])
    two = running.breath_us
    running.take([2, 3])
    assert running.breath_us == two // 2
    running.give([1, 2, 3])
    assert running.breath_us == two * 2
    end(running, greenlet)


def test_leaving_users_that_let_nobody_end_them_are_given_up_with_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn(TestCase):
        def test_it(self) -> None:
            while not seen:
                try:
                    gevent.sleep(0.01)
                except BaseException:
                    continue

    monkeypatch.setattr(running_phase, "CUT_OFF_S", 0.05)
    crew = crew_of([Scenario(Stubborn, "test_it", 1)])
    running, greenlet = begin(crew, LONG, [0, 1])
    gevent.sleep(0.02)
    leaving = running.give([0])
    end(running, greenlet)
    assert crew.recorder.summary.totals.interrupted == 2
    assert users_of(crew) == 0
    seen.append("enough")
    gevent.joinall(leaving, 5)
    assert crew.recorder.summary.totals.interrupted == 2


def test_a_paced_user_begins_at_its_times_and_late_when_it_was_busy() -> None:
    """Iterations of 10 ms every 25 ms, then every 5 ms: the second kind falls behind by 5 ms each."""
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    crew.recorder.planned = True
    summary = run(crew, Phase(1, hits=4, pacing_us=25_000))
    assert summary.totals.ended == 4
    assert summary.pace.lateness.count == summary.pace.delay.count
    summary = run(crew, Phase(1, hits=10, pacing_us=5_000))
    assert summary.totals.ended == 10
    assert summary.pace.lateness.max_us >= 9 * 5_000
    series = summary.series[SeriesKey(Scenario(Site, "test_slow", 1).name, ITERATION, ITERATION_NAME)]
    assert series.response is not None
    assert series.response.count == series.service.count == 10
    assert series.response.max_us >= series.service.max_us + 40_000


def test_what_a_paced_user_never_began_is_declared() -> None:
    crew = crew_of([Scenario(Site, "test_slow", 1)])
    crew.recorder.planned = True
    phase = Phase(2, stages=(Stage(0, 2), Stage(100_000, 2)), pacing_us=5_000)
    summary = run(crew, phase)
    series = summary.series[SeriesKey(Scenario(Site, "test_slow", 1).name, ITERATION, ITERATION_NAME)]
    assert phase.due == 40
    assert series.unstarted > 0
    assert summary.totals.started + series.unstarted == 40


class Fed(TestCase):
    __test__ = False

    def test_fed(self) -> None:
        try:
            seen.append((self.user.user, int(self.feed("fed.csv", policy="stop")["id"])))
        except Exception:
            self.fail("nothing for the test to catch")

    def test_needs_a_row(self) -> None:
        self.feed("fed.csv")


@pytest.fixture
def _fed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_feed.cache_clear()
    (tmp_path / "fed.csv").write_text("id\n" + "".join(f"{row}\n" for row in range(7)))


@pytest.mark.usefixtures("_fed")
def test_a_user_whose_rows_are_used_up_ends_and_its_last_iteration_is_skipped() -> None:
    summary = run(crew_of([Scenario(Fed, "test_fed", 1)]), Phase(3, hits=100))
    assert sorted(seen) == sorted((row % 3, row) for row in range(7))
    totals = summary.totals
    assert (totals.retired, totals.skipped, totals.success) == (3, 3, 7)
    assert (totals.started, totals.ended, totals.errors, totals.failures) == (10, 10, 0, 0)


@pytest.mark.usefixtures("_fed")
def test_fewer_rows_than_users_is_a_misuse() -> None:
    misused: list[UsageError] = []
    crew = crew_of([Scenario(Fed, "test_needs_a_row", 1)])
    crew.faults = Faults(crew.recorder, misused.append)
    run(crew, Phase(8, hits=1))
    assert len(misused) == 8
    assert misused[0].message == "fed.csv has 7 rows, and 8 users each need one of their own"
