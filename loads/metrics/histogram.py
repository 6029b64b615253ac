"""Latencies as log-linear counts of integer microseconds.

Each power of two is cut into 128 equal buckets, so values below 256 us are exact and a bucket above is at most 1/128 of
its lower edge wide. A bucket is reported by its middle: off by at most 1/256 = 0.39 %, whatever the value, from 0 us to
hours. Buckets are a sparse dict, so a histogram costs what it holds, and merging is adding counts: exact, in any order.
Count, sum, minimum and maximum are kept beside, exactly.

The layout is that of HDR histograms (Gil Tene, "How NOT to Measure Latency", 2013), with 7 bits of mantissa.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated

import msgspec

SUB_BUCKET_BITS = 7
EXACT_BELOW = 2 << SUB_BUCKET_BITS
RELATIVE_ERROR = 2.0 ** -(SUB_BUCKET_BITS + 1)
NO_MIN_US = 1 << 62
"""Identity of the minimum: what `min_us` holds while nothing was recorded."""


def bucket_of(value_us: int) -> int:
    """Index of the bucket that holds `value_us` (>= 0)."""
    if value_us < EXACT_BELOW:
        return value_us
    shift = value_us.bit_length() - SUB_BUCKET_BITS - 1
    return (shift << SUB_BUCKET_BITS) + (value_us >> shift)


def bucket_middle_us(index: int) -> float:
    """The value that stands for bucket `index`: the middle of the integers in it."""
    if index < EXACT_BELOW:
        return float(index)
    shift = (index >> SUB_BUCKET_BITS) - 1
    low = (index - (shift << SUB_BUCKET_BITS)) << shift
    return low + ((1 << shift) - 1) / 2


Index = Annotated[int, msgspec.Meta(ge=0, le=bucket_of(NO_MIN_US))]
"""Of a bucket. What comes over a wire is held against it, so that a list may stand for the dict (see `gathering`)."""


class Histogram(msgspec.Struct, array_like=True):
    """A mergeable distribution of durations in microseconds. Empty: the identity of `merge`."""

    counts: dict[Index, int] = {}
    sum_us: int = 0
    min_us: int = NO_MIN_US
    max_us: int = 0

    @property
    def count(self) -> int:
        """How many values were added."""
        return sum(self.counts.values())

    def add(self, value_us: int) -> None:
        """Record one duration; a negative one (a clock's jitter) counts as 0."""
        if value_us < 0:
            value_us = 0
        if value_us < EXACT_BELOW:
            index = value_us
        else:
            shift = value_us.bit_length() - SUB_BUCKET_BITS - 1
            index = (shift << SUB_BUCKET_BITS) + (value_us >> shift)
        counts = self.counts
        counts[index] = counts.get(index, 0) + 1
        self.sum_us += value_us
        if value_us < self.min_us:
            self.min_us = value_us
        if value_us > self.max_us:
            self.max_us = value_us

    def merge(self, other: Histogram) -> None:
        """Take in all that `other` holds; `other` stays as it is."""
        counts = self.counts
        held = counts.get
        for index, count in other.counts.items():
            counts[index] = held(index, 0) + count
        self.sum_us += other.sum_us
        if other.min_us < self.min_us:
            self.min_us = other.min_us
        if other.max_us > self.max_us:
            self.max_us = other.max_us

    def copy(self) -> Histogram:
        """One that shares nothing with this."""
        return Histogram(dict(self.counts), self.sum_us, self.min_us, self.max_us)

    @property
    def mean_us(self) -> float | None:
        """Exact mean; None when empty."""
        count = self.count
        return self.sum_us / count if count else None

    def percentiles_us(self, quantiles: Sequence[float]) -> list[float | None]:
        """The nearest-rank percentiles for `quantiles` (each 0..1, ascending); None each when empty.

        Off by at most `RELATIVE_ERROR`; never outside the exact minimum and maximum.
        """
        if not self.counts:
            return [None] * len(quantiles)
        order = sorted(self.counts)
        upto = list(accumulate(map(self.counts.__getitem__, order)))
        total = upto[-1]
        found: list[float | None] = []
        for quantile in quantiles:
            rank = max(1, -int(-quantile * total // 1))
            middle_us = bucket_middle_us(order[bisect_left(upto, rank)])
            found.append(min(max(middle_us, self.min_us), self.max_us))
        return found

    def percentile_us(self, quantile: float) -> float | None:
        """One of `percentiles_us`."""
        return self.percentiles_us([quantile])[0]
