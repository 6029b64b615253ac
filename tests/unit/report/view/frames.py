"""A page in a few lines: what frames come to when they are applied in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from loads.report.page import RunFrame, SeriesFrame, Span

_WHOLE = ("head", "totals", "standing", "thresholds", "machines", "warnings")


def applied(full: RunFrame, frames: Iterable[RunFrame]) -> RunFrame:
    """The run as a page has it that got `full` and then `frames`; without sparks."""
    page = full
    for frame in frames:
        page = _one(page, frame)
    return msgspec.structs.replace(page, sparks=(), spark_us=0)


def _one(page: RunFrame, frame: RunFrame) -> RunFrame:
    assert not frame.full
    changed: dict[str, Any] = {name: getattr(frame, name) for name in _WHOLE if getattr(frame, name) is not None}
    errors, counters = set(frame.errors_folded), set(frame.counters_folded)
    machines = dict.fromkeys(frame.machine_points, ()) | page.machine_points
    spans = {
        number: placed(points, frame.machine_points.get(number, ()), frame.machine_gone)
        for number, points in machines.items()
    }
    return msgspec.structs.replace(
        page,
        stage=frame.stage,
        elapsed_us=frame.elapsed_us,
        trouble=frame.trouble,
        **changed,
        points=placed(page.points, frame.points, frame.gone),
        names=numbered(page.names, frame.names, set(frame.folded)),
        figures=numbered(page.figures, frame.figures, set(frame.folded)),
        errors=numbered(page.errors, frame.errors, errors),
        error_figures=numbered(page.error_figures, frame.error_figures, errors),
        counters={k: v for k, v in (page.counters | frame.counters).items() if k not in counters},
        machine_points={number: points for number, points in spans.items() if points},
        events=numbered(page.events, frame.events, set()),
        lines=page.lines + frame.lines,
    )


def applied_to_series(full: SeriesFrame, frames: Iterable[SeriesFrame]) -> SeriesFrame:
    """The same for a series."""
    page = full
    for frame in frames:
        assert not frame.full
        page = msgspec.structs.replace(
            page,
            points=placed(page.points, frame.points, frame.gone),
            statuses=page.statuses | frame.statuses,
            kinds=page.kinds | frame.kinds,
            phases=frame.phases or page.phases,
        )
    return page


def placed(points: tuple[Any, ...], changed: tuple[Any, ...], gone: tuple[Span, ...]) -> tuple[Any, ...]:
    """Points by where they begin and how wide they are, in order of time."""
    left = {(span.t_us, span.width_us) for span in gone}
    known = {(point.t_us, point.width_us): point for point in points}
    known = {key: point for key, point in known.items() if key not in left}
    known |= {(point.t_us, point.width_us): point for point in changed}
    return tuple(known[key] for key in sorted(known))


def numbered(entries: tuple[Any, ...], changed: tuple[Any, ...], gone: set[int]) -> tuple[Any, ...]:
    """Entries by their id."""
    known = {entry.id: entry for entry in (*entries, *changed) if entry.id not in gone}
    return tuple(known[number] for number in sorted(known))


def in_order(frame: RunFrame) -> RunFrame:
    """A full frame with its entries in the order of their ids, and without sparks."""
    names = ("names", "figures", "errors", "error_figures", "events")
    ordered = {name: tuple(sorted(getattr(frame, name), key=lambda entry: entry.id)) for name in names}
    return msgspec.structs.replace(frame, **ordered, sparks=(), spark_us=0)
