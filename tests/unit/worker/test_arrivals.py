from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import pytest

from loads.case import TestCase
from loads.client.clock import monotonic_us
from loads.client.feeders import open_feed
from loads.client.user import running
from loads.metrics.counters import ENDED, STARTED
from loads.metrics.summary import ITERATION, ITERATION_NAME, SeriesKey, Summary
from loads.plan.pacer import Arrivals as Rates
from loads.plan.pacer import RateStage
from loads.plan.spec import Phase, pacer_of
from loads.units import RATE_PER_S
from loads.worker.arrivals import Arrivals
from loads.worker.crew import Crew
from loads.worker.lanes import Lane
from loads.worker.loader import Scenario
from loads.worker.meter import Meter
from tests.unit.worker.test_executor import crew_of

began: list[tuple[int, int]] = []
"""User and time of each iteration."""


class Site(TestCase):
    __test__ = False

    def test_quick(self) -> None:
        began.append((self.user.user, monotonic_us()))

    def test_slow(self) -> None:
        began.append((self.user.user, monotonic_us()))
        gevent.sleep(0.05)

    def test_hangs(self) -> None:
        began.append((self.user.user, monotonic_us()))
        gevent.sleep(30)

    def test_throws(self) -> None:
        began.append((self.user.user, monotonic_us()))
        gevent.spawn(gevent.getcurrent().throw, ValueError("late"))

    def test_late(self) -> None:
        user = running()
        assert user is not None
        began.append((self.user.user, user.late_us))
        gevent.sleep(0.05)


@pytest.fixture(autouse=True)
def _nothing_began() -> None:
    began.clear()


def phase_of(rate: int, length_us: int, users: int) -> Phase:
    return Phase(users, arrivals=Rates((RateStage(0, rate * RATE_PER_S), RateStage(length_us, rate * RATE_PER_S))))


def crew(name: str, **changes: Any) -> Crew:
    made = crew_of([Scenario(Site, name, 1)], **changes)
    made.recorder.planned = True
    return made


def run(crew: Crew, phase: Phase, lanes: list[Lane] | None = None, grace_us: int = 100_000) -> tuple[Summary, int]:
    """What was measured, and the time of the start."""
    at_us = monotonic_us() + 5_000
    crew.meter.begin(at_us)
    Arrivals(crew, phase, lanes or [Lane(1, range(phase.users))], at_us, grace_us).run()
    return crew.recorder.take(), at_us


def iterations(summary: Summary, name: str) -> Any:
    return summary.series[SeriesKey(Scenario(Site, name, 1).name, ITERATION, ITERATION_NAME)]


def test_iterations_begin_when_the_pacer_says() -> None:
    phase = phase_of(200, 300_000, 10)
    summary, at_us = run(crew("test_quick"), phase)
    assert phase.arrivals is not None
    pacer = pacer_of(phase.arrivals)
    assert len(began) == pacer.due == 60
    assert all(begin_us - at_us >= (pacer.start_us(n) or 0) for n, (_, begin_us) in enumerate(began))
    assert summary.totals.started == summary.totals.ended == 60
    assert summary.pace.lateness == summary.pace.delay
    assert summary.pace.lateness.count == 60


def test_who_was_busy_last_serves_first() -> None:
    run(crew("test_quick"), phase_of(100, 200_000, 10))
    assert len({user for user, _ in began}) <= 2


def test_users_are_made_as_they_are_needed() -> None:
    summary, _ = run(crew("test_slow"), phase_of(100, 300_000, 50))
    assert 4 <= len({user for user, _ in began}) <= 9
    assert iterations(summary, "test_slow").unstarted == 0


def test_what_finds_no_user_free_begins_late_and_in_order() -> None:
    """Two users of 50 ms serve 40/s of 80/s: the k-th begins 12.5 ms x k after it was due, and half never begin."""
    summary, _ = run(crew("test_late"), phase_of(80, 500_000, 2))
    late_us = [late for _, late in began]
    assert len(began) == pytest.approx(20, abs=2)
    assert all(later >= late - 10_000 for late, later in zip(late_us, late_us[2:], strict=False))
    assert late_us[-1] == pytest.approx(250_000, rel=0.3)
    series = iterations(summary, "test_late")
    assert series.sent + series.unstarted == 40
    assert series.response.count == 40
    assert series.service.count == series.sent
    assert summary.pace.lateness.count == series.sent
    assert summary.pace.delay.count < 5


def test_what_never_began_had_waited_until_the_end() -> None:
    """One user that hangs from the start: the other nine had waited for what was left of the second."""
    made = crew("test_hangs")
    summary, _ = run(made, phase_of(10, 1_000_000, 1), grace_us=50_000)
    series = iterations(summary, "test_hangs")
    assert series.unstarted == 9
    assert series.response.count == 9
    assert series.response.max_us == 900_000
    assert series.response.min_us == 100_000
    assert summary.totals.interrupted == 1
    assert made.recorder.page[STARTED] == made.recorder.page[ENDED] == 1


def test_without_slots_nothing_runs_and_nothing_is_waited_for() -> None:
    before_us = monotonic_us()
    summary, _ = run(crew("test_quick"), phase_of(10, 30_000_000, 1), [Lane(1, range(0))])
    assert monotonic_us() - before_us < 5_000_000
    assert summary.totals.started == 0


def test_the_phase_lasts_to_its_end_though_nothing_more_arrives() -> None:
    _, at_us = run(crew("test_quick"), phase_of(4, 300_000, 3))
    assert monotonic_us() - at_us >= 300_000
    assert len(began) == 2


def test_lanes_that_are_taken_in_mid_run_are_served_from_then_on() -> None:
    made, phase = crew("test_quick"), phase_of(100, 400_000, 2)
    at_us = monotonic_us()
    made.meter.begin(at_us)
    arrivals = Arrivals(made, phase, [Lane(1, range(1))], at_us, 0)
    job = gevent.spawn(arrivals.run)
    gevent.sleep(0.1)
    arrivals.hold([Lane(1, range(1)), Lane(2, range(1, 2), from_us=200_000)])
    job.join()
    assert len(began) == 20 + 10


def test_lanes_that_are_given_are_served_until_then_and_their_users_leave() -> None:
    made, phase = crew("test_quick"), phase_of(100, 400_000, 2)
    at_us = monotonic_us()
    made.meter.begin(at_us)
    arrivals = Arrivals(made, phase, [Lane(1, range(2))], at_us, 0)
    job = gevent.spawn(arrivals.run)
    gevent.sleep(0.1)
    arrivals.hold([Lane(1, range(2), until_us=200_000), Lane(2, range(1), from_us=200_000)])
    job.join()
    assert len(began) == 20 + 10
    assert {user for user, begin_us in began if begin_us - at_us > 210_000} == {0}


def test_a_stop_ends_it_and_what_was_due_later_is_not_counted_as_waiting() -> None:
    made, phase = crew("test_quick"), phase_of(10, 30_000_000, 2)
    at_us = monotonic_us()
    made.meter.begin(at_us)
    arrivals = Arrivals(made, phase, [Lane(1, range(2))], at_us, 0)
    job = gevent.spawn(arrivals.run)
    gevent.sleep(0.15)
    arrivals.stop(now=False)
    job.join(5)
    assert job.dead
    assert len(began) == 2
    assert iterations(made.recorder.take(), "test_quick").unstarted == 0


def test_without_leave_nothing_begins_and_then_late() -> None:
    made, phase = crew("test_quick"), phase_of(100, 300_000, 5)
    made.lease_until_us = 0
    gevent.spawn_later(0.15, setattr, made, "lease_until_us", 2**62)
    summary, _ = run(made, phase)
    assert summary.totals.started == 30
    assert 100_000 < summary.pace.delay.max_us < 250_000


def test_what_is_thrown_at_a_user_costs_nobody_else_anything() -> None:
    summary, _ = run(crew("test_throws"), phase_of(100, 300_000, 5))
    assert len(began) == 30
    assert summary.totals.started == summary.totals.ended == 30


def block(until_us: int) -> None:
    """Keep the event loop from turning, as a test that computes does."""
    while monotonic_us() < until_us:
        pass


def test_what_the_loop_makes_late_is_not_put_down_to_busy_users() -> None:
    """The loop stands still for 150 ms while users are idle, some of them behind the one who leads."""
    made, phase = crew("test_slow"), phase_of(100, 600_000, 50)
    gevent.spawn_later(0.25, lambda: block(monotonic_us() + 150_000))
    summary, _ = run(made, phase)
    assert summary.totals.started == 60
    assert summary.pace.delay.count == summary.pace.lateness.count
    assert summary.pace.delay.max_us > 100_000


def test_what_is_a_hair_late_at_the_end_begins_and_what_is_later_was_neglected() -> None:
    made, phase = crew("test_quick"), phase_of(100, 400_000, 5)
    gevent.spawn_later(0.34, lambda: block(monotonic_us() + 100_000))
    summary, _ = run(made, phase)
    assert (summary.totals.started, summary.pace.neglected) == (40, 0)
    began.clear()
    made = crew("test_quick")
    gevent.spawn_later(0.2, lambda: block(monotonic_us() + 450_000))
    summary, _ = run(made, phase)
    series = iterations(summary, "test_quick")
    assert series.unstarted == summary.pace.neglected > 10
    assert summary.totals.started + series.unstarted == 40


def test_running_users_are_those_in_an_iteration() -> None:
    made, told = crew("test_slow"), list[Any]()
    made.meter = Meter(made.recorder, told.append)
    run(made, phase_of(100, 300_000, 50))
    made.meter.flush(last=True)
    assert sum(delta.summary.totals.users_us for delta in told) == pytest.approx(30 * 50_000, rel=0.3)


class Fed(TestCase):
    __test__ = False

    def test_fed(self) -> None:
        began.append((self.user.user, int(self.feed("fed.csv")["id"])))
        gevent.sleep(0.01)
        assert running() is not None

    def test_stop(self) -> None:
        began.append((self.user.user, int(self.feed("fed.csv", policy="stop")["id"])))


@pytest.fixture
def _fed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_feed.cache_clear()
    (tmp_path / "fed.csv").write_text("id\n" + "".join(f"{row}\n" for row in range(10)))


@pytest.mark.usefixtures("_fed")
def test_iterations_are_dealt_the_rows_of_the_slots_that_are_held_in_turn() -> None:
    fed = crew_of([Scenario(Fed, "test_fed", 1)])
    summary, _ = run(fed, phase_of(100, 200_000, 4), [Lane(1, range(1, 4, 2))])
    assert summary.totals.errors == summary.totals.failures == 0
    rows = [row for _, row in began]
    assert rows == ([1, 3, 5, 7, 9] * 3)[: len(rows)]
    assert len(rows) == 10


@pytest.mark.usefixtures("_fed")
def test_when_the_rows_are_used_up_no_iteration_begins_any_more() -> None:
    fed = crew_of([Scenario(Fed, "test_stop", 1)])
    summary, _ = run(fed, phase_of(100, 5_000_000, 4))
    assert sorted(row for _, row in began) == list(range(10))
    totals = summary.totals
    assert (totals.started, totals.success, totals.skipped, totals.errors) == (11, 10, 1, 0)
    assert totals.retired == 1
