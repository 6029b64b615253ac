from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.health import Health
from loads.metrics.summary import Summary, Totals
from loads.units import US_PER_S
from loads.wire.messages import Delta
from loads.worker import meter as module
from loads.worker.meter import Meter, spread
from tests.build import new_recorder

spans_us = st.tuples(st.integers(0, 100 * US_PER_S), st.integers(0, 20 * US_PER_S))


class Bench:
    """A meter with a clock that the test moves; what it sends is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_us = 500 * US_PER_S
        monkeypatch.setattr(module, "monotonic_us", lambda: self.now_us)
        self.sent: list[Any] = []
        self.recorder = new_recorder()
        self.meter = Meter(self.recorder, self.sent.append)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


@given(st.integers(0, 10**15), spans_us)
def test_the_parts_add_up(users_us: int, span: tuple[int, int]) -> None:
    begin_us, length_us = span
    assert sum(part_us for _, part_us in spread(users_us, begin_us, begin_us + length_us)) == users_us


@given(st.integers(0, 10**15), spans_us)
def test_no_part_is_negative_and_each_belongs_to_a_second_of_the_span(users_us: int, span: tuple[int, int]) -> None:
    begin_us, length_us = span
    end_us = begin_us + length_us
    parts = spread(users_us, begin_us, end_us)
    assert all(part_us >= 0 for _, part_us in parts)
    assert all(t_us % US_PER_S == 0 and begin_us - US_PER_S < t_us < max(end_us, begin_us + 1) for t_us, _ in parts)
    assert [t_us for t_us, _ in parts] == sorted({t_us for t_us, _ in parts})


@given(spans_us, st.integers(1, 1_000))
def test_users_that_run_all_the_time_are_spread_evenly(span: tuple[int, int], users: int) -> None:
    """So many user-microseconds a second as there are users: a blocked worker leaves no dent in the timeline."""
    begin_us, length_us = span
    for t_us, part_us in spread(users * length_us, begin_us, begin_us + length_us)[1:]:
        covered_us = min(US_PER_S, begin_us + length_us - t_us)
        assert abs(part_us - users * covered_us) <= 1


def test_each_second_has_the_part_that_falls_into_it() -> None:
    assert spread(10, 3_500_000, 6 * US_PER_S) == [(3 * US_PER_S, 2), (4 * US_PER_S, 4), (5 * US_PER_S, 4)]


def test_a_span_of_no_length_is_a_part_of_its_second() -> None:
    assert spread(0, 3_500_000, 3_500_000) == [(3 * US_PER_S, 0)]


def test_before_the_run_nothing_is_sent_when_nothing_was_measured(bench: Bench) -> None:
    bench.meter.flush()
    assert bench.sent == []


def test_in_the_run_a_delta_goes_out_each_second_even_with_nothing_in_it(bench: Bench) -> None:
    bench.meter.begin(bench.now_us)
    bench.now_us += US_PER_S
    bench.meter.flush()
    bench.now_us += US_PER_S
    bench.meter.flush(last=True)
    assert [(delta.seq, delta.t_us, delta.summary) for delta in bench.sent] == [(1, 0, Summary())]


def test_what_is_measured_before_the_run_counts_for_its_beginning(bench: Bench) -> None:
    bench.recorder.counter("fixture", 1)
    bench.meter.flush()
    assert bench.sent == [Delta(seq=1, t_us=0, users=0, summary=Summary(counters={"fixture": 1}))]


def test_deltas_are_numbered_from_one_and_hold_each_measure_once(bench: Bench) -> None:
    bench.meter.begin(bench.now_us)
    for _ in range(3):
        bench.recorder.counter("c", 1)
        bench.now_us += US_PER_S
        bench.meter.flush()
    assert [(delta.seq, delta.t_us, delta.summary.counters) for delta in bench.sent] == [
        (1, 0, {"c": 1}),
        (2, US_PER_S, {"c": 1}),
        (3, 2 * US_PER_S, {"c": 1}),
    ]


def test_a_delta_tells_the_users_that_run_and_how_long_they_ran(bench: Bench) -> None:
    bench.meter.begin(bench.now_us)
    bench.meter.change_users(2)
    bench.now_us += 600_000
    bench.meter.change_users(-1)
    bench.now_us += 400_000
    bench.meter.flush(last=True)
    assert bench.sent == [Delta(seq=1, t_us=0, users=1, summary=Summary(totals=Totals(users_us=1_600_000)))]


def test_users_of_the_second_that_has_begun_are_told_with_all_of_it(bench: Bench) -> None:
    """A flush that comes a little late must not put a dent into the timeline."""
    bench.meter.begin(bench.now_us)
    bench.meter.change_users(3)
    for wait_us in (1_200_000, 900_000, 900_000):
        bench.now_us += wait_us
        bench.meter.flush()
    bench.meter.flush(last=True)
    assert [(delta.t_us, delta.summary.totals.users_us) for delta in bench.sent] == [
        (0, 3 * US_PER_S),
        (US_PER_S, 3 * US_PER_S),
        (2 * US_PER_S, 3 * US_PER_S),
    ]


def test_a_run_in_the_future_begins_when_it_begins(bench: Bench) -> None:
    """The head start between barrier and first iteration is no part of the run."""
    bench.meter.begin(bench.now_us + 50_000)
    bench.now_us += 50_000
    bench.meter.change_users(1)
    bench.now_us += US_PER_S
    bench.meter.flush(last=True)
    assert [(delta.t_us, delta.summary.totals.users_us) for delta in bench.sent] == [(0, US_PER_S)]


def test_a_blocked_worker_tells_of_each_second_that_it_missed(bench: Bench) -> None:
    bench.meter.begin(bench.now_us)
    bench.meter.change_users(3)
    bench.recorder.counter("c", 1)
    bench.now_us += 3 * US_PER_S
    bench.meter.flush(last=True)
    assert [(delta.seq, delta.t_us, delta.summary.totals.users_us) for delta in bench.sent] == [
        (1, 0, 3 * US_PER_S),
        (2, US_PER_S, 3 * US_PER_S),
        (3, 2 * US_PER_S, 3 * US_PER_S),
    ]
    assert [delta.summary.counters for delta in bench.sent] == [{"c": 1}, {}, {}]


def test_the_next_phase_goes_on_with_the_same_run(bench: Bench) -> None:
    bench.meter.begin(bench.now_us)
    bench.now_us += 5 * US_PER_S
    bench.meter.flush()
    bench.meter.begin(bench.now_us)
    bench.recorder.counter("c", 1)
    bench.now_us += US_PER_S
    bench.meter.flush()
    assert [delta.t_us for delta in bench.sent] == [0, 5 * US_PER_S]


@pytest.mark.parametrize(("elapsed_us", "due_s"), [(0, 1.0), (250_000, 0.75), (1_250_000, 0.75), (-50_000, 1.05)])
def test_the_next_delta_is_due_at_the_next_full_second_of_the_run(bench: Bench, elapsed_us: int, due_s: float) -> None:
    bench.meter.begin(bench.now_us - elapsed_us)
    assert bench.meter.due_in_s() == pytest.approx(due_s)


def test_the_next_phase_is_measured_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    run_at_us = bench.now_us
    bench.meter.begin(run_at_us)
    bench.now_us += 5 * US_PER_S
    bench.meter.flush(last=True)
    bench.now_us += 60 * US_PER_S
    bench.meter.begin(run_at_us)
    bench.recorder.counter("c", 1)
    bench.meter.change_users(1)
    bench.now_us += US_PER_S
    bench.meter.flush(last=True)
    told = [(delta.t_us, delta.summary.counters, delta.summary.totals.users_us) for delta in bench.sent]
    assert told == [(65 * US_PER_S, {"c": 1}, US_PER_S)]


def test_how_the_worker_fared_goes_with_the_delta_that_tells_of_that_second(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    meter = Meter(bench.recorder, bench.sent.append, lambda: Health(wall_us=5))
    meter.begin(bench.now_us)
    meter.change_users(3)
    bench.now_us += 3 * US_PER_S
    meter.flush()
    meter.change_users(-2)
    bench.now_us += US_PER_S
    meter.flush(last=True)
    assert [(delta.t_us, delta.health) for delta in bench.sent if delta.health is not None] == [
        (0, Health(wall_us=5, users=3)),
        (3 * US_PER_S, Health(wall_us=5, users=3)),
    ]
    assert len(bench.sent) > 2


def test_the_last_delta_is_sent_for_the_workers_health_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    meter = Meter(bench.recorder, bench.sent.append, lambda: Health(wall_us=5))
    meter.begin(bench.now_us)
    meter.flush(last=True)
    assert [delta.health for delta in bench.sent] == [Health(wall_us=5)]
