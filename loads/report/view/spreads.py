"""Distributions as a page has them: percentiles, and the rows of a heat map.

The percentiles are those of the console and the JSON: the same quantiles of the same histograms, in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import log2
from typing import Final

from loads.metrics.histogram import NO_MIN_US, Histogram, bucket_middle_us, bucket_of
from loads.report.figures import QUANTILES
from loads.report.page import HEAT_ROWS_PER_OCTAVE, Spread

POINT_QUANTILES: Final = (0.5, 0.95, 0.99)
"""Of a point of a timeline."""
NOTHING: Final = Spread(0)


def spread_of(histogram: Histogram) -> Spread:
    """All that a page shows of `histogram`."""
    if not histogram.counts:
        return NOTHING
    count = histogram.count
    p50, p90, p95, p99, p999 = map(short, histogram.percentiles_us(QUANTILES))
    mean = round(histogram.sum_us / count, 3)
    return Spread(count, mean, histogram.min_us, p50, p90, p95, p99, p999, histogram.max_us)


def three(values: Iterable[float | None]) -> tuple[float | None, float | None, float | None]:
    """Those of `POINT_QUANTILES`."""
    p50, p95, p99 = map(short, values)
    return p50, p95, p99


def short(value: float | None) -> float | None:
    """`value` without its fraction where that is 0: two characters less, of which there are many."""
    return value if value is None or value != int(value) else int(value)


def heat_of(counts: Mapping[int, int], rows: Sequence[int]) -> tuple[int, ...]:
    """The counts of buckets as pairs of a row and a count, flat, in order; `rows` has the row of each bucket."""
    heat: dict[int, int] = {}
    for index, count in counts.items():
        row = rows[index]
        heat[row] = heat.get(row, 0) + count
    return tuple(value for pair in sorted(heat.items()) for value in pair)


@cache
def fine_rows() -> tuple[int, ...]:
    """The row of each bucket of a `Histogram`."""
    return rows_of(bucket_middle_us, bucket_of(NO_MIN_US) + 1)


def rows_of(middle_us: Callable[[int], float], buckets: int) -> tuple[int, ...]:
    """The row in which the middle of each bucket lies; what is less than 1 us goes to the first one."""
    return tuple(int(HEAT_ROWS_PER_OCTAVE * log2(max(1.0, middle_us(index)))) for index in range(buckets))
