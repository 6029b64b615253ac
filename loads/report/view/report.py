"""A run for a report: as its page would have it, in so few points that the file stays small.

A report of 100 series over an hour is to stay below 500 KB, of which the front end takes up to 160 KB and base64 a
quarter of the rest. So there are at most `MAX_POINTS` of the run; the series share `SERIES_POINTS`, and have fewer if
all of it packed is more than `MAX_BYTES`: what a point takes depends on how much times scatter. Neighbours are joined,
and what stands for them is worked out of the sum of all counts, as for any wider span.
"""

from __future__ import annotations

import gzip
from typing import Final

import msgspec

from loads.metrics.details import Cell
from loads.metrics.result import Result
from loads.report.page import Report, SeriesFrame, SeriesPoint, Stage
from loads.report.view import machines, points
from loads.report.view.detail import facts_of, places_of, point_of
from loads.report.view.spans import axis_of, joined
from loads.report.view.whole import RunView, Seen

MAX_BYTES: Final = 240_000
MAX_POINTS: Final = 400
SERIES_POINTS: Final = 12_000
MACHINE_POINTS: Final = 2_000
MIN_POINTS: Final = 20
"""Of one series or machine, however many there are."""
_decoder: Final = msgspec.msgpack.Decoder(dict[int, Cell])


def report_of(result: Result, elapsed_us: int | None = None) -> Report:
    """All that a report holds of the run `result`. `elapsed_us`: it goes on, and this is its age."""
    view = RunView(result.info.id)
    stage = Stage.ENDED if elapsed_us is None else Stage.RUNNING
    frame = view.look(Seen(stage=stage, elapsed_us=elapsed_us, result=result, over=elapsed_us is None))
    end_us = result.duration_us or elapsed_us or 0
    of_machine = _share(MACHINE_POINTS, len(result.machines.known))
    frame = msgspec.structs.replace(
        frame,
        points=points.joined_points(result, end_us, MAX_POINTS),
        machine_points=machines.joined_points(result, end_us, min(MAX_POINTS, of_machine)),
    )
    room = MAX_BYTES - len(packed(Report(run=frame, series=())))
    most = _share(SERIES_POINTS, len(view.numbers))
    while True:
        report = Report(run=frame, series=_series(result, view, most))
        over = len(packed(report)) - MAX_BYTES
        if over <= 0 or most == MIN_POINTS:
            return report
        most = max(MIN_POINTS, most * max(0, room - over // 20) // (room + over))


def packed(report: Report) -> bytes:
    """JSON, gzip; the same bytes for the same report."""
    return gzip.compress(msgspec.json.encode(report), mtime=0)


def _share(most: int, many: int) -> int:
    return max(MIN_POINTS, most // max(1, many))


def _series(result: Result, view: RunView, most: int) -> tuple[SeriesFrame, ...]:
    """Each series over time, in at most `most` points. A span is unpacked once, for all of them."""
    numbers = {place: view.numbers[key] for key, places in places_of(result).items() for place in places}
    found: dict[int, list[SeriesPoint]] = {number: [] for number in view.numbers.values()}
    for span, rows in joined(axis_of(result.details), most):
        cells: dict[int, Cell] = {}
        for row in rows:
            for place, cell in _decoder.decode(result.details.packed[row.span]).items():
                if place in numbers:
                    cells.setdefault(numbers[place], Cell()).merge(cell)
        for number, cell in cells.items():
            found[number].append(point_of(span, cell))
    return tuple(
        SeriesFrame(
            run=result.info.id,
            series=number,
            full=True,
            points=tuple(found[number]),
            **facts_of(result.summary.series[key]),
        )
        for key, number in view.numbers.items()
    )
