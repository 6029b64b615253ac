"""The run over time: one point per span of its timeline.

Spans are kept packed. Two whose bytes are equal are the same, so that of a run of a day only the last seconds are
unpacked each time.
"""

from __future__ import annotations

from typing import Final

from loads.metrics import timeline
from loads.metrics.histogram import Histogram
from loads.metrics.result import Result
from loads.metrics.tiers import Row
from loads.report.figures import users_in
from loads.report.page import Point, Span
from loads.report.view.spans import Change, Spans, axis_of, joined
from loads.report.view.spreads import POINT_QUANTILES, fine_rows, heat_of, short, three

_LATE: Final = (0.5, 0.99)
_NONE: Final = Histogram()


class PointList:
    """The points that a page has."""

    def __init__(self) -> None:
        self._spans: Spans[Point] = Spans()

    def look(self, result: Result, end_us: int) -> Change[Point]:
        """Take the timeline as it is now; the run has come to `end_us`."""
        times = result.timeline

        def prints(row: Row) -> object:
            return times.packed[row.span], min(end_us, row.t_us + row.width_us)

        def make(span: Span, row: Row) -> Point:
            return point_of(span, times.point(row.span), end_us, result)

        return self._spans.look(axis_of(times), prints, make)

    def all(self) -> tuple[Point, ...]:
        """Every point, in order of time."""
        return self._spans.all()


def joined_points(result: Result, end_us: int, most: int) -> tuple[Point, ...]:
    """At most `most` points for the whole run."""
    points = []
    for span, rows in joined(axis_of(result.timeline), most):
        whole = timeline.Point()
        for row in rows:
            whole.merge(result.timeline.point(row.span))
        points.append(point_of(span, whole, end_us, result))
    return tuple(points)


def point_of(span: Span, point: timeline.Point, end_us: int, result: Result) -> Point:
    """What a page has of one span of the timeline of `result`."""
    service = three(point.service.percentiles_us(POINT_QUANTILES))
    response = three(point.response_or_service.percentiles_us(POINT_QUANTILES)) if point.response else service
    l50, l99 = map(short, (point.lateness or _NONE).percentiles_us(_LATE))
    return Point(
        span.t_us,
        span.width_us,
        users_in(timeline.Row(span.t_us, span.width_us, point), end_us, result),
        point.started,
        point.hits,
        point.failed,
        point.failures,
        point.errors,
        *service,
        *response,
        l50,
        l99,
        None if point.cpu_share is None else round(point.cpu_share, 4),
        point.lag_us,
        heat_of(point.response_or_service.counts, fine_rows()),
    )
