"""The hits of each series lately, or over the whole of a run that has ended: a small picture beside its figures.

A page adds what comes while it looks by itself; this is for what was before. Of the details only the count of each
series is unpacked, which is a small part of the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from loads.metrics.result import Result
from loads.metrics.summary import SeriesKey
from loads.report.page import Spark
from loads.report.view.detail import places_of
from loads.report.view.spans import axis_of
from loads.units import US_PER_S

MAX_PARTS: Final = 60
LAST_US: Final = MAX_PARTS * US_PER_S


class _Hits(msgspec.Struct, array_like=True):
    """What a `details.Cell` begins with; the rest of it is passed over."""

    hits: int


_decoder: Final = msgspec.msgpack.Decoder(dict[int, _Hits])


class Sparks:
    """Sparks of all series. What was unpacked is remembered as long as it stays as it is."""

    def __init__(self) -> None:
        self.span_us = 0
        self._known: dict[int, tuple[bytes, dict[int, int]]] = {}

    def look(self, result: Result, ids: Mapping[SeriesKey, int], elapsed_us: int, *, over: bool) -> tuple[Spark, ...]:
        """One for each series in `ids`, up to now. None at all if it is not known how they were over time."""
        if not result.details.packed:
            self.span_us = 0
            return ()
        first_us = 0 if over else (elapsed_us // US_PER_S + 1) * US_PER_S - LAST_US
        self.span_us = max(1, elapsed_us) if over else LAST_US
        least_us = US_PER_S * result.details.scale if over else US_PER_S
        many = max(1, min(MAX_PARTS, self.span_us // least_us))
        numbers = {place: ids[key] for key, places in places_of(result).items() if key in ids for place in places}
        hits = {number: [0.0] * many for number in ids.values()}
        for t_us, width_us, counts in self._unpacked(result, first_us):
            begin_us = min(t_us - first_us, self.span_us - 1)
            parts = list(_parts(begin_us, min(width_us, self.span_us - begin_us), self.span_us, many))
            for place, count in counts.items():
                if place in numbers:
                    for part, share in parts:
                        hits[numbers[place]][part] += count * share
        return tuple(Spark(number, tuple(map(round, values))) for number, values in hits.items())

    def _unpacked(self, result: Result, from_us: int) -> Iterator[tuple[int, int, dict[int, int]]]:
        known, self._known = self._known, {}
        for row in axis_of(result.details):
            if row.t_us + row.width_us <= from_us:
                continue
            packed, told = result.details.packed[row.span], known.get(row.t_us)
            if told is None or told[0] != packed:
                told = packed, {place: cell.hits for place, cell in _decoder.decode(packed).items()}
            self._known[row.t_us] = told
            yield row.t_us, row.width_us, told[1]


def _parts(t_us: int, width_us: int, span_us: int, many: int) -> Iterator[tuple[int, float]]:
    """Which of `many` equal parts of `span_us` a span lies in, and how much of it in each."""
    first = max(0, t_us * many // span_us)
    last = min(many - 1, (t_us + width_us - 1) * many // span_us)
    for part in range(first, last + 1):
        begin_us, end_us = part * span_us / many, (part + 1) * span_us / many
        covered_us = min(t_us + width_us, end_us) - max(t_us, begin_us)
        yield part, covered_us / width_us
