"""Failures and errors of a run, and its own counters: what they are, and how many.

The texts of a group may be long and change only while the first one is still looked for, so they are told apart from
its counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from loads.metrics.summary import ErrorGroup, ErrorKey
from loads.report.page import ErrorFigures, ErrorText


class ErrorChange(NamedTuple):
    """What is new of the groups."""

    texts: tuple[ErrorText, ...]
    figures: tuple[ErrorFigures, ...]
    folded: tuple[int, ...]


class ErrorTable:
    """All groups of errors that a page has, numbered as they are seen."""

    def __init__(self) -> None:
        self._ids: dict[ErrorKey, int] = {}
        self._texts: dict[int, ErrorText] = {}
        self._figures: dict[int, ErrorFigures] = {}
        self._next = 0

    def look(self, groups: Mapping[ErrorKey, ErrorGroup]) -> ErrorChange:
        """Take all groups as they are now; new ones are numbered by how often they were."""
        texts, figures = [], []
        left = dict(self._ids)
        for key, group in sorted(groups.items(), key=lambda item: (-item[1].count, item[0])):
            number = left.pop(key, None)
            if number is None:
                number, self._next = self._next, self._next + 1
                self._ids[key] = number
            if self._has_new_text(number, group):
                self._texts[number] = _text(number, key, group)
                texts.append(self._texts[number])
            if self._has_new_figures(number, group):
                self._figures[number] = _figures(number, group)
                figures.append(self._figures[number])
        for key, number in left.items():
            del self._ids[key], self._texts[number], self._figures[number]
        return ErrorChange(tuple(texts), tuple(figures), tuple(left.values()))

    def _has_new_text(self, number: int, group: ErrorGroup) -> bool:
        told = self._texts.get(number)
        first = group.first_us, group.scenario, group.message, group.traceback
        return told is None or (told.first_us, told.scenario, told.message, told.traceback) != first

    def _has_new_figures(self, number: int, group: ErrorGroup) -> bool:
        told = self._figures.get(number)
        return told is None or (told.count, told.last_us) != (group.count, group.last_us)

    def all(self) -> ErrorChange:
        """Every group."""
        return ErrorChange(tuple(self._texts.values()), tuple(self._figures.values()), ())


class CounterTable:
    """The test's own counters that a page has."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}

    def look(self, counters: Mapping[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
        """Take all of them as they are now: those that changed, and those that are part of ``(other)`` now."""
        changed = {name: count for name, count in counters.items() if self.told.get(name) != count}
        folded = tuple(name for name in self.told if name not in counters)
        self.told = dict(counters)
        return changed, folded


def _text(number: int, key: ErrorKey, group: ErrorGroup) -> ErrorText:
    return ErrorText(
        id=number,
        outcome=key.outcome,
        kind=key.kind,
        place=key.place,
        scenario=group.scenario,
        message=group.message,
        traceback=group.traceback,
        first_us=group.first_us,
    )


def _figures(number: int, group: ErrorGroup) -> ErrorFigures:
    return ErrorFigures(
        id=number,
        count=group.count,
        last_us=group.last_us,
        points=tuple(sorted(group.points.items())),
        series=dict(sorted(group.series.items(), key=lambda item: (-item[1], item[0]))),
    )
