"""What viewers are told of: the cluster, a run, a series of it. Each is looked at once a second and encoded once.

A look costs the same for one viewer and for fifty. What a late viewer gets costs no look: it is everything as of the
last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from loads.report.page import Gone, Stage
from loads.report.view.whole import RunView
from loads.web.sources import Run, Source, copied
from loads.web.viewers import Viewer

if TYPE_CHECKING:
    from loads.metrics.result import Result
    from loads.report.view.detail import SeriesView

SECOND_S: Final = 0.9
"""A second that comes a little early need not wait."""
SILENT_S: Final = 1.25
encode: Final = msgspec.json.Encoder().encode


class Subject:
    """Base: with those who want to know of it."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.unseen_since_s: float | None = None
        self._whole: bytes | None = None

    def whole(self) -> bytes | None:
        """See `viewers.Subject`: encoded when somebody asks, and kept until the next look."""
        if self._whole is None:
            self._whole = self._encoded()
        return self._whole

    def look(self) -> None:
        """See what has changed, and tell."""
        raise NotImplementedError

    def tell(self, change: bytes | None) -> None:
        """All viewers; None: the whole is what there is to tell."""
        self._whole = None
        for viewer in self.viewers:
            if change is None:
                viewer.tell_whole(self)
            else:
                viewer.tell(self, change)

    def dismiss(self, last: bytes) -> None:
        """There is nothing more to tell but this."""
        for viewer in self.viewers:
            viewer.forget(self)
            viewer.tell_once(last)
        self.viewers.clear()

    def _encoded(self) -> bytes | None:
        raise NotImplementedError


class ClusterSubject(Subject):
    """Always whole: it is small."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def look(self) -> None:
        self.tell(None)

    def _encoded(self) -> bytes | None:
        frame = self._source.cluster()
        return None if frame is None else encode(frame)


class RunSubject(Subject):
    """A run, and those of its series that somebody has opened."""

    def __init__(self, run: str, watched: Run) -> None:
        super().__init__()
        self.run = run
        self.series: dict[int, SeriesSubject] = {}
        self._watched = watched
        self._view = RunView(run)
        self._is_known = self._is_final = False
        self._looked_s = self._news_s = 0.0
        self._looked_at: object = None

    def __repr__(self) -> str:
        return f"<RunSubject {self.run} viewers={len(self.viewers)} series={len(self.series)} final={self._is_final}>"

    @property
    def is_known(self) -> bool:
        """It was looked at, and there was something."""
        return self._is_known

    @property
    def is_over(self) -> bool:
        """Nothing of it will change."""
        return self._is_final or self._watched.is_over

    @property
    def is_whole(self) -> bool:
        """All that there is of it at this time is here."""
        return self._watched.is_whole

    @property
    def size_bytes(self) -> int:
        """About what it costs to keep it."""
        return self._watched.size_bytes

    @property
    def result(self) -> Result | None:
        """As far as it is known."""
        return self._watched.result

    @property
    def elapsed_us(self) -> int | None:
        """Its age, if it has begun and goes on."""
        seen = self._watched.seen()
        return None if seen is None or seen.over else seen.elapsed_us

    def copy(self) -> Callable[[], Result]:
        """Gives the result as it is now, in whatever thread it is called. There must be one."""
        result = self._watched.result
        assert result is not None
        return (lambda: result) if self._watched.is_over else copied(result)

    @property
    def is_watched(self) -> bool:
        """Somebody looks at it, or at one of its series."""
        return bool(self.viewers) or any(series.viewers for series in self.series.values())

    @property
    def is_due(self) -> bool:
        """A second's results have come since the last look; or none came for longer, and only time has passed.

        So a frame follows on what it tells, whenever in a second that comes; and there is one a second all the same.
        """
        now_s = time.monotonic()
        if self._news() != self._looked_at:
            return now_s - self._news_s >= SECOND_S
        return now_s - self._looked_s >= SILENT_S

    def gone(self) -> Gone | None:
        """Why there is no such run; None: there is one, as far as is known."""
        return self._watched.gone

    def look(self) -> None:
        seen = None if self._is_final else self._watched.seen()
        if seen is None:
            return
        self._looked_s, news = time.monotonic(), self._news()
        if news != self._looked_at:
            self._news_s, self._looked_at = self._looked_s, news
        first, self._is_known = not self._is_known, True
        frame = self._view.look(seen)
        self._is_final = seen.over or seen.stage is Stage.REFUSED
        self.tell(None if first else encode(frame))
        for series in self.series.values():
            if series.viewers:
                series.look()

    def open(self, number: int) -> SeriesSubject:
        """A series, by the number that the run's frames give it.

        Raises:
            KeyError: there is none.
        """
        if not self._is_known:
            raise KeyError(number)
        if number not in self.series:
            self.series[number] = SeriesSubject(self._view.series(number))
        return self.series[number]

    def _news(self) -> object:
        """Another value whenever results came."""
        result = self._watched.result
        if result is None:
            return None
        totals = result.summary.totals
        return result.timeline.latest_us, totals.started, totals.ended, len(result.losses), result.duration_us

    def close_unseen(self) -> None:
        """Let series go at which nobody looks."""
        for number in [number for number, series in self.series.items() if not series.viewers]:
            del self.series[number]

    def close(self) -> None:
        """Stop following it."""
        self._watched.close()

    def _encoded(self) -> bytes | None:
        return encode(self._view.full()) if self._is_known else None


class SeriesSubject(Subject):
    """One series over time."""

    def __init__(self, view: SeriesView) -> None:
        super().__init__()
        self._view = view
        self._view.look()

    def look(self) -> None:
        self.tell(encode(self._view.look()))

    def _encoded(self) -> bytes | None:
        return encode(self._view.full())
