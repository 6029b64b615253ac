"""Percentiles of nasty distributions, and of agents that saw different parts of them. `benchmarks/accuracy.py` does the
same with ten million latencies each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import pytest

from loads.agent.outbox import Outbox
from loads.agent.records import Acked, Got, Took
from loads.broker.fold import Fold
from loads.metrics.histogram import Histogram
from loads.metrics.pace import Pace
from loads.metrics.result import Result
from loads.metrics.summary import Series, SeriesKey, Summary
from loads.units import US_PER_S
from loads.wire.cluster import Batch
from loads.wire.codec import decode_to_broker, frame, from_worker
from loads.wire.messages import Delta
from tests.build import histogram_of, info_of

SAMPLES = 200_000
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
KEY = SeriesKey("t", "GET", "/")

DISTRIBUTIONS: dict[str, Callable[[Random], float]] = {
    "lognormal": lambda source: source.lognormvariate(math.log(20_000), 1.5),
    "Pareto": lambda source: 1_000 * source.paretovariate(1.1),
    "a spike of one in ten thousand": lambda source: 30e6 if source.random() < 1e-4 else source.gauss(5_000, 300),
    "constant": lambda _: 12_345,
    "uniform from 1 us to 1 h": lambda source: 1 + source.random() * (3_600e6 - 1),
    "exponential": lambda source: source.expovariate(1 / 50_000),
}


def drawn(name: str, count: int = SAMPLES) -> list[int]:
    source, draw = Random(7), DISTRIBUTIONS[name]
    return sorted(max(0, round(draw(source))) for _ in range(count))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_percentiles_are_within_half_a_percent_of_the_exact_ones(name: str) -> None:
    ordered = drawn(name)
    found = histogram_of(ordered).percentiles_us(QUANTILES)
    for quantile, value in zip(QUANTILES, found, strict=True):
        exact = ordered[math.ceil(round(quantile * SAMPLES, 6)) - 1]
        assert value is not None
        assert abs(value - exact) <= 0.005 * exact, quantile


def measured(values: Sequence[int]) -> Summary:
    """What a worker tells of planned iterations that took so long, and were a third of it late."""
    late = [value // 3 for value in values]
    series = Series(sent=len(values), statuses={200: len(values)}, service=histogram_of(values))
    series.response = histogram_of(value + each for value, each in zip(values, late, strict=True))
    return Summary(series={KEY: series}, pace=Pace(histogram_of(late), histogram_of(late[::2])))


def deltas(values: Sequence[int], seconds: int = 5) -> list[Delta]:
    return [
        Delta(seq=second + 1, t_us=second * US_PER_S, users=1, summary=measured(values[second::seconds]))
        for second in range(seconds)
    ]


def tell(fold: Fold, incarnation: int, values: Sequence[int]) -> None:
    """What an agent sends whose worker measured `values`, by all the ways that it goes."""
    outbox = Outbox("run", incarnation)
    outbox.apply(Took(0, incarnation, "page"))
    unframer = from_worker()
    for told in deltas(values):
        for delta in unframer.feed(frame(told)):
            assert isinstance(delta, Delta)
            outbox.apply(Got(incarnation, delta.t_us, delta))
        sealed = outbox.seal()
        assert sealed is not None
        outbox.apply(sealed)
        for data in outbox.to_send():
            batch = decode_to_broker(data)
            assert isinstance(batch, Batch)
            assert fold.take(batch)
            outbox.apply(Acked(batch.seq))


def bits(histogram: Histogram) -> tuple[list[tuple[int, int]], int, int, int]:
    return sorted(histogram.counts.items()), histogram.sum_us, histogram.min_us, histogram.max_us


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("name", ["lognormal", "Pareto", "a spike of one in ten thousand"])
def test_two_agents_with_disjoint_latencies_make_the_histograms_of_one(name: str, settles: bool) -> None:
    ordered = drawn(name, 20_000)
    fold, alone = Fold(Result(info=info_of())), Result(info=info_of())
    tell(fold, 1, ordered[:10_000])
    if settles:
        fold.settle()
    tell(fold, 2, ordered[10_000:])
    fold.settle()
    for delta in deltas(ordered):
        alone.add(delta.t_us, delta.summary)
    assert fold.result is not None
    mine, theirs = (result.summary.series[KEY] for result in (alone, fold.result))
    assert bits(theirs.service) == bits(mine.service)
    assert bits(theirs.response_or_service) == bits(mine.response_or_service)
    assert fold.result.summary.pace == alone.summary.pace
    assert theirs.service.percentiles_us(QUANTILES) == mine.service.percentiles_us(QUANTILES)
