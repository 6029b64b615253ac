"""What a threshold looks at, picked out of summaries.

A `Lens` makes a `Piece` of a summary: the times, or the counts, of the series that the threshold is about, and nothing
else. Pieces add up in any order, as summaries do, and can be taken out of a sum again, which is what a sliding window
does: counts are integers, so nothing drifts. Only minimum and maximum can't be taken out; see `Piece.set_extremes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from loads.metrics.histogram import NO_MIN_US, Histogram
from loads.metrics.phases import Phases, Span
from loads.metrics.summary import INTERRUPTED, ITERATION, MAX_NAMES, TRANSACTION, Series, SeriesKey, Summary
from loads.metrics.tags import Tags
from loads.metrics.threshold import Measure, Threshold

_MAX_KNOWN: Final = 4 * MAX_NAMES
"""Keys of which a lens remembers whether they fit."""


class Extremes(NamedTuple):
    """Minimum and maximum of the times of a piece, and of its transactions'."""

    times_min_us: int = NO_MIN_US
    times_max_us: int = 0
    blocks_min_us: int = NO_MIN_US
    blocks_max_us: int = 0


class Piece(msgspec.Struct, array_like=True):
    """Of some span of time, what one lens saw. Empty: the identity of `merge`.

    Attributes:
        seen: how many of what the measure is about there were; of a counter, in how many parts it was touched.
        amount: the count itself; of parts, those of `seen` that count.
        times: durations. Of a phase, whose distribution is not kept, only count, sum and maximum are right.
        blocks: those of transactions of the name that is looked for; they stand for `times` where no hit has it.
    """

    seen: int = 0
    amount: int = 0
    times: Histogram = msgspec.field(default_factory=Histogram)
    blocks: Histogram = msgspec.field(default_factory=Histogram)

    def merge(self, other: Piece) -> None:
        """Take in `other`, which stays as it is."""
        self.seen += other.seen
        self.amount += other.amount
        self.times.merge(other.times)
        self.blocks.merge(other.blocks)

    def take_out(self, other: Piece) -> None:
        """Undo `merge`; the extremes must be set after."""
        self.seen -= other.seen
        self.amount -= other.amount
        _take_out(self.times, other.times)
        _take_out(self.blocks, other.blocks)

    @property
    def extremes(self) -> Extremes:
        """Of all its times."""
        return Extremes(self.times.min_us, self.times.max_us, self.blocks.min_us, self.blocks.max_us)

    def set_extremes(self, parts: Iterable[Extremes]) -> None:
        """Those of the parts that it holds."""
        rows = [*parts, Extremes()]
        lows, highs, block_lows, block_highs = zip(*rows, strict=True)
        self.times.min_us, self.times.max_us = min(lows), max(highs)
        self.blocks.min_us, self.blocks.max_us = min(block_lows), max(block_highs)

    @property
    def is_empty(self) -> bool:
        """Whether it is the identity."""
        return not (self.seen or self.amount or self.times.counts or self.blocks.counts)


def _take_out(histogram: Histogram, other: Histogram) -> None:
    counts = histogram.counts
    for index, count in other.counts.items():
        left = counts[index] - count
        if left:
            counts[index] = left
        else:
            del counts[index]
    histogram.sum_us -= other.sum_us


class Sight(NamedTuple):
    """What a lens looks at. Thresholds with the same one, over the same window, share what is kept."""

    measure: Measure
    tags: Tags
    counter: str | None

    @classmethod
    def of(cls, threshold: Threshold) -> Sight:
        """That of `threshold`."""
        return cls(threshold.measure, threshold.tags, threshold.counter)


class Lens:
    """Looks at summaries. Which series fit is found out once for each, not each second."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self._known: dict[SeriesKey, bool] = {}

    def look(self, summary: Summary) -> Piece:
        """The part of `summary` that it is about; shares nothing with it."""
        measure, tags, counter = self.sight
        totals = summary.totals
        piece = Piece()
        if measure.is_counter:
            if counter is not None and counter in summary.counters:
                piece.seen, piece.amount = 1, summary.counters[counter]
        elif measure is Measure.LATENESS:
            piece.times.merge(summary.pace.lateness)
        elif measure is Measure.ERRORS:
            piece.amount = totals.errors
        elif measure is Measure.FAILURES:
            piece.amount = totals.failures
        elif measure in _ITERATIONS_IN_ALL and tags.scenario is None:
            piece.seen = piece.amount = totals.ended
        elif not measure.is_final:
            self._look_at_series(summary, piece)
        return piece

    def _look_at_series(self, summary: Summary, piece: Piece) -> None:
        measure, tags, _ = self.sight
        of_times = _TIMES.get(measure)
        phase = _PHASES.get(measure)
        count = _COUNTS.get(measure)
        for key, series in self._fitting(summary):
            if of_times is not None:
                into = piece.blocks if key.method == TRANSACTION and measure is not Measure.TRANSACTION else piece.times
                into.merge(of_times(series))
            elif phase is not None:
                piece.times.merge(_as_times(phase(series.phases)))
            elif tags.status is not None:
                piece.seen += series.hits
                piece.amount += sum(n for status, n in series.statuses.items() if tags.has_status(status))
            elif count is not None:
                piece.seen += series.hits + (series.errors.get(INTERRUPTED, 0) if measure in _OF_OUTCOMES else 0)
                piece.amount += count(series)

    def _fitting(self, summary: Summary) -> Iterator[tuple[SeriesKey, Series]]:
        known = self._known
        for key, series in summary.series.items():
            fits = known.get(key)
            if fits is None:
                if len(known) >= _MAX_KNOWN:
                    known.clear()
                fits = known[key] = self._fits(key)
            if fits:
                yield key, series

    def _fits(self, key: SeriesKey) -> bool:
        measure, tags, _ = self.sight
        if measure in _OF_ITERATIONS:
            return key.method == ITERATION and tags.fits(key)
        if measure is Measure.TRANSACTION:
            return key.method == TRANSACTION and tags.fits(key)
        if key.is_hit:
            return tags.fits(key)
        has_blocks = measure in (Measure.RESPONSE, Measure.SERVICE) and tags.name is not None and tags.method is None
        return has_blocks and key.method == TRANSACTION and tags.fits(key)


_ITERATIONS_IN_ALL: Final = (Measure.ITERATIONS, Measure.ITERATION_RATE)
_OF_ITERATIONS: Final = (*_ITERATIONS_IN_ALL, Measure.ITERATION, Measure.FAILURE_RATE, Measure.SUCCESS_RATE)


def _response(series: Series) -> Histogram:
    return series.response_or_service


def _service(series: Series) -> Histogram:
    return series.service


_OF_OUTCOMES: Final = (Measure.FAILURE_RATE, Measure.SUCCESS_RATE)
"""Of iterations that ended, and of those that were cut off: who waits for them in vain sees a failure."""
_TIMES: Final[dict[Measure, Callable[[Series], Histogram]]] = {
    Measure.RESPONSE: _response,
    Measure.SERVICE: _service,
    Measure.ITERATION: _response,
    Measure.TRANSACTION: _response,
}
_PHASES: Final[dict[Measure, Callable[[Phases], Span]]] = {
    Measure.CONNECT: lambda phases: phases.connect,
    Measure.TLS: lambda phases: phases.tls,
    Measure.FIRST_BYTE: lambda phases: phases.first_byte,
    Measure.BODY: lambda phases: phases.body,
}
_COUNTS: Final[dict[Measure, Callable[[Series], int]]] = {
    Measure.FAILURE_RATE: lambda series: series.failed + series.errors.get(INTERRUPTED, 0),
    Measure.SUCCESS_RATE: lambda series: series.hits - series.failed,
    Measure.HIT_FAILURE_RATE: lambda series: series.failed,
    Measure.HITS: lambda series: series.hits,
    Measure.HIT_RATE: lambda series: series.hits,
    Measure.SENT: lambda series: series.sent,
    Measure.UNSENT: lambda series: series.unsent,
    Measure.FAILED_HITS: lambda series: series.failed,
    Measure.ITERATIONS: lambda series: series.sent,
    Measure.ITERATION_RATE: lambda series: series.sent,
    Measure.BYTES_SENT: lambda series: series.bytes_sent,
    Measure.BYTES_SENT_RATE: lambda series: series.bytes_sent,
    Measure.BYTES_RECEIVED: lambda series: series.bytes_received,
    Measure.BYTES_RECEIVED_RATE: lambda series: series.bytes_received,
}


def _as_times(span: Span) -> Histogram:
    """A span in the shape of times, all in one bucket: its count, its sum and its maximum."""
    if not span.count:
        return Histogram()
    return Histogram({0: span.count}, span.total_us, 0, span.longest_us)
