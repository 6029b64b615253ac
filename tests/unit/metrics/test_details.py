from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.coarse import coarsened, merge_counts
from loads.metrics.details import SERIES_AT_FULL, Cell, DetailRow, Details
from loads.metrics.histogram import Histogram
from loads.metrics.result import Result
from loads.metrics.summary import ITERATION, ITERATION_NAME, MAX_NAMES, TRANSACTION, Series, SeriesKey, Summary
from loads.metrics.tiers import MAX_POINTS
from loads.units import US_PER_S
from tests.build import result_of, series_of, summaries

HOUR_US = 3_600 * US_PER_S

_times_us = st.one_of(st.integers(0, 30 * 60 * US_PER_S), st.integers(0, 30 * HOUR_US))
adds = st.lists(st.tuples(_times_us, summaries()), max_size=8)
Adds = list[tuple[int, Summary]]


def absorbed(told: Adds) -> Result:
    result = result_of()
    for t_us, summary in told:
        result.absorb(t_us, summary)
    return result


def rows_of(result: Result) -> dict[SeriesKey, list[DetailRow]]:
    """All that can be read: what makes two equal."""
    return {key: result.series_rows(key) for key in result.summary.series}


def names(first: int, count: int) -> Summary:
    """So many series with one hit each, that the test did not name."""
    return Summary(
        series={
            SeriesKey("t", "GET" if number % 3 else TRANSACTION, f"/{number}"): series_of([1_000 + number])
            for number in range(first, first + count)
        }
    )


def whole_of(rows: list[DetailRow]) -> Cell:
    whole = Cell()
    for row in rows:
        whole.merge(row.cell)
    return whole


@given(adds, st.integers(0, 1_000))
def test_the_order_of_adding_does_not_matter(told: Adds, seed: int) -> None:
    shuffled = Random(seed).sample(told, len(told))
    assert rows_of(absorbed(shuffled)) == rows_of(absorbed(told))


@given(adds)
def test_any_split_gives_the_same(told: Adds) -> None:
    """Each series by itself, and all of them at once."""
    split = [(t_us, Summary(series={key: series})) for t_us, each in told for key, series in each.series.items()]
    split += [(t_us, Summary()) for t_us, _ in told]
    assert rows_of(absorbed(split)) == rows_of(absorbed(told))


@given(adds)
def test_over_time_a_series_has_what_it_has_in_all(told: Adds) -> None:
    result = absorbed(told)
    for key, series in result.summary.series.items():
        assert whole_of(result.series_rows(key)) == Cell.of(series)


@given(adds)
def test_spans_that_are_told_later_make_it_whole(told: Adds) -> None:
    result = absorbed(told)
    bare = result.details.bare()
    assert not bare.packed
    for (t_us, width_us), data in result.details.packed.items():
        bare.put(t_us, width_us, data)
    assert all(bare.rows(key) == result.details.rows(key) for key in result.details.keys)


@given(adds, adds)
def test_one_who_came_late_and_is_told_the_rest_has_the_same(before: Adds, after: Adds) -> None:
    """What he folded since is replaced by spans that hold it, too."""
    result = absorbed(before)
    late = result_of()
    late.summary.merge(result.summary)
    late.details = result.details.bare()
    for t_us, summary in after:
        result.absorb(t_us, summary)
        late.absorb(t_us, summary)
    for (t_us, width_us), data in result.details.packed.items():
        late.details.put(t_us, width_us, data)
    assert rows_of(late) == rows_of(result)


@given(adds, st.integers(1, 6))
def test_with_a_limit_neighbours_are_joined(told: Adds, most: int) -> None:
    result = absorbed(told)
    for key in result.summary.series:
        rows = result.series_rows(key, most)
        assert len(rows) <= most
        assert whole_of(rows) == whole_of(result.series_rows(key))
        assert all(row.t_us + row.width_us <= after.t_us for row, after in pairwise(rows))


@given(adds, st.sampled_from([None, 1, 5]))
def test_all_series_at_once_are_each_of_them(told: Adds, most: int | None) -> None:
    result = absorbed(told)
    assert result.series_tables(most) == {key: result.series_rows(key, most) for key in result.summary.series}


@pytest.mark.parametrize("count", [MAX_NAMES + 300, 3 * MAX_NAMES])
def test_what_is_folded_is_in_other_whatever_came_first(count: int) -> None:
    """Also what had its own place for a while, and series of many more names than are ever kept."""
    told = [(number % 7 * US_PER_S, names(number, 500)) for number in range(0, count, 500)]
    forth, back = absorbed(told), absorbed(told[::-1])
    tables = forth.series_tables()
    assert tables == back.series_tables()
    assert forth.details.scale == back.details.scale == 8
    assert all(whole_of(tables[key]) == Cell.of(series) for key, series in forth.summary.series.items())


def test_places_of_names_that_keep_coming_stay_few() -> None:
    result = result_of()
    for number in range(0, 40_000, 1_000):
        result.absorb(0, names(number, 1_000))
    assert len(result.details.keys) < 6 * MAX_NAMES
    assert len({*result.details.keys}) == len(result.summary.series)


@pytest.mark.parametrize("count", [10, SERIES_AT_FULL + 1, MAX_NAMES])
def test_a_day_of_any_number_of_series_has_a_bounded_number_of_cells(count: int) -> None:
    """Each busy in every span of the finest tier, and in enough of the others to tell."""
    summary = Summary(series={SeriesKey("t", "GET", f"/{n}"): Series(sent=1) for n in range(count)})
    details = Details()
    end_s = 24 * 3_600
    for second in (
        *range(0, end_s - 6_600, 480),
        *range(end_s - 6_600, end_s - 700, 160),
        *range(end_s - 700, end_s, 8),
    ):
        details.add(second * US_PER_S, summary, summary.series)
    spans = len(details.packed)
    cells = sum(len(rows) for rows in details.tables().values())
    assert spans <= 3 * MAX_POINTS // details.scale
    assert cells == spans * count <= 3 * MAX_POINTS * SERIES_AT_FULL


def test_the_251st_series_makes_spans_twice_as_wide() -> None:
    details = Details()
    before, after = names(0, SERIES_AT_FULL), names(0, SERIES_AT_FULL + 1)
    for second in range(4):
        details.add(second * US_PER_S, before, before.series)
    assert [row.width_us for row in details.axis()] == [US_PER_S] * 4
    details.add(4 * US_PER_S, after, after.series)
    assert [(row.t_us, row.width_us) for row in details.axis()] == [
        (t_us, 2 * US_PER_S) for t_us in (0, 2_000_000, 4_000_000)
    ]
    assert sum(row.cell.hits for row in details.rows(next(iter(before.series)))) == 5


def test_response_times_are_there_where_they_differ() -> None:
    on_time, late = series_of([10_000]), series_of([20_000])
    late.response = Histogram()
    late.response.add(50_000)
    key = SeriesKey("t", "GET", "/")
    result = absorbed([(0, Summary(series={key: on_time})), (US_PER_S, Summary(series={key: late}))])
    first, second = result.series_rows(key)
    assert first.cell.response is None
    assert first.cell.response_us([0.5]) == first.cell.service_us([0.5])
    assert second.cell.response == coarsened(late.response)
    (both,) = result.series_rows(key, most=1)
    expected = coarsened(on_time.service)
    merge_counts(expected, coarsened(late.response))
    assert both.cell.response == expected


def test_iterations_that_never_started_have_a_response_time_alone() -> None:
    series = Series(unstarted=1, response=Histogram())
    assert series.response is not None
    series.response.add(9_000)
    key = SeriesKey("t", ITERATION, ITERATION_NAME)
    (row,) = absorbed([(0, Summary(series={key: series}))]).series_rows(key)
    assert (row.cell.hits, row.cell.service_us([0.5])) == (0, [None])
    assert row.cell.response_us([0.5]) != [None]
