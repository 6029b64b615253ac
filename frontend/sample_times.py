"""Times that look like those of a service: their logarithms are normal, around a median and as wide as told."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist
from typing import Final

from loads.report import page

PARTS: Final = (0.0001, 0.5, 0.9, 0.95, 0.99, 0.999, 0.99999)


def quantiles(median: float, width: float) -> tuple[float, float, float]:
    """p50, p95 and p99 of times around `median`, whose logarithms are normal."""
    p50, p95, p99 = (_at(median, width, part) for part in (0.5, 0.95, 0.99))
    return p50, p95, p99


def spread(median: float, width: float, count: int) -> page.Spread:
    """What `count` times around `median` come to."""
    if not count:
        return page.Spread(0)
    low, p50, p90, p95, p99, p999, high = (_at(median, width, part) for part in PARTS)
    return page.Spread(count, round(median * math.exp(width**2 / 2)), low, p50, p90, p95, p99, p999, high)


def _at(median: float, width: float, part: float) -> float:
    return round(median * math.exp(width * NormalDist().inv_cdf(part)))


def heat(median: float, width: float, count: int) -> tuple[int, ...]:
    """`count` times around `median` as rows of a heat map."""
    per_octave = page.HEAT_ROWS_PER_OCTAVE
    rows_of = NormalDist(per_octave * math.log2(median), per_octave * width / math.log(2))
    rows = range(round(rows_of.mean) - 12, round(rows_of.mean) + 12)
    edges = [0, *(round(count * rows_of.cdf(row + 1)) for row in rows[:-1]), count]
    counts = [upper - lower for lower, upper in pairwise(edges)]
    return tuple(value for row, many in zip(rows, counts, strict=True) if many for value in (row, many))
