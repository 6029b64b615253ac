"""Which runs of all that are kept somebody wants to see, a page of them at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from loads.report.page import RunList, RunRow, Stage

MOST: Final = 200
"""On one page."""
_MOST_CHOICES: Final = 500
"""Of labels, of tags and of values of each: a list that is longer is no help."""


@dataclass(frozen=True)
class Query:
    """What is wanted: all of it must hold.

    Attributes:
        text: words, each somewhere in a run's id, label, tags, targets, submitter or agents, whatever its case.
        label: exactly that; empty: any. `tags` likewise.
        verdict: a verdict, or the stage of one that has none; empty: any.
        first, last: days on which it was submitted, by this machine's calendar.
    """

    text: str = ""
    label: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    first: date | None = None
    last: date | None = None
    offset: int = 0
    limit: int = 50


def select(rows: Iterable[RunRow], query: Query) -> RunList:
    """The page of `rows` that `query` asks for, the newest first."""
    everything = sorted(rows, key=lambda row: row.created_at, reverse=True)
    words = query.text.casefold().split()
    found = [row for row in everything if _is_wanted(row, query) and all(word in _text(row) for word in words)]
    limit = max(0, min(query.limit, MOST))
    return RunList(
        total=len(found),
        runs=tuple(found[query.offset : query.offset + limit]),
        labels=tuple(sorted({row.label for row in everything if row.label})[:_MOST_CHOICES]),
        tags=_tags(everything),
    )


def _is_wanted(row: RunRow, query: Query) -> bool:
    if query.label and row.label != query.label:
        return False
    if query.verdict and query.verdict != _verdict(row):
        return False
    if any(row.tags.get(key) != value for key, value in query.tags.items()):
        return False
    day = row.created_at.astimezone().date()
    return (query.first is None or query.first <= day) and (query.last is None or day <= query.last)


def _verdict(row: RunRow) -> str:
    return row.stage.value if row.verdict is None or row.stage is Stage.REFUSED else row.verdict


def _text(row: RunRow) -> str:
    tags = (f"{key}={value}" for key, value in row.tags.items())
    return "\n".join((row.id, row.label, row.who, *tags, *row.targets, *row.agents)).casefold()


def _tags(rows: Sequence[RunRow]) -> dict[str, tuple[str, ...]]:
    values: dict[str, set[str]] = {}
    for row in rows:
        for key, value in row.tags.items():
            values.setdefault(key, set()).add(value)
    keys = sorted(values)[:_MOST_CHOICES]
    return {key: tuple(sorted(values[key])[:_MOST_CHOICES]) for key in keys}
