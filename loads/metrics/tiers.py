"""The tiers of what is kept over time: fine for what is new, wider for what is old, a fixed number of spans of each.

Three tiers, one after the other in time: the last ten minutes by the second, before that up to 100 minutes by 10 s, and
everything older by 60 s. When 600 spans of that don't reach back to the start, the oldest ones are joined in pairs, and
as the run goes on those after them; when all are, pairs of these. So no moment has much more to do than another: to
double all of them at once took 0.5 s with 500 series. Where a tier begins follows from the latest time seen alone, so a
late batch merges into the tier that holds its time now, and timelines merge in any order.

      0         older          -100 min    10 s     -10 min   1 s     latest
      |= 120 s =|==== 60 s ====|=======================|=================|
                front ->

With a `scale` of f all spans are f times as wide, and a tier has 600 / f of them: for what has many parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from loads.units import US_PER_S

MAX_POINTS: Final = 600
WIDTHS_US: Final = (US_PER_S, 10 * US_PER_S, 60 * US_PER_S)
Span = tuple[int, int]
"""Where it begins, and its nominal width: what of it lies beyond the next tier's beginning is in that."""


class Row(NamedTuple):
    """One span of the time axis, as it is read: the nominal one, and how wide it really is."""

    span: Span
    width_us: int

    @property
    def t_us(self) -> int:
        """Where it begins."""
        return self.span[0]


def scale_for(parts: int, most: int) -> int:
    """The smallest power of two f with `parts` <= `most` * f."""
    scale = 1
    while parts > most * scale:
        scale *= 2
    return scale


def span_of(t_us: int, latest_us: int, scale: int = 1) -> Span:
    """The span that holds `t_us` when `latest_us` is the latest time seen."""
    width_us = _width_us(t_us, latest_us, scale)
    return t_us // width_us * width_us, width_us


def moved(spans: Iterable[Span], latest_us: int, scale: int = 1) -> dict[Span, list[Span]]:
    """Those of `spans` that are to be part of wider ones by now, by these; all in order."""
    found: dict[Span, list[Span]] = {}
    for span in sorted(spans):
        into = span_of(span[0], latest_us, scale)
        if into != span:
            found.setdefault(into, []).append(span)
    return found


def begins_tier(t_us: int, latest_us: int, scale: int = 1) -> bool:
    """Whether `t_us` makes tiers begin later than `latest_us` did."""
    return starts(t_us, scale) > starts(latest_us, scale)


def rows_of(spans: Iterable[Span], latest_us: int, scale: int = 1) -> list[Row]:
    """In order of time. What of a span lies beyond the beginning of the next tier belongs to that."""
    _, middle_us = starts(latest_us, scale)
    rows = []
    for span in sorted(spans):
        t_us, width_us = span
        rows.append(Row(span, min(t_us + width_us, middle_us) - t_us if t_us < middle_us else width_us))
    return rows


def parts_of(axis: Sequence[Row], most: int | None) -> list[tuple[int, int, list[Row]]]:
    """What `axis` is read as, in order of time: from when on, how wide, and what of.

    Where there are more than `most`, neighbours are put together to parts of one width; spans that are wider as they
    are stay so. Nothing is left out between two spans of a part.
    """
    if most is None or len(axis) <= most:
        return [(row.t_us, row.width_us, [row]) for row in axis]
    end_us = max((row.t_us + row.width_us for row in axis), default=0)
    part_us = max(1, -(-end_us // (most * US_PER_S))) * US_PER_S
    parts: dict[int, list[Row]] = {}
    for row in axis:
        parts.setdefault(row.t_us // part_us, []).append(row)
    found, before_us = [], 0
    for number, rows in parts.items():
        from_us = max(number * part_us, before_us)
        before_us = max(min((number + 1) * part_us, end_us), rows[-1].t_us + rows[-1].width_us)
        found.append((from_us, before_us - from_us, rows))
    return found


def starts(latest_us: int, scale: int = 1) -> tuple[int, int]:
    """Where the first and the second tier begin: each on an edge of the tier before it."""
    ten, minute = WIDTHS_US[1] * scale, WIDTHS_US[2] * scale
    fine_us = (latest_us // ten + 1) * ten - MAX_POINTS * WIDTHS_US[0] // ten * ten
    middle_us = (latest_us // minute + 1) * minute - MAX_POINTS * WIDTHS_US[1] // minute * minute
    return max(0, fine_us), max(0, middle_us)


def _width_us(t_us: int, latest_us: int, scale: int) -> int:
    fine_us, middle_us = starts(latest_us, scale)
    if t_us >= fine_us:
        return WIDTHS_US[0] * scale
    if t_us >= middle_us:
        return WIDTHS_US[1] * scale
    width_us, most = WIDTHS_US[2] * scale, max(1, MAX_POINTS // scale)
    while 2 * width_us * most < middle_us:
        width_us *= 2
    front_us = -((width_us * most - middle_us) // width_us) * 2 * width_us
    return 2 * width_us if t_us < front_us else width_us
