"""A run as its page sees it: looked at once a second, told as what changed, whole for who comes late.

    result --look()--> RunFrame of changes, encoded once, for all who watch
           --full()--> RunFrame of all that was told so far, for who comes now

A `RunView` remembers what it told, so applying its frames in order onto a full one gives what a full one is then. But
for sparks, which only a full frame has, and for events and lines, which a page may keep longer than a result does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from loads.metrics.result import Result
from loads.metrics.summary import SeriesKey
from loads.report.figures import all_hits, ordered_series
from loads.report.page import Line, RunFrame, Spark, Stage
from loads.report.view.detail import SeriesView
from loads.report.view.errors import CounterTable, ErrorTable
from loads.report.view.events import EventList, LineList
from loads.report.view.heads import (
    head_before,
    head_of,
    standing_after,
    standing_before,
    thresholds_of,
    totals_of,
    warnings_now,
)
from loads.report.view.machines import MachineList, machines_of
from loads.report.view.points import PointList
from loads.report.view.series import SeriesTable
from loads.report.view.sparks import Sparks


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A run as it stands, where it was looked at.

    Attributes:
        elapsed_us: its age; None: it has not begun.
        result: None: its plan does not stand yet.
        trouble: why it was refused, or what is wrong with the way to it.
        who: ``ana@laptop``; empty: here. `label`, `tags` and `targets`, too, are known before the plan stands.
        machines: by name, where each agent is with its part, in a word, and whether it was given up.
        lines: the last ones that were printed.
        over: nothing of it will change any more.
    """

    stage: Stage
    elapsed_us: int | None = None
    result: Result | None = None
    trouble: str = ""
    who: str = ""
    label: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    machines: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    lines: Sequence[Line] = ()
    over: bool = False


class RunView:
    """Made once for each run that is looked at, by its name."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._seen: Seen | None = None
        self._last = RunFrame(run=run, full=True, stage=Stage.WAITING, elapsed_us=None)
        """What is told whole each time, as it was told last."""
        self._points = PointList()
        self._series = SeriesTable()
        self._sparks = Sparks()
        self._errors = ErrorTable()
        self._counters = CounterTable()
        self._machines = MachineList()
        self._events = EventList()
        self._lines = LineList()

    def __repr__(self) -> str:
        return f"<RunView {self._run} {self._last.stage.value} series={len(self._series.ids)}>"

    def look(self, seen: Seen) -> RunFrame:
        """What changed since the last look; the first time all there is."""
        is_first, self._seen = self._seen is None, seen
        frame = RunFrame(
            run=self._run, full=False, stage=seen.stage, elapsed_us=_elapsed_us(seen), trouble=seen.trouble
        )
        if seen.result is None:
            whole = self._submitted(seen)
        else:
            whole = self._whole(seen, seen.result, frame.elapsed_us or 0)
        changed = {name: value for name, value in whole.items() if value != getattr(self._last, name)}
        self._last = msgspec.structs.replace(
            self._last, stage=frame.stage, elapsed_us=frame.elapsed_us, trouble=frame.trouble, **whole
        )
        lists: dict[str, Any] = {"lines": self._lines.look(seen.lines)}
        if seen.result is not None:
            lists |= self._lists(seen.result, frame.elapsed_us or 0)
        return self.full() if is_first else msgspec.structs.replace(frame, **changed, **lists)

    def full(self) -> RunFrame:
        """All that was told so far."""
        names, figures, _ = self._series.all()
        texts, error_figures, _ = self._errors.all()
        sparks = self._sparks_now()
        return msgspec.structs.replace(
            self._last,
            points=self._points.all(),
            names=names,
            figures=figures,
            spark_us=self._sparks.span_us if sparks else 0,
            sparks=sparks,
            errors=texts,
            error_figures=error_figures,
            counters=self._counters.told,
            machine_points=self._machines.all(),
            events=self._events.all(),
            lines=tuple(self._lines.told),
        )

    def series(self, number: int) -> SeriesView:
        """That series over time, as of each last look.

        Raises:
            KeyError: there is none of that number, or it is part of ``(other)`` now.
        """
        return SeriesView(self._run, number, self._series.key_of(number), self._result)

    def _result(self) -> Result | None:
        return None if self._seen is None else self._seen.result

    @property
    def numbers(self) -> Mapping[SeriesKey, int]:
        """Of all series that there are now."""
        return self._series.ids

    def _submitted(self, seen: Seen) -> dict[str, Any]:
        """What is told whole before there is a result: little."""
        if self._last.totals is not None:
            return {}
        return {"head": head_before(self._run, seen.label, seen.tags, seen.who, seen.targets)}

    def _whole(self, seen: Seen, result: Result, elapsed_us: int) -> dict[str, Any]:
        """The fields of a frame that are told whole."""
        hits = all_hits(result)
        return {
            "head": head_of(result, seen.who),
            "totals": totals_of(result, hits, elapsed_us),
            "standing": standing_after(result) if seen.over else standing_before(result, hits),
            "thresholds": thresholds_of(result.thresholds),
            "machines": machines_of(result, seen.machines),
            "warnings": warnings_now(result, elapsed_us, over=seen.over),
        }

    def _lists(self, result: Result, elapsed_us: int) -> dict[str, Any]:
        """The fields of which there are many entries, and of these what changed."""
        names, figures, folded = self._series.look(ordered_series(result))
        texts, error_figures, errors_folded = self._errors.look(result.summary.errors)
        counters, counters_folded = self._counters.look(result.summary.counters)
        points, gone = self._points.look(result, elapsed_us)
        machine_points, machine_gone = self._machines.look(result, elapsed_us)
        return {
            "points": points,
            "gone": gone,
            "names": names,
            "figures": figures,
            "folded": folded,
            "errors": texts,
            "error_figures": error_figures,
            "errors_folded": errors_folded,
            "counters": counters,
            "counters_folded": counters_folded,
            "machine_points": machine_points,
            "machine_gone": machine_gone,
            "events": self._events.look(result.events),
        }

    def _sparks_now(self) -> tuple[Spark, ...]:
        seen = self._seen
        if seen is None or seen.result is None:
            return ()
        return self._sparks.look(seen.result, self._series.ids, _elapsed_us(seen) or 0, over=seen.over)


def _elapsed_us(seen: Seen) -> int | None:
    """How long the run has gone on, or went on."""
    if seen.result is not None and seen.result.duration_us is not None:
        return seen.result.duration_us
    return seen.elapsed_us
