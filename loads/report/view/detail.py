"""One series over time, and what only its own page shows.

All series of a span are packed together, and of those only the one that is asked for is unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec

from loads.metrics.coarse import coarse_bucket_of, coarse_middle_us
from loads.metrics.details import Cell
from loads.metrics.histogram import NO_MIN_US
from loads.metrics.result import Result
from loads.metrics.summary import Series, SeriesKey
from loads.metrics.tiers import Row
from loads.report.page import Phase, SeriesFrame, SeriesPoint, Span
from loads.report.view.spans import Spans, axis_of
from loads.report.view.spreads import POINT_QUANTILES, heat_of, rows_of, three


class SeriesView:
    """A series of a run, by its number; `now` is the run as it was looked at last."""

    def __init__(self, run: str, number: int, key: SeriesKey, now: Callable[[], Result | None]) -> None:
        self._key = key
        self._now = now
        self._spans: Spans[SeriesPoint | None] = Spans()
        self._last = SeriesFrame(run=run, series=number, full=True)

    def __repr__(self) -> str:
        return f"<SeriesView {self._last.run} {self._last.series}: {self._key.method} {self._key.name}>"

    def look(self) -> SeriesFrame:
        """What changed since the last look: nothing any more of a series that is part of ``(other)`` by now."""
        frame = SeriesFrame(run=self._last.run, series=self._last.series, full=False)
        result = self._now()
        if result is None or self._key not in result.summary.series:
            return frame
        details, places = result.details, places_of(result)[self._key]

        def prints(row: Row) -> object:
            return details.packed[row.span], places

        def make(span: Span, row: Row) -> SeriesPoint | None:
            cell = details.cell(row.span, places)
            return None if cell is None else point_of(span, cell)

        points, gone = self._spans.look(axis_of(details), prints, make)
        facts = facts_of(result.summary.series[self._key])
        changed = {name: value for name, value in facts.items() if value != getattr(self._last, name)}
        self._last = msgspec.structs.replace(self._last, **facts)
        return msgspec.structs.replace(frame, points=_there(points), gone=gone, **changed)

    def full(self) -> SeriesFrame:
        """All that was told so far."""
        return msgspec.structs.replace(self._last, points=_there(self._spans.all()))


def places_of(result: Result) -> dict[SeriesKey, list[int]]:
    """Where the cells of each series are: its own, and those of what is part of it by now."""
    kept = result.summary.series
    places: dict[SeriesKey, list[int]] = {key: [] for key in kept}
    for place, key in enumerate(result.details.keys):
        into = key if key in kept else key.other()
        if into in places:
            places[into].append(place)
    return places


def facts_of(series: Series) -> dict[str, Any]:
    """Fields of a frame: the answers, and where the time went."""
    return {
        "statuses": {str(status): count for status, count in sorted(series.statuses.items())},
        "kinds": dict(sorted(series.errors.items())),
        "phases": tuple(
            Phase(name, span.count, None if span.mean_us is None else round(span.mean_us, 3), span.longest_us)
            for name, span in series.phases.by_name().items()
            if span.count
        ),
    }


def point_of(span: Span, cell: Cell) -> SeriesPoint:
    """What a page has of one cell."""
    service = three(cell.service_us(POINT_QUANTILES))
    response = service if cell.response is None else three(cell.response_us(POINT_QUANTILES))
    heat = heat_of(cell.response_or_service, coarse_rows())
    return SeriesPoint(span.t_us, span.width_us, cell.hits, cell.failed, *service, *response, heat)


@cache
def coarse_rows() -> tuple[int, ...]:
    """The row of a heat map for each bucket of a cell."""
    return rows_of(coarse_middle_us, coarse_bucket_of(NO_MIN_US) + 1)


def _there(points: Iterable[SeriesPoint | None]) -> tuple[SeriesPoint, ...]:
    return tuple(point for point in points if point is not None)
