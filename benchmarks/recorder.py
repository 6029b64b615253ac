"""What it costs to measure: nanoseconds for each thing that the recorder does, and for merging a second's summary.

The hot path is run once for each hit of every virtual user, so its price is paid out of the load itself. These figures
say which of its steps is worth work; throughput.py says whether the work helped.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from timeit import Timer
from typing import Any

from command import parser_for, run, whole_number
from tables import Table, middle_and_range, show

from loads.client.recorder import Recorder
from loads.metrics.counters import SENT
from loads.metrics.histogram import Histogram
from loads.metrics.summary import Series, SeriesKey, Summary
from loads.worker.link import open_page

SERIES = 50
BUCKETS = (8, 25, 80)
"""Filled buckets of a histogram in one second's summary: a fast page, an ordinary one, one that varies wildly."""
_VALUES = 1_024
_MERGES_PER_LOOP = 2_000
"""A merge costs as much as thousands of hits: so many fewer of them make a repeat of the same length."""


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--repeats", type=whole_number(1, 100), default=9, help="the median of so many counts")
    parser.add_argument("--loops", type=whole_number(1_000, 10_000_000), default=200_000, help="calls in each repeat")
    options = parser.parse_args()
    show(measure_hits(options.repeats, options.loops), rst=options.rst)
    show(measure_merges(options.repeats, max(10, options.loops // _MERGES_PER_LOOP)), rst=options.rst)


def measure_hits(repeats: int, loops: int) -> Table:
    """ns of each step of a hit, without what the measuring loop itself takes."""
    table = Table("The price of recording", ("Step", "ns", "Range"))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        names = _names(Path(directory) / "page")
        empty = median(time_ns("next_us()", names, repeats, loops))
        for step, statement in (
            ("Recorder.answered", "recorder.answered(series, next_us(), 180, 0, 200, 150, 240)"),
            ("Recorder.hit", "recorder.hit(key, next_us(), 200, None, True, 150, 240)"),
            ("Recorder.started + ended", "recorder.started(); recorder.ended('shop', next_us(), False)"),
            ("Histogram.add", "histogram.add(next_us())"),
            ("Counter in the file-mapped page", "page[SENT] += 1; next_us()"),
        ):
            times = [max(0.0, taken - empty) for taken in time_ns(statement, names, repeats, loops)]
            table.rows.append((step, *middle_and_range(times, ",.0f")))
    table.notes.append(
        f"Medians of {repeats} x {loops:,} calls. The loop and the next latency, {empty:.0f} ns, are taken off."
    )
    return table


def measure_merges(repeats: int, loops: int) -> Table:
    """us for merging one worker's second into a run's summary that has all its names already."""
    table = Table(
        f"The price of merging a summary of {SERIES} series",
        ("Buckets in each histogram", "us", "Range"),
    )
    for buckets in BUCKETS:
        delta, whole = _summary(buckets), Summary()
        whole.merge(delta)
        names = {"merge": whole.merge, "delta": delta}
        times = [taken / 1_000 for taken in time_ns("merge(delta)", names, repeats, loops)]
        table.rows.append((str(buckets), *middle_and_range(times, ",.0f")))
    table.notes.append(f"Medians of {repeats} x {loops:,} merges.")
    return table


def time_ns(statement: str, names: dict[str, Any], repeats: int, loops: int) -> Sequence[float]:
    """ns of `statement` in each of `repeats`; one more goes before them, to warm up."""
    timer = Timer(statement, globals=names)
    return [1e9 * taken_s / loops for taken_s in timer.repeat(repeats + 1, loops)[1:]]


def _names(page_path: Path) -> dict[str, Any]:
    """What the statements use: a recorder on a real page, and latencies that vary as a site's do."""
    chance = random.Random(1)
    latencies = [int(chance.lognormvariate(9.0, 0.6)) for _ in range(_VALUES)]
    next_us: Callable[[], int] = cycle(latencies).__next__
    page = open_page(str(page_path))
    recorder = Recorder(page)
    return {
        "recorder": recorder,
        "series": recorder.series(SeriesKey("shop", "GET", "http://shop.example/basket")),
        "page": page,
        "SENT": SENT,
        "key": SeriesKey("shop", "GET", "http://shop.example/"),
        "histogram": Histogram(),
        "next_us": next_us,
    }


def _summary(buckets: int) -> Summary:
    """A second of `SERIES` pages with `buckets` filled buckets each, one hit in every bucket."""
    summary = Summary()
    for number in range(SERIES):
        series = Series(sent=buckets, statuses={200: buckets}, bytes_sent=150 * buckets, bytes_received=240 * buckets)
        for step in range(buckets):
            series.service.add(int(4_000 * 1.02**step) + 10 * number)
        summary.series[SeriesKey("shop", "GET", f"http://shop.example/page/{number}")] = series
        assert len(series.service.counts) == buckets
    return summary


if __name__ == "__main__":
    run(main)
