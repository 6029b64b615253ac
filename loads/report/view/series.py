"""The series of a run: which there are, and their figures as they stand.

A series gets its number when it is seen first, and keeps it. Working out percentiles is what a look costs: it is done
for those series alone whose counts changed, which is plain from a few integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from loads.metrics.summary import Series, SeriesKey
from loads.report.page import SeriesFigures, SeriesName
from loads.report.view.spreads import spread_of

_Counts = tuple[int, ...]


class SeriesChange(NamedTuple):
    """What is new of the series."""

    names: tuple[SeriesName, ...]
    figures: tuple[SeriesFigures, ...]
    folded: tuple[int, ...]


class SeriesTable:
    """All series that a page has."""

    def __init__(self) -> None:
        self.ids: dict[SeriesKey, int] = {}
        self._names: dict[int, SeriesName] = {}
        self._told: dict[int, tuple[_Counts, SeriesFigures]] = {}
        self._next = 0

    def look(self, series: Iterable[tuple[SeriesKey, Series]]) -> SeriesChange:
        """Take all series as they are now; new ones are numbered in this order."""
        names, figures = [], []
        left = dict(self.ids)
        for key, each in series:
            number = left.pop(key, None)
            if number is None:
                names.append(self._number(key))
                number = self._next - 1
            counts = _counts(each)
            known = self._told.get(number)
            if known is None or known[0] != counts:
                self._told[number] = counts, figures_of(number, each)
                figures.append(self._told[number][1])
        for key, number in left.items():
            del self.ids[key], self._names[number], self._told[number]
        return SeriesChange(tuple(names), tuple(figures), tuple(left.values()))

    def _number(self, key: SeriesKey) -> SeriesName:
        number, self._next = self._next, self._next + 1
        self.ids[key] = number
        self._names[number] = SeriesName(number, key.scenario, key.method, key.name)
        return self._names[number]

    def all(self) -> SeriesChange:
        """Every series."""
        return SeriesChange(tuple(self._names.values()), tuple(told for _, told in self._told.values()), ())

    def key_of(self, number: int) -> SeriesKey:
        """The series of that number.

        Raises:
            KeyError: there is none, or none any more.
        """
        for key, each in self.ids.items():
            if each == number:
                return key
        raise KeyError(number)


def figures_of(number: int, series: Series) -> SeriesFigures:
    """The figures of one series; response times that equal the service times are worked out once."""
    service = spread_of(series.service)
    return SeriesFigures(
        id=number,
        hits=series.hits,
        sent=series.sent,
        unsent=series.unsent,
        failed=series.failed,
        unstarted=series.unstarted,
        bytes_sent=series.bytes_sent,
        bytes_received=series.bytes_received,
        connections=series.connections,
        service=service,
        response=service if series.response is None else spread_of(series.response),
    )


def _counts(series: Series) -> _Counts:
    """What changes with everything that is measured."""
    response = series.response
    return (
        series.sent,
        series.unsent,
        series.failed,
        series.unstarted,
        series.bytes_sent,
        series.bytes_received,
        series.connections,
        series.service.sum_us,
        -1 if response is None else response.sum_us,
    )
