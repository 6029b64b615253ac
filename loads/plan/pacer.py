"""When iterations start in the open model: a rate over time, as absolute start times.

A `Pacer` is a value: `start_us(n)` is when iteration n starts, in microseconds from the start of its phase. Nothing
adds up, so nothing drifts; any part of the iterations can be run anywhere, and all parts together are the whole.

Iteration n starts at the first microsecond at which the integral of the rate has reached n; where it stands still at n
because the rate is 0, when it goes on: nothing arrives while nothing should. At the end nothing starts any more: 1/s
for 3 s is three iterations, at 0 s, 1 s and 2 s; and one that reaches n in the last microsecond starts at its begin.

In a stage that goes from rate r to rate s in time D that is the root of r t + (s - r) t^2 / 2D = n, taken as
2n / (r + sqrt(r^2 + 2 n (s - r) / D)): the textbook's form divides by s - r, and loses all its digits where a ramp is
nearly flat (Press et al., "Numerical Recipes", section 5.6). All of it in integers, so that every machine finds the
same microsecond: rates are counted in millionths of an iteration per hour, integrals in units of which `_UNIT` are one
iteration.

With a seed the iterations arrive as a Poisson process of that rate: uniform points of the integral, block by block, as
many in each as the Poisson distribution says (Devroye, "Non-Uniform Random Variate Generation", VI.1). Any iteration
can be found without those before it, but for their number by block: 0.2 s and 8 MB for the 211,000 blocks of a day at
10,000/s. Only those numbers need floats; two machines would have to round a logarithm differently, right at the edge of
a decision, to disagree on one. The regular arrivals of 500/s are 2 ms apart; random ones come in bursts, as those of
many people who don't know of one another do.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from math import exp, floor, isqrt, lgamma, log, sqrt
from typing import Final

import msgspec

from loads.units import RATE_PER_S, Rate

_UNIT: Final = 2 * RATE_PER_S * 1_000_000
"""An iteration, as integrals count: millionths per hour times microseconds; twice, so that ramps have no halves."""
MOST_RANDOM: Final = 1_000_000_000
"""Random starts that are still counted in a moment: a day at 10,000/s."""
_BLOCK: Final = 4_096
"""Iterations that a block of random arrivals has on average."""
_KEPT_BLOCKS: Final = 64
_BITS: Final = 53


class RateStage(msgspec.Struct, frozen=True, array_like=True):
    """`duration_us` microseconds that end at `rate`."""

    duration_us: int
    rate: Rate


class Arrivals(msgspec.Struct, frozen=True):
    """The open model's profile: the rate goes in a straight line from stage to stage, from 0 at the start; a stage of
    no length jumps. With a `seed` arrivals are random (Poisson), else regular.
    """

    stages: tuple[RateStage, ...]
    seed: int | None = None

    @property
    def duration_us(self) -> int:
        """From the first stage's begin to the last one's end."""
        return sum(stage.duration_us for stage in self.stages)

    @property
    def peak(self) -> Rate:
        """The highest rate."""
        return max(stage.rate for stage in self.stages)


class Pacer:
    """Start times of `arrivals`.

    >>> pacer = Pacer(Arrivals((RateStage(0, RATE_PER_S), RateStage(3_000_000, RATE_PER_S))))
    >>> [pacer.start_us(n) for n in range(pacer.due)]
    [0, 1000000, 2000000]
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        lines = list(_lines(arrivals.stages))
        self._lines = [line for line in lines if line[1] and (line[2] or line[3])]
        ends = accumulate((before + after) * length_us for _, length_us, before, after in self._lines)
        self._sums = [0, *ends]
        """Of the integral, before each line and at the end."""
        self._blocks = None if arrivals.seed is None else _Blocks(arrivals.seed, self._sums[-1])
        self.due = -(-self._sums[-1] // _UNIT) if self._blocks is None else self._blocks.count
        """How many iterations start."""
        self._last_us = arrivals.duration_us - 1

    def __repr__(self) -> str:
        kind = "regular" if self._blocks is None else "random"
        return f"<Pacer {self.due:,} {kind} starts in {self.arrivals.duration_us:,} us>"

    def start_us(self, n: int) -> int | None:
        """When iteration `n` (>= 0) starts; None: there are not so many. Never before that of n - 1; always before the
        end.
        """
        if n >= self.due:
            return None
        reached = n * _UNIT if self._blocks is None else self._blocks.at(n)
        index = max(0, bisect_right(self._sums, reached) - 1)
        begin_us, length_us, before, after = self._lines[min(index, len(self._lines) - 1)]
        return min(begin_us + _reach_us(reached - self._sums[index], length_us, before, after), self._last_us)

    def first_from(self, t_us: int) -> int:
        """The first iteration that starts at `t_us` or later; `due` when there is none."""
        low, high = 0, self.due
        while low < high:
            middle = (low + high) // 2
            if (self.start_us(middle) or 0) < t_us:
                low = middle + 1
            else:
                high = middle
        return low


def _lines(stages: Sequence[RateStage]) -> Iterator[tuple[int, int, int, int]]:
    """(begin_us, length_us, rate before, rate after) of each stage."""
    begin_us = rate = 0
    for stage in stages:
        yield begin_us, stage.duration_us, rate, stage.rate
        begin_us += stage.duration_us
        rate = stage.rate


def _reach_us(need: int, length_us: int, before: int, after: int) -> int:
    """The first microsecond of a line at which its integral is `need` or more: 2 r D t + (s - r) t^2 >= need D."""
    if need <= 0:
        return 0
    if before == after:
        return -(-need // (2 * before))
    slope, level, area = after - before, before * length_us, need * length_us
    root = isqrt(max(0, level * level + slope * area))
    t_us = area // (level + root) if level + root else length_us
    while t_us > 0 and (2 * level + slope * (t_us - 1)) * (t_us - 1) >= area:
        t_us -= 1
    while t_us < length_us and (2 * level + slope * t_us) * t_us < area:
        t_us += 1
    return t_us


class _Blocks:
    """A Poisson process of rate 1 over an integral that ends at `end`, in units of `_UNIT`."""

    def __init__(self, seed: int, end: int) -> None:
        self._seed = seed
        self._end = end
        source = random.Random(f"{seed}/counts")
        sizes = map(self._size, range(-(-end // (_BLOCK * _UNIT))))
        self._before = [0, *accumulate(_poisson(source, size / _UNIT) for size in sizes)]
        """Arrivals before each block, and at the end."""
        self.count = self._before[-1]
        self._points = lru_cache(maxsize=_KEPT_BLOCKS)(self._draw)

    def at(self, n: int) -> int:
        """Where on the integral arrival `n` is."""
        block = bisect_right(self._before, n) - 1
        return block * _BLOCK * _UNIT + self._points(block)[n - self._before[block]]

    def _size(self, block: int) -> int:
        """The part of the integral that is the block's: all have the same, but for the last."""
        return min(_BLOCK * _UNIT, self._end - block * _BLOCK * _UNIT)

    def _draw(self, block: int) -> list[int]:
        source, size = random.Random(f"{self._seed}/points/{block}"), self._size(block)
        count = self._before[block + 1] - self._before[block]
        return sorted(source.getrandbits(_BITS) * size >> _BITS for _ in range(count))


def _poisson(source: random.Random, mean: float) -> int:
    """A Poisson variate: by products of uniforms where `mean` is small, else by transformed rejection.

    Knuth, "The Art of Computer Programming" 3.4.1; Hörmann, "The transformed rejection method for generating Poisson
    random variables", 1993 (algorithm PTRS).
    """
    if mean < 10:
        limit, count, product = exp(-mean), 0, source.random()
        while product > limit:
            count += 1
            product *= source.random()
        return count
    width = 0.931 + 2.53 * sqrt(mean)
    shift = -0.059 + 0.02483 * width
    inverse = 1.1239 + 1.1328 / (width - 3.4)
    quick = 0.9277 - 3.6224 / (width - 2)
    while True:
        u = source.random() - 0.5
        v = source.random()
        near = 0.5 - abs(u)
        if near <= 0 or v <= 0:
            continue
        count = floor((2 * shift / near + width) * u + mean + 0.43)
        if near >= 0.07 and v <= quick:
            return count
        if count < 0 or (near < 0.013 and v > near):
            continue
        if log(v * inverse / (shift / (near * near) + width)) <= count * log(mean) - mean - lgamma(count + 1):
            return count
