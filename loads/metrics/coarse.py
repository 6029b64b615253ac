"""Distributions for what there is very much of: series over time.

The layout of `histogram`, with 4 bits of mantissa instead of 7: a bucket is reported by its middle and off by at most
1/32 = 3.1 %. Plain dicts of counts; there is no sum, minimum or maximum beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loads.metrics.histogram import EXACT_BELOW, NO_MIN_US, SUB_BUCKET_BITS, Histogram, bucket_of

BITS: Final = 4
ERROR: Final = 2.0 ** -(BITS + 1)
_EXACT_BELOW: Final = 2 << BITS
Counts = dict[int, int]


def coarse_bucket_of(value_us: int) -> int:
    """Index of the bucket that holds `value_us` (>= 0)."""
    if value_us < _EXACT_BELOW:
        return value_us
    shift = value_us.bit_length() - BITS - 1
    return (shift << BITS) + (value_us >> shift)


def coarse_middle_us(index: int) -> float:
    """The value that stands for bucket `index`: the middle of the integers in it."""
    if index < _EXACT_BELOW:
        return float(index)
    shift = (index >> BITS) - 1
    low = (index - (shift << BITS)) << shift
    return low + ((1 << shift) - 1) / 2


def _lowest_us(index: int) -> int:
    """The least value in a bucket of `histogram`."""
    if index < EXACT_BELOW:
        return index
    shift = (index >> SUB_BUCKET_BITS) - 1
    return (index - (shift << SUB_BUCKET_BITS)) << shift


_COARSE: Final = tuple(coarse_bucket_of(_lowest_us(index)) for index in range(bucket_of(NO_MIN_US) + 1))
"""By index of a fine bucket: a coarse one holds whole fine ones."""


def coarsened(histogram: Histogram) -> Counts:
    """The counts of `histogram`, in fewer buckets."""
    counts: Counts = {}
    held = counts.get
    for index, count in histogram.counts.items():
        coarse = _COARSE[index]
        counts[coarse] = held(coarse, 0) + count
    return counts


def merge_counts(into: Counts, other: Counts) -> None:
    """Add the counts of `other`, bucket by bucket."""
    held = into.get
    for index, count in other.items():
        into[index] = held(index, 0) + count


def percentiles_us(counts: Counts, quantiles: Sequence[float]) -> list[float | None]:
    """The nearest-rank percentiles for `quantiles` (each 0..1, ascending), off by at most `ERROR`; None: empty."""
    total = sum(counts.values())
    if not total:
        return [None] * len(quantiles)
    found: list[float | None] = []
    seen = index = 0
    buckets = iter(sorted(counts.items()))
    for quantile in quantiles:
        rank = max(1, -int(-quantile * total // 1))
        while seen < rank:
            index, count = next(buckets)
            seen += count
        found.append(coarse_middle_us(index))
    return found
