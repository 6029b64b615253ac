"""What a page shows over time: of the run, of a series, of a machine."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.coarse import coarse_middle_us
from loads.metrics.histogram import bucket_middle_us
from loads.metrics.machines import Load
from loads.metrics.result import Place, Result
from loads.metrics.summary import SeriesKey, Summary, Totals
from loads.metrics.tiers import Row
from loads.report import page
from loads.report.page import HEAT_ROWS_PER_OCTAVE, RunFrame, Span, Stage
from loads.report.view.detail import coarse_rows
from loads.report.view.spans import axis_of, joined
from loads.report.view.spreads import fine_rows, heat_of
from loads.report.view.whole import RunView, Seen
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, info_of, iterations_of, loss_of, series_of

HOME = SeriesKey("t", "GET", "/")
BUY = SeriesKey("t", "POST", "/buy")


def run_of(**changed: object) -> Result:
    return Result(info=info_of(**{"users": 100, **changed}))


def look(result: Result, elapsed_us: int, view: RunView | None = None) -> RunFrame:
    over = result.duration_us is not None
    stage = Stage.ENDED if over else Stage.RUNNING
    return (view or RunView("x")).look(Seen(stage=stage, elapsed_us=elapsed_us, result=result, over=over))


# The heat map.


@given(st.integers(0, 3_000))
def test_a_row_of_the_heat_map_holds_what_lies_in_it(bucket: int) -> None:
    middle_us = bucket_middle_us(bucket)
    row = fine_rows()[bucket]
    assert 2 ** (row / HEAT_ROWS_PER_OCTAVE) <= max(middle_us, 1) * 1.000001
    assert max(middle_us, 1) < 2 ** ((row + 1) / HEAT_ROWS_PER_OCTAVE) * 1.000001


@given(st.integers(0, 300))
def test_coarse_buckets_lie_in_the_rows_of_the_same_times(bucket: int) -> None:
    assert coarse_rows()[bucket] == int(HEAT_ROWS_PER_OCTAVE * log2(max(1.0, coarse_middle_us(bucket))))


@given(st.lists(st.integers(0, 10**9), max_size=50))
def test_a_heat_map_has_every_request_once(values: list[int]) -> None:
    heat = heat_of(histogram_of(values).counts, fine_rows())
    assert sum(heat[1::2]) == len(values)
    assert list(heat[::2]) == sorted(set(heat[::2]))


# The run.


def test_users_of_a_second_that_goes_on_are_those_of_the_part_that_is_over() -> None:
    result, view = run_of(), RunView("x")
    result.add(0, Summary(totals=Totals(users_us=5 * US_PER_S // 2)))
    assert look(result, US_PER_S // 2, view).points[0].users == 5
    [point] = look(result, US_PER_S, view).points
    assert point.users == 2
    assert look(result, 2 * US_PER_S, view).points == ()


def test_spans_that_are_joined_take_the_place_of_those_that_were() -> None:
    result, view = run_of(), RunView("x")
    for second in range(10):
        result.add(second * US_PER_S, iterations_of(1, sent=1))
    look(result, 10 * US_PER_S, view)
    result.add(700 * US_PER_S, iterations_of(1, sent=1))
    frame = look(result, 701 * US_PER_S, view)
    assert frame.gone == tuple(Span(second * US_PER_S, US_PER_S) for second in range(10))
    assert [(point.t_us, point.width_us, point.hits) for point in frame.points] == [
        (0, 10 * US_PER_S, 10),
        (700 * US_PER_S, US_PER_S, 1),
    ]


def test_response_times_that_equal_service_times_are_told_as_such() -> None:
    result = run_of()
    result.add(0, Summary(series={HOME: series_of([100])}))
    [point] = look(result, US_PER_S).points
    assert (point.r50, point.r95, point.r99) == (point.s50, point.s95, point.s99) == (100, 100, 100)
    assert (point.l50, point.l99) == (None, None)


def test_failed_requests_of_late_are_counted_per_second() -> None:
    result = run_of()
    for second in range(4):
        result.add(second * US_PER_S, Summary(series={HOME: series_of([1] * 10, 500 if second == 1 else 200)}))
    totals = look(result, 4 * US_PER_S).totals
    assert totals is not None
    assert (totals.rps_now, totals.failed_now) == (10, 3.333)


# A series.


def test_a_series_has_its_own_points_answers_and_phases() -> None:
    result, view = run_of(), RunView("x")
    bad = series_of([2_000] * 3, 503)
    bad.errors = {"timeout": 1}
    bad.unsent = 1
    bad.phases.first_byte.add(1_500)
    result.add(0, Summary(series={HOME: series_of([100]), BUY: bad}))
    look(result, US_PER_S, view)
    [number] = [name.id for name in view.full().names if name.method == "POST"]
    series = view.series(number)
    series.look()
    frame = series.full()
    assert (frame.series, frame.statuses, frame.kinds) == (number, {"503": 3}, {"timeout": 1})
    assert [(phase.name, phase.count, phase.mean) for phase in frame.phases] == [("first_byte", 1, 1_500)]
    [point] = frame.points
    assert (point.t_us, point.hits, point.failed) == (0, 4, 3)
    assert point.s50 == pytest.approx(2_000, rel=1 / 32)
    assert sum(point.heat[1::2]) == 3


def test_there_is_no_view_of_a_series_that_is_not_there() -> None:
    view = RunView("x")
    look(run_of(), 0, view)
    with pytest.raises(KeyError):
        view.series(0)


def test_other_has_the_points_of_what_was_folded_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result, view = run_of(), RunView("x")
    monkeypatch.setattr("loads.metrics.summary.MAX_NAMES", 2)
    for second in range(4):
        result.add(second * US_PER_S, Summary(series={SeriesKey("t", "GET", f"/{second}"): series_of([100])}))
    frame = look(result, 4 * US_PER_S, view)
    [other] = [name.id for name in frame.names if name.name == "(other)"]
    series = view.series(other)
    series.look()
    assert sum(point.hits for point in series.full().points) == 2
    assert sum(spark.hits.count(1) for spark in frame.sparks if spark.id == other) == 2


def test_a_series_that_was_folded_has_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    result, view = run_of(), RunView("x")
    result.add(0, Summary(series={HOME: series_of([100])}))
    look(result, US_PER_S, view)
    series = view.series(0)
    series.look()
    monkeypatch.setattr("loads.metrics.summary.MAX_NAMES", 1)
    named = SeriesKey("t", "GET", "/", named=True)
    result.add(US_PER_S, Summary(series={named: series_of([100]), BUY: series_of([1])}))
    frame = look(result, 2 * US_PER_S, view)
    assert frame.folded == (0,)
    assert (series.look().points, len(series.full().points)) == ((), 1)


# Sparks.


def sparks(result: Result, elapsed_us: int) -> tuple[int, dict[int, tuple[int, ...]]]:
    frame = look(result, elapsed_us)
    return frame.spark_us, {spark.id: spark.hits for spark in frame.sparks}


def test_the_sparks_of_a_run_that_goes_on_are_its_last_minute() -> None:
    result = run_of()
    for second in range(70):
        result.add(second * US_PER_S, Summary(series={HOME: series_of([1] * (second + 1))}))
    span_us, found = sparks(result, 70 * US_PER_S - 1)
    assert span_us == 60 * US_PER_S
    assert found == {0: tuple(range(11, 71))}


def test_the_sparks_of_a_young_run_begin_with_nothing() -> None:
    result = run_of()
    result.add(0, Summary(series={HOME: series_of([1, 2])}))
    assert sparks(result, 10)[1] == {0: (*[0] * 59, 2)}


def test_the_sparks_of_a_run_that_ended_are_all_of_it() -> None:
    result = run_of()
    for second in range(120):
        result.add(second * US_PER_S, Summary(series={HOME: series_of([1])}))
    result.duration_us = 120 * US_PER_S
    assert sparks(result, 0) == (120 * US_PER_S, {0: (2,) * 60})


def test_the_sparks_of_a_short_run_have_no_part_of_less_than_a_second() -> None:
    result = run_of()
    for second in range(3):
        result.add(second * US_PER_S, Summary(series={HOME: series_of([1] * (second + 1))}))
    result.duration_us = 3 * US_PER_S
    assert sparks(result, 0) == (3 * US_PER_S, {0: (1, 2, 3)})


@given(st.dictionaries(st.integers(0, 5_000), st.integers(1, 5), min_size=1, max_size=20))
def test_sparks_have_every_request_of_the_run(hits: dict[int, int]) -> None:
    result = run_of()
    for second, count in hits.items():
        result.add(second * US_PER_S, Summary(series={HOME: series_of([1] * count)}))
    result.duration_us = max(hits) * US_PER_S + 3
    assert sum(sparks(result, 0)[1][0]) == pytest.approx(sum(hits.values()), abs=30)


def test_without_details_there_are_no_sparks() -> None:
    result = run_of()
    result.add(0, Summary(series={HOME: series_of([1, 2])}))
    result.details = result.details.bare()
    assert sparks(result, US_PER_S) == (0, {})


# Machines.


def test_machines_are_the_agents_with_the_figures_of_all_their_workers() -> None:
    result = run_of(workers=3)
    result.places = [
        Place(agent="north", host="n1", first=0, workers=2),
        Place(agent="south", host="s1", first=2, workers=1),
    ]
    for worker, cpu_us in ((0, 100_000), (1, 700_000), (2, 300_000)):
        load, health = (
            Load(10, worker, US_PER_S),
            health_of(cpu_us=cpu_us, waited_us=20_000, lag=histogram_of([worker])),
        )
        result.bear(0, {worker: (load, health)})
    result.users = {0: 4, 1: 5, 2: 6}
    frame = RunView("x").look(
        Seen(stage=Stage.RUNNING, elapsed_us=US_PER_S, result=result, machines={"south": ("running", True)})
    )
    assert frame.machines is not None
    north, south = frame.machines
    assert (north.id, north.name, north.host, north.workers, north.users) == (0, "north", "n1", 2, 9)
    assert (north.cpu_share, north.lag_us, north.waited_share) == (0.7, 1, 0.02)
    assert (north.stage, north.lost, south.id, south.stage, south.lost) == ("", False, 2, "running", True)
    assert frame.machine_points == {
        0: (page.MachinePoint(0, US_PER_S, 2, 20, 1, 0.7, 1),),
        2: (page.MachinePoint(0, US_PER_S, 1, 10, 2, 0.3, 2),),
    }


def test_machines_of_a_local_run_are_its_workers() -> None:
    result = run_of(workers=2)
    result.add(0, iterations_of(1, sent=1), worker=1, health=health_of(cpu_us=950_000))
    result.given_up = [0]
    frame = look(result, US_PER_S)
    assert frame.machines is not None
    assert [(each.id, each.name, each.lost) for each in frame.machines] == [
        (0, "worker 0", True),
        (1, "worker 1", False),
    ]
    assert list(frame.machine_points) == [1]


def test_what_a_machine_suffered_from_is_said_of_it() -> None:
    result = run_of(workers=2)
    for second in range(5):
        result.add(second * US_PER_S, Summary(), worker=1, health=health_of(cpu_us=950_000))
    machines = look(result, 5 * US_PER_S).machines
    assert machines is not None
    assert machines[0].trouble == ""
    assert machines[1].trouble.startswith("worker 1 was at 95 % CPU")


def test_an_agent_that_was_lost_is_so_in_a_report() -> None:
    result = run_of()
    result.places = [Place(agent="north", host="n", first=0, workers=2)]
    result.losses = [loss_of(worker=None, agent="north")]
    machines = look(result, US_PER_S).machines
    assert machines is not None
    assert machines[0].lost


# Fewer points.


axes = st.lists(st.sampled_from([1, 10, 60]), max_size=50).map(
    lambda widths: [
        Row((sum(widths[:place]) * US_PER_S, width * US_PER_S), width * US_PER_S) for place, width in enumerate(widths)
    ]
)


@given(axes, st.integers(1, 60))
def test_joined_spans_are_as_few_as_asked_for_and_leave_nothing_out(axis: list[Row], most: int) -> None:
    found = joined(axis, most)
    assert len(found) <= most
    assert [row for _, rows in found for row in rows] == axis
    for (span, _), (after, _) in pairwise(found):
        assert span.t_us + span.width_us == after.t_us


def test_spans_that_are_few_enough_stay_as_they_are() -> None:
    result = run_of()
    for second in range(5):
        result.add(second * US_PER_S, iterations_of(1, sent=1))
    axis = axis_of(result.timeline)
    assert joined(axis, 5) == [(Span(row.t_us, row.width_us), [row]) for row in axis]
