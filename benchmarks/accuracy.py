"""How far the percentiles that Loads shows are from the exact ones.

Ten million latencies of each of some nasty distributions go into a histogram, and into a list that is sorted. And by
the way of a cluster: two agents, one of which saw the fast half and the other one the slow half, tell it second by
second, as deltas and batches, encoded and decoded, to a broker's fold. What comes out must be what one worker alone
would have: the same counts, bit for bit. The script ends with status 1 where it isn't, or an error is above the bound.

Nothing is measured of the machine, so this may run beside anything else; it needs 0.6 GB of memory.
"""

from __future__ import annotations

import math
import random
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from command import parser_for, run, say, whole_number
from tables import Table, show

from loads.agent.outbox import Outbox
from loads.agent.records import Acked, Got, Took
from loads.broker.fold import Fold
from loads.metrics.histogram import Histogram
from loads.metrics.result import Result, RunInfo
from loads.metrics.summary import Series, SeriesKey, Summary
from loads.units import US_PER_S
from loads.wire.cluster import Batch
from loads.wire.codec import decode_to_broker, frame, from_worker
from loads.wire.messages import Delta

BOUND: Final = 0.005
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
_KEY: Final = SeriesKey("accuracy", "GET", "/")
_SECONDS: Final = 20
_HOUR_US: Final = 3_600 * US_PER_S


def lognormal(source: random.Random) -> float:
    return source.lognormvariate(math.log(20_000), 1.5)


def pareto(source: random.Random) -> float:
    return 1_000 * source.paretovariate(1.1)


def bimodal(source: random.Random) -> float:
    """One in ten thousand hangs: p99.99 is at the very edge between both."""
    return source.gauss(30 * US_PER_S, US_PER_S) if source.random() < 1e-4 else source.gauss(5_000, 300)


def constant(_: random.Random) -> float:
    return 12_345


def uniform(source: random.Random) -> float:
    return 1 + source.random() * (_HOUR_US - 1)


def exponential(source: random.Random) -> float:
    return source.expovariate(1 / 50_000)


DISTRIBUTIONS: Final[dict[str, Callable[[random.Random], float]]] = {
    "lognormal, median 20 ms, sigma 1.5": lognormal,
    "Pareto, from 1 ms, alpha 1.1": pareto,
    "5 ms, and 30 s for one in 10,000": bimodal,
    "constant, 12.345 ms": constant,
    "uniform, 1 us to 1 h": uniform,
    "exponential, mean 50 ms": exponential,
}


def nearest_rank(ordered: Sequence[int], quantile: float) -> int:
    """The percentile by its definition: the smallest value that at least `quantile` of all don't exceed."""
    return ordered[max(1, math.ceil(round(quantile * len(ordered), 6))) - 1]


def deltas(values: Sequence[int], seconds: int = _SECONDS) -> Iterator[Delta]:
    """What a worker tells that measured `values`, dealt to so many seconds."""
    for second in range(seconds):
        series = Series()
        for value in values[second::seconds]:
            series.service.add(value)
        series.sent = series.service.count
        series.statuses[200] = series.sent
        yield Delta(seq=second + 1, t_us=second * US_PER_S, users=1, summary=Summary(series={_KEY: series}))


def tell(fold: Fold, incarnation: int, values: Sequence[int]) -> None:
    """One agent, whose only worker measured `values`: all that goes to the broker is encoded, and decoded there."""
    outbox = Outbox("accuracy", incarnation)
    outbox.apply(Took(0, incarnation, "page"))
    unframer = from_worker()
    for sent in deltas(values):
        for delta in unframer.feed(frame(sent)):
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
        if incarnation == 1:
            fold.settle()


def bits(result: Result) -> bytes:
    """All that is kept of the times, in one order."""
    (series,) = result.summary.series.values()
    times = series.service
    return msgspec.msgpack.encode((sorted(times.counts.items()), times.sum_us, times.min_us, times.max_us))


def new_result() -> Result:
    return Result(
        info=RunInfo(
            id="accuracy",
            started_at=datetime.now(UTC),
            targets=(),
            scenarios=(),
            plan="",
            users=1,
            workers=1,
            seed=1,
            server_url=None,
            due=None,
            duration_us=_SECONDS * US_PER_S,
        )
    )


def is_same_over_two_agents(ordered: Sequence[int]) -> bool:
    """Whether two agents, with the fast and the slow half, make the same result as one worker in this process."""
    half = len(ordered) // 2
    fold = Fold(new_result())
    tell(fold, 1, ordered[:half])
    tell(fold, 2, ordered[half:])
    fold.settle()
    alone = new_result()
    for delta in deltas(ordered):
        alone.add(delta.t_us, delta.summary)
    assert fold.result is not None
    return bits(fold.result) == bits(alone)


def row_of(name: str, draw: Callable[[random.Random], float], samples: int, seed: int) -> tuple[list[str], float, bool]:
    """The table's row, the largest error, and whether two agents made the same."""
    source = random.Random(seed)
    values = array("q", (max(0, round(draw(source))) for _ in range(samples)))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    ordered = sorted(values)
    errors = []
    for quantile in QUANTILES.values():
        found, exact = histogram.percentile_us(quantile), nearest_rank(ordered, quantile)
        assert found is not None
        errors.append(abs(found - exact) / exact)
    same = is_same_over_two_agents(ordered)
    cells = [name, *(f"{error:.3%}" for error in errors), f"{len(histogram.counts):,}", "yes" if same else "NO"]
    return cells, max(errors), same


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--samples", type=whole_number(1_000, 50_000_000), default=10_000_000)
    parser.add_argument("--seed", type=whole_number(0, 1 << 32), default=7)
    options = parser.parse_args()
    head = ("Distribution", *QUANTILES, "Buckets", "Two agents the same")
    table = Table(f"Error of percentiles, {options.samples:,} latencies each", head)
    good = True
    for name, draw in DISTRIBUTIONS.items():
        say(name)
        cells, worst, same = row_of(name, draw, options.samples, options.seed)
        table.rows.append(cells)
        good = good and same and worst <= BOUND
    show(table, rst=options.rst)
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
