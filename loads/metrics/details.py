"""Every series of a run over time, in memory that does not grow with hits, hours or series.

One packed value for each span of time, which holds a `Cell` of each series that had something then. With up to
`SERIES_AT_FULL` series the spans are those of the whole run's timeline; with twice as many they are twice as wide, and
so on: there are at most `SERIES_AT_FULL` x 3 x `tiers.MAX_POINTS` cells. Times are coarse (see `coarse`), counts are
exact. With lognormal times a cell of 20 hits is 50 bytes: 44 MB for 500 series that are all busy for 24 h.

A series that a result no longer keeps gives its place to ``(other)``. What was packed under that place stays as it is,
and is counted there when it is read: the alternative is to pack all spans anew for each name too many.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, Self

import msgspec

from loads.metrics.coarse import Counts, coarsened, merge_counts, percentiles_us
from loads.metrics.summary import OTHER, TRANSACTION, Series, SeriesKey, Summary
from loads.metrics.tiers import Row, Span, begins_tier, moved, parts_of, rows_of, scale_for, span_of

SERIES_AT_FULL: Final = 250
_OTHERS: Final = (SeriesKey(OTHER, OTHER, OTHER), SeriesKey(OTHER, TRANSACTION, OTHER))
"""All that `SeriesKey.other` may give."""


class Cell(msgspec.Struct, array_like=True):
    """One series in one span: requests (or iterations), those that failed, and coarse counts of their times.

    `response` is None where nothing was planned: equal.
    """

    hits: int = 0
    failed: int = 0
    service: Counts = {}
    response: Counts | None = None

    @classmethod
    def of(cls, series: Series) -> Self:
        """What `series` adds."""
        response = None if series.response is None else coarsened(series.response)
        return cls(series.hits, series.failed, coarsened(series.service), response)

    def merge(self, other: Cell) -> None:
        """Take in `other`, which stays as it is."""
        self.hits += other.hits
        self.failed += other.failed
        if self.response is not None or other.response is not None:
            self.response = dict(self.service) if self.response is None else self.response
            merge_counts(self.response, other.response_or_service)
        merge_counts(self.service, other.service)

    @property
    def response_or_service(self) -> Counts:
        """The response times, planned or not."""
        return self.service if self.response is None else self.response

    def service_us(self, quantiles: Sequence[float]) -> list[float | None]:
        """Percentiles of the service times."""
        return percentiles_us(self.service, quantiles)

    def response_us(self, quantiles: Sequence[float]) -> list[float | None]:
        """Percentiles of the response times."""
        return percentiles_us(self.response_or_service, quantiles)


class DetailRow(NamedTuple):
    """One series in one span of time, as it is read."""

    t_us: int
    width_us: int
    cell: Cell


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(dict[int, Cell])
_finder: Final = msgspec.msgpack.Decoder(dict[int, msgspec.Raw])
_cell_decoder: Final = msgspec.msgpack.Decoder(Cell)


class Details(msgspec.Struct):
    """Series by the time since the run's start. Cells go by a series' place in `keys`; ``(other)`` may have many.

    Equal ones have equal `rows` for every key; in which order `keys` are depends on what came first. Of n names that
    came in any order, 2,000 of which are kept, `keys` has about 2,000 x (1 + ln(n / 2,000)).
    """

    latest_us: int = 0
    keys: list[SeriesKey] = []
    packed: dict[Span, bytes] = {}

    @property
    def scale(self) -> int:
        """How much wider spans are than those of the whole run."""
        return scale_for(self._own, SERIES_AT_FULL)

    @property
    def _own(self) -> int:
        """How many series have a place; ``(other)`` is none: how many it has depends on what came first."""
        return len(self.keys) - sum(self.keys.count(other) for other in _OTHERS)

    def add(self, t_us: int, summary: Summary, kept: Collection[SeriesKey]) -> None:
        """Count what was measured in the second from `t_us` (>= 0) on; what is no series of `kept` is for its other.

        `kept` are those of the whole run by now.
        """
        cells: dict[int, Cell] = {}
        places = {key: place for place, key in reversed([*enumerate(self.keys)])}
        before = self.scale
        for key, series in summary.series.items():
            place = self._place_of(key if key in kept else key.other(), places)
            cell = Cell.of(series)
            if place in cells:
                cells[place].merge(cell)
            else:
                cells[place] = cell
        self._give_up(kept)
        self._reach(t_us, before)
        if cells:
            self._merge(span_of(t_us, self.latest_us, self.scale), cells)

    def rows(self, key: SeriesKey, most: int | None = None, folded: Sequence[SeriesKey] = ()) -> list[DetailRow]:
        """One series (with all that was `folded` into it) in order of time, where it had anything.

        With `most` there are no more than that: spans are joined to equal wider ones, the same for all series.
        """
        wanted = {key, *folded}
        places = [place for place, each in enumerate(self.keys) if each in wanted]
        found = []
        for t_us, width_us, rows in parts_of(self.axis(), most) if places else ():
            cells = [cell for row in rows if (cell := self.cell(row.span, places)) is not None]
            for cell in cells[1:]:
                cells[0].merge(cell)
            found += [DetailRow(t_us, width_us, cell) for cell in cells[:1]]
        return found

    def tables(self, most: int | None = None) -> dict[SeriesKey, list[DetailRow]]:
        """The same for all `keys`; each span is read once."""
        found: dict[SeriesKey, list[DetailRow]] = {}
        for t_us, width_us, rows in parts_of(self.axis(), most):
            cells: dict[SeriesKey, Cell] = {}
            for row in rows:
                for place, cell in _decoder.decode(self.packed[row.span]).items():
                    cells.setdefault(self.keys[place], Cell()).merge(cell)
            for key, cell in cells.items():
                found.setdefault(key, []).append(DetailRow(t_us, width_us, cell))
        return found

    def cell(self, span: Span, places: Sequence[int]) -> Cell | None:
        """What series at these places of `keys` had in one span, as one; None: nothing."""
        data = self.packed.get(span)
        if data is None:
            return None
        cells = _finder.decode(data)
        found: Cell | None = None
        for place in places:
            if place in cells:
                cell = _cell_decoder.decode(cells[place])
                if found is None:
                    found = cell
                else:
                    found.merge(cell)
        return found

    def axis(self) -> list[Row]:
        """All spans, in order of time."""
        return rows_of(self.packed, self.latest_us, self.scale)

    def bare(self) -> Details:
        """The same without any spans: for who is told those later, by `put`."""
        return Details(self.latest_us, list(self.keys))

    def put(self, t_us: int, width_us: int, data: bytes) -> None:
        """Take a span as another has it who knows the same `keys`; what was here goes."""
        self.packed[t_us, width_us] = data

    def _place_of(self, key: SeriesKey, places: dict[SeriesKey, int]) -> int:
        place = places.get(key)
        if place is None:
            place = places[key] = len(self.keys)
            self.keys.append(key)
        return place

    def _give_up(self, kept: Collection[SeriesKey]) -> None:
        """Series that are not in `kept` any more are part of ``(other)`` from now on."""
        if self._own > len(kept) - sum(other in kept for other in _OTHERS):
            self.keys = [key if key in kept else key.other() for key in self.keys]

    def _reach(self, t_us: int, scale: int) -> None:
        """Time, or the number of series (of which `scale` came before), may have become such that spans are wider."""
        latest_us = max(self.latest_us, t_us)
        late = begins_tier(t_us, self.latest_us, self.scale) if t_us > self.latest_us else False
        self.latest_us = latest_us
        if late or self.scale != scale:
            first = {key: place for place, key in reversed([*enumerate(self.keys)])}
            for into, spans in moved(self.packed, latest_us, self.scale).items():
                whole: _Cells = {}
                for span in (into, *spans) if into in self.packed else spans:
                    for place, cell in _finder.decode(self.packed.pop(span)).items():
                        _add(whole, first[self.keys[place]], cell)
                self.packed[into] = _encoder.encode(whole)

    def _merge(self, span: Span, cells: dict[int, Cell]) -> None:
        data = self.packed.get(span)
        held: _Cells = {} if data is None else dict(_finder.decode(data))
        for place, cell in cells.items():
            _add(held, place, cell)
        self.packed[span] = _encoder.encode(held)


_Cells = dict[int, Cell | msgspec.Raw]
"""By place: those that nothing was added to stay packed."""


def _add(cells: _Cells, place: int, cell: Cell | msgspec.Raw) -> None:
    """Add `cell`, which is used up, to what is at `place`."""
    held = cells.get(place)
    if held is None:
        cells[place] = cell
        return
    if isinstance(held, msgspec.Raw):
        held = cells[place] = _cell_decoder.decode(held)
    held.merge(_cell_decoder.decode(cell) if isinstance(cell, msgspec.Raw) else cell)
