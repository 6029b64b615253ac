from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.coarse import ERROR, coarse_bucket_of, coarse_middle_us, coarsened, merge_counts, percentiles_us
from tests.build import durations_us, histogram_of

values = st.lists(durations_us, max_size=30)


@given(durations_us)
def test_a_bucket_stands_for_its_values(value_us: int) -> None:
    assert abs(coarse_middle_us(coarse_bucket_of(value_us)) - value_us) <= ERROR * value_us


@given(values)
def test_a_fine_bucket_is_in_the_coarse_one_of_its_values(times: list[int]) -> None:
    expected: dict[int, int] = {}
    for value in times:
        merge_counts(expected, {coarse_bucket_of(value): 1})
    assert coarsened(histogram_of(times)) == expected


@given(values, values)
def test_the_sum_of_coarse_ones_is_the_coarse_sum(one: list[int], other: list[int]) -> None:
    counts = coarsened(histogram_of(one))
    merge_counts(counts, coarsened(histogram_of(other)))
    assert counts == coarsened(histogram_of([*one, *other]))


@given(st.lists(durations_us, min_size=1, max_size=40), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_of_the_nearest_rank_and_as_exact_as_promised(times: list[int], quantile: float) -> None:
    exact = sorted(times)[max(1, -int(-quantile * len(times) // 1)) - 1]
    (found,) = percentiles_us(coarsened(histogram_of(times)), [quantile])
    assert found is not None
    assert abs(found - exact) <= ERROR * exact


def test_of_nothing_there_are_none() -> None:
    assert percentiles_us({}, [0.5, 0.99]) == [None, None]
