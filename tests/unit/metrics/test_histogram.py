from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.histogram import (
    EXACT_BELOW,
    NO_MIN_US,
    RELATIVE_ERROR,
    Histogram,
    bucket_middle_us,
    bucket_of,
)
from tests.build import HOURS_US, durations_us, histogram_of

QUANTILES = ("0", "0.01", "0.5", "0.9", "0.95", "0.99", "0.999", "1")
value_lists = st.lists(durations_us, max_size=30)


def merged(*parts: Histogram) -> Histogram:
    whole = Histogram()
    for part in parts:
        whole.merge(part)
    return whole


def nearest_rank(values: list[int], quantile: str) -> int:
    """The percentile by its definition: the smallest value that at least `quantile` of all are not above."""
    rank = max(1, -(-Fraction(quantile) * len(values) // 1))
    return sorted(values)[int(rank) - 1]


@given(value_lists, value_lists)
def test_merging_in_either_order_gives_the_same(a: list[int], b: list[int]) -> None:
    assert merged(histogram_of(a), histogram_of(b)) == merged(histogram_of(b), histogram_of(a))


@given(value_lists, value_lists, value_lists)
def test_merging_in_any_grouping_gives_the_same(a: list[int], b: list[int], c: list[int]) -> None:
    left = merged(merged(histogram_of(a), histogram_of(b)), histogram_of(c))
    right = merged(histogram_of(a), merged(histogram_of(b), histogram_of(c)))
    assert left == right


@given(value_lists)
def test_an_empty_one_is_the_identity(values: list[int]) -> None:
    histogram = histogram_of(values)
    assert merged(Histogram(), histogram) == merged(histogram, Histogram()) == histogram


@given(st.lists(value_lists, max_size=6))
def test_any_split_of_the_same_values_gives_the_same(parts: list[list[int]]) -> None:
    whole = histogram_of([value for part in parts for value in part])
    assert merged(*(histogram_of(part) for part in parts)) == whole


@given(value_lists, value_lists)
def test_what_is_merged_stays_as_it_is(a: list[int], b: list[int]) -> None:
    other = histogram_of(b)
    into = histogram_of(a)
    into.merge(other)
    into.add(17)
    assert other == histogram_of(b)


@given(st.lists(st.integers(10, HOURS_US), min_size=1, max_size=200))
def test_percentiles_are_the_nearest_rank_within_the_stated_error(values: list[int]) -> None:
    found = histogram_of(values).percentiles_us([float(quantile) for quantile in QUANTILES])
    for quantile, value_us in zip(QUANTILES, found, strict=True):
        exact = nearest_rank(values, quantile)
        assert value_us is not None
        assert abs(value_us - exact) <= RELATIVE_ERROR * exact, quantile


@given(st.integers(1, 100_000))
def test_ranks_are_exact_for_the_quantiles_that_are_shown(count: int) -> None:
    """The n-th of n values 0..n-1 below the exact limit: floats must not push a rank over an integer."""
    histogram = Histogram({0: count - 1, 1: 1}, sum_us=1, min_us=0, max_us=1)
    for quantile in QUANTILES:
        rank = max(1, -(-Fraction(quantile) * count // 1))
        assert histogram.percentile_us(float(quantile)) == (1 if rank == count else 0), quantile


@given(st.integers(0, HOURS_US))
def test_a_bucket_is_reported_by_a_value_within_the_error_of_all_it_holds(value_us: int) -> None:
    middle_us = bucket_middle_us(bucket_of(value_us))
    assert abs(middle_us - value_us) <= RELATIVE_ERROR * value_us


@given(st.integers(0, HOURS_US))
def test_a_longer_duration_is_never_in_a_lower_bucket(value_us: int) -> None:
    assert 0 <= bucket_of(value_us + 1) - bucket_of(value_us) <= 1


@given(st.lists(st.integers(0, EXACT_BELOW - 1), min_size=1))
def test_short_durations_are_exact(values: list[int]) -> None:
    assert histogram_of(values).percentile_us(0.5) == nearest_rank(values, "0.5")


@given(value_lists)
def test_count_sum_and_extremes_are_exact(values: list[int]) -> None:
    histogram = histogram_of(values)
    assert (histogram.count, histogram.sum_us) == (len(values), sum(values))
    assert (histogram.min_us, histogram.max_us) == (min(values, default=NO_MIN_US), max(values, default=0))
    assert histogram.mean_us == (sum(values) / len(values) if values else None)


@given(value_lists.filter(bool))
def test_no_percentile_is_outside_of_what_was_measured(values: list[int]) -> None:
    found = histogram_of(values).percentiles_us((0.0, 0.5, 1.0))
    assert all(value_us is not None and min(values) <= value_us <= max(values) for value_us in found)


@given(durations_us)
def test_add_counts_into_the_bucket_that_bucket_of_names(value_us: int) -> None:
    """The hot path has the arithmetic inlined; it must not drift apart."""
    assert histogram_of([value_us]).counts == {bucket_of(value_us): 1}


def test_an_empty_one_has_no_percentiles() -> None:
    assert Histogram().percentiles_us((0.5, 0.99)) == [None, None]
    assert Histogram().percentile_us(0.5) is None
    assert Histogram().mean_us is None


def test_a_negative_duration_counts_as_zero() -> None:
    assert histogram_of([-5]) == histogram_of([0])


def test_a_copy_shares_nothing() -> None:
    first = histogram_of([1, 1_000])
    second = first.copy()
    second.add(1)
    assert first == histogram_of([1, 1_000])
    assert second == histogram_of([1, 1, 1_000])


@pytest.mark.parametrize("value_us", [10, 255, 256, 257, 1_000, 10_000_000, HOURS_US])
def test_its_size_does_not_grow_with_repetition(value_us: int) -> None:
    assert len(histogram_of([value_us] * 1_000).counts) == 1
