from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.tiers import MAX_POINTS, WIDTHS_US, Row, moved, parts_of, rows_of, scale_for, span_of, starts
from loads.units import US_PER_S

MINUTE_US = 60 * US_PER_S
TEN_DAYS_US = 240 * 60 * MINUTE_US

times_us = st.one_of(st.integers(0, 3 * 60 * MINUTE_US), st.integers(0, TEN_DAYS_US))
scales = st.sampled_from([1, 2, 4, 8, 16])


def all_spans(latest_us: int, scale: int = 1) -> set[tuple[int, int]]:
    """Every span that a run up to `latest_us` can have."""
    spans, t_us = set(), 0
    while t_us <= latest_us:
        span = span_of(t_us, latest_us, scale)
        spans.add(span)
        (row,) = rows_of([span], latest_us, scale)
        t_us = row.t_us + row.width_us
    return spans


@given(times_us, times_us, times_us, scales, scales)
def test_a_span_is_the_same_at_once_or_by_way_of_an_earlier_one(a: int, b: int, c: int, one: int, other: int) -> None:
    """So that what was joined already is where it belongs: nothing ever becomes finer."""
    t_us, before_us, latest_us = sorted((a, b, c))
    narrow, wide = sorted((one, other))
    by_way, _ = span_of(t_us, before_us, narrow)
    assert span_of(by_way, latest_us, wide) == span_of(t_us, latest_us, wide)


@given(times_us, scales)
def test_spans_cover_a_run_without_gap_or_overlap(latest_us: int, scale: int) -> None:
    rows = rows_of(all_spans(latest_us, scale), latest_us, scale)
    assert rows[0].t_us == 0
    assert all(row.t_us + row.width_us == after.t_us for row, after in pairwise(rows))
    assert rows[-1].t_us <= latest_us < rows[-1].t_us + rows[-1].width_us


@given(times_us, scales)
def test_a_tier_has_at_most_its_number_of_spans(latest_us: int, scale: int) -> None:
    fine_us, middle_us = starts(latest_us, scale)
    begins = [t_us for t_us, _ in all_spans(latest_us, scale)]
    old = sum(t_us < middle_us for t_us in begins)
    fine = sum(t_us >= fine_us for t_us in begins)
    assert max(old, fine, len(begins) - old - fine) <= MAX_POINTS // scale


def test_of_a_day_the_oldest_spans_are_joined_first_and_a_few_at_a_time() -> None:
    """No moment has much to do: not even the one when 600 minutes don't reach back to the start."""
    for first in (680, 1_290):
        before = all_spans(first * MINUTE_US)
        for minute in range(first + 1, first + 40):
            latest_us = minute * MINUTE_US
            old = {span for span in before if span[1] >= MINUTE_US}
            assert sum(map(len, moved(old, latest_us).values())) <= 2
            before = all_spans(latest_us)
    assert {width_us for _, width_us in all_spans(24 * 60 * MINUTE_US)} == {
        *WIDTHS_US[:2],
        2 * MINUTE_US,
        4 * MINUTE_US,
    }


def test_spans_get_as_much_wider_as_there_are_more_parts() -> None:
    assert [scale_for(count, 250) for count in (0, 250, 251, 500, 501, 2_000)] == [1, 1, 2, 2, 4, 8]


@given(times_us, st.integers(1, 700), scales)
def test_parts_are_few_and_leave_nothing_out(latest_us: int, most: int, scale: int) -> None:
    axis = rows_of(all_spans(latest_us, scale), latest_us, scale)
    parts = parts_of(axis, most)
    assert len(parts) <= most
    assert [row for _, _, rows in parts for row in rows] == axis
    assert parts[0][0] == 0
    assert all(t_us + width_us == after_us for (t_us, width_us, _), (after_us, _, _) in pairwise(parts))
    assert sum(width_us for _, width_us, _ in parts) == axis[-1].t_us + axis[-1].width_us


def test_what_fits_is_left_as_it_is() -> None:
    axis = [Row((0, US_PER_S), US_PER_S), Row((5 * US_PER_S, US_PER_S), US_PER_S)]
    assert parts_of(axis, 2) == parts_of(axis, None) == [(row.t_us, row.width_us, [row]) for row in axis]
    assert parts_of([], 10) == []
