from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.pace import Pace
from loads.metrics.summary import ITERATION, ITERATION_NAME, SeriesKey, Summary, Totals
from loads.metrics.tiers import MAX_POINTS, WIDTHS_US
from loads.metrics.timeline import Point, Row, Timeline
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, series_of, summaries

MINUTE_US = 60 * US_PER_S
HOUR_US = 60 * MINUTE_US
TEN_DAYS_US = 240 * HOUR_US

times_us = st.one_of(
    st.integers(0, 30 * MINUTE_US),
    st.integers(0, 3 * HOUR_US),
    st.integers(0, TEN_DAYS_US),
    st.builds(lambda minutes, off: max(0, minutes * MINUTE_US + off), st.integers(0, 15_000), st.integers(-1, 1)),
)
events = st.lists(st.tuples(times_us, st.integers(1, 5)), max_size=25)


def point_of(hits: int) -> Point:
    """Some know of start times, some don't, and some that do had no hits."""
    return Point(
        hits,
        hits % 2,
        hits % 3,
        hits * 7,
        histogram_of([hits * 1_000] * hits),
        hits / 8,
        hits or None,
        started=hits,
        response=histogram_of([hits * 1_003] * hits) if hits % 2 else None,
        lateness=histogram_of([hits * 3]) if hits % 3 else None,
    )


def timeline_of(adds: list[tuple[int, int]]) -> Timeline:
    timeline = Timeline()
    for t_us, hits in adds:
        timeline.add(t_us, point_of(hits))
    return timeline


def told(timeline: Timeline) -> tuple[int, list[Row]]:
    """All that can be read of it: what makes two of them equal."""
    return timeline.latest_us, timeline.rows()


def merged(*parts: Timeline) -> Timeline:
    whole = Timeline()
    for part in parts:
        whole.merge(part)
    return whole


@given(events, st.integers(0, 1_000))
def test_the_order_of_adding_does_not_matter(adds: list[tuple[int, int]], seed: int) -> None:
    shuffled = Random(seed).sample(adds, len(adds))
    assert told(timeline_of(shuffled)) == told(timeline_of(adds))


@given(st.lists(events, max_size=5), st.integers(0, 1_000))
def test_any_split_and_any_tree_of_merges_gives_the_same(parts: list[list[tuple[int, int]]], seed: int) -> None:
    random = Random(seed)
    heap = [timeline_of(part) for part in parts] or [Timeline()]
    while len(heap) > 1:
        random.shuffle(heap)
        other = heap.pop()
        heap[-1].merge(other)
    assert told(heap[0]) == told(timeline_of([add for part in parts for add in part]))


@given(events)
def test_an_empty_one_is_the_identity(adds: list[tuple[int, int]]) -> None:
    timeline = timeline_of(adds)
    assert told(merged(Timeline(), timeline)) == told(merged(timeline, Timeline())) == told(timeline)


@given(events, events)
def test_what_is_merged_stays_as_it_is(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    other = timeline_of(b)
    into = timeline_of(a)
    into.merge(other)
    into.merge(other)
    assert told(other) == told(timeline_of(b))


@given(events)
def test_sums_are_kept_however_coarse_the_tiers(adds: list[tuple[int, int]]) -> None:
    whole = Point()
    for row in timeline_of(adds).rows():
        whole.merge(row.point)
    expected = Point()
    for _, hits in adds:
        expected.merge(point_of(hits))
    assert whole == expected


@given(events)
def test_every_event_is_in_the_row_that_covers_its_time(adds: list[tuple[int, int]]) -> None:
    found: Counter[tuple[int, int]] = Counter()
    rows = timeline_of(adds).rows()
    for t_us, hits in adds:
        (row,) = [row for row in rows if row.t_us <= t_us < row.t_us + row.width_us and _in_tier(row, rows, t_us)]
        found[row.t_us, row.width_us] += hits
    assert found == Counter({(row.t_us, row.width_us): row.point.hits for row in rows})


def _in_tier(row: Row, rows: list[Row], t_us: int) -> bool:
    """The coarsest tier may end within one of its spans: there the finer row begins."""
    return not any(other.t_us <= t_us < other.t_us + other.width_us and other.width_us < row.width_us for other in rows)


@pytest.mark.parametrize("length_us", [9 * MINUTE_US, 99 * MINUTE_US, 11 * HOUR_US, TEN_DAYS_US])
@pytest.mark.parametrize("late_us", [0, 59 * US_PER_S, 9 * US_PER_S + 999_999])
def test_no_tier_ever_has_more_points_than_allowed(length_us: int, late_us: int) -> None:
    """Fully crowded: an event in every span of every tier, up to a latest time on, before and after an edge."""
    latest_us = length_us + late_us
    timeline = Timeline()
    timeline.add(latest_us, point_of(1))
    fine_from_us, middle_from_us = max(0, latest_us - 11 * MINUTE_US), max(0, latest_us - 102 * MINUTE_US)
    step_us = max(MINUTE_US, middle_from_us // 2_000)
    times = [
        *range(0, middle_from_us, step_us),
        *range(middle_from_us, fine_from_us, 10 * US_PER_S),
        *range(fine_from_us, latest_us, US_PER_S),
    ]
    for t_us in times:
        timeline.add(t_us, Point(hits=1))
    tiers = Counter(width_us for _, width_us in timeline.packed)
    old = [count for width_us, count in tiers.items() if width_us not in WIDTHS_US[:2]]
    assert max(tiers[WIDTHS_US[0]], tiers[WIDTHS_US[1]], sum(old)) <= MAX_POINTS
    assert len(old) <= 2
    assert sum(row.point.hits for row in timeline.rows()) == len(times) + 1


@given(events)
def test_rows_are_in_order_of_time(adds: list[tuple[int, int]]) -> None:
    times = [row.t_us for row in timeline_of(adds).rows()]
    assert times == sorted(times)


def test_the_last_ten_minutes_are_by_the_second() -> None:
    timeline = timeline_of([(second * US_PER_S, 1) for second in range(600)])
    assert [(row.t_us, row.width_us) for row in timeline.rows()] == [(s * US_PER_S, US_PER_S) for s in range(600)]


def test_what_is_older_gets_coarser() -> None:
    timeline = timeline_of([(0, 1), (TEN_DAYS_US - HOUR_US, 1), (TEN_DAYS_US - MINUTE_US, 1), (TEN_DAYS_US, 1)])
    widths = [row.width_us for row in timeline.rows()]
    assert widths[1:] == [WIDTHS_US[1], WIDTHS_US[0], WIDTHS_US[0]]
    assert widths[0] % WIDTHS_US[2] == 0
    assert widths[0] * MAX_POINTS >= TEN_DAYS_US - 2 * HOUR_US


def test_a_late_batch_merges_into_the_tier_that_holds_its_time_now() -> None:
    timeline = timeline_of([(3 * US_PER_S, 1), (30 * MINUTE_US, 1)])
    timeline.add(4 * US_PER_S, point_of(2))
    first = timeline.rows()[0]
    assert (first.t_us, first.width_us, first.point.hits) == (0, 10 * US_PER_S, 3)


def test_a_point_takes_requests_from_all_series_but_no_blocks_of_time() -> None:
    summary = Summary(
        series={
            SeriesKey("t", "GET", "/"): series_of([10, 20]),
            SeriesKey("t", "POST", "/"): series_of([30]),
            SeriesKey("t", ITERATION, ITERATION_NAME): series_of([70]),
        },
        totals=Totals(failures=2, errors=1, users_us=5_000_000),
    )
    assert Point.of(summary) == Point(3, 2, 1, 5_000_000, histogram_of([10, 20, 30]))


def test_rows_do_not_overlap() -> None:
    timeline = Timeline()
    for minute in range(701):
        timeline.add(minute * 60 * US_PER_S, Point(hits=1))
    assert all(row.t_us + row.width_us <= after.t_us for row, after in pairwise(timeline.rows()))


def test_a_point_takes_the_worst_of_its_workers() -> None:
    one = Point.of(Summary(), health_of(cpu_us=500_000, lag=histogram_of([7, 9])))
    other = Point.of(Summary(), health_of(cpu_us=700_000))
    unknown = Point.of(Summary())
    assert (one.cpu_share, one.lag_us) == (0.5, 9)
    assert (other.cpu_share, other.lag_us) == (0.7, None)
    assert (unknown.cpu_share, unknown.lag_us) == (None, None)
    for order in ([one, other, unknown], [unknown, other, one]):
        whole = Point()
        for point in order:
            whole.merge(point)
        assert (whole.cpu_share, whole.lag_us) == (0.7, 9)


def points_merged(*points: Point) -> Point:
    whole = Point()
    for point in points:
        whole.merge(point)
    return whole


@given(summaries(), summaries(), summaries())
def test_points_merge_in_any_order_and_grouping(a: Summary, b: Summary, c: Summary) -> None:
    one, two, three = Point.of(a), Point.of(b), Point.of(c)
    whole = points_merged(one, two, three)
    assert whole == points_merged(three, one, two) == points_merged(one, points_merged(two, three))
    assert points_merged(Point(), one) == points_merged(one, Point()) == one


@given(st.lists(summaries(), max_size=4))
def test_the_point_of_a_sum_is_the_sum_of_the_points(parts: list[Summary]) -> None:
    whole = Summary()
    for part in parts:
        whole.merge(part)
    assert Point.of(whole) == points_merged(*(Point.of(part) for part in parts))


def test_a_point_of_planned_iterations_has_their_response_times_and_lateness() -> None:
    late = series_of([10, 20])
    late.response = histogram_of([110, 120])
    summary = Summary(
        series={SeriesKey("t", "GET", "/"): late, SeriesKey("(outside)", "GET", "/"): series_of([5])},
        totals=Totals(started=2),
        pace=Pace(histogram_of([100, 100]), histogram_of([100])),
    )
    point = Point.of(summary)
    assert point.started == 2
    assert point.response == histogram_of([110, 120, 5])
    assert point.lateness == histogram_of([100, 100])
    assert point.lateness is not summary.pace.lateness


def test_a_point_that_knows_of_no_start_times_has_neither() -> None:
    point = Point.of(Summary(series={SeriesKey("t", "GET", "/"): series_of([10])}))
    assert (point.response, point.lateness) == (None, None)
    assert point.response_or_service == histogram_of([10])


def test_points_that_were_packed_before_there_were_start_times_are_still_read() -> None:
    """A broker that is updated reads its store."""
    old = msgspec.msgpack.encode([3, 1, 0, 7, msgspec.to_builtins(histogram_of([9]), str_keys=False), 0.5, 12])
    timeline = Timeline(0, {(0, US_PER_S): old})
    expected = Point(3, 1, 0, 7, histogram_of([9]), 0.5, 12)
    assert timeline.rows() == [Row(0, US_PER_S, expected)]
    timeline.add(0, Point(errors=1, started=2))
    expected.merge(Point(errors=1, started=2))
    assert timeline.rows() == [Row(0, US_PER_S, expected)]
    timeline.add(0, point_of(1))
    expected.merge(point_of(1))
    assert timeline.rows() == [Row(0, US_PER_S, expected)]
