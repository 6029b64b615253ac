"""What happened in a run and what its tests printed, as a page has it.

Of very many events a result forgets some in the middle; a page that has them keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence

from loads.metrics import events
from loads.metrics.events import EventKind
from loads.report.page import Event, Line


class EventList:
    """All events that a page has, numbered as they are seen."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, EventKind, str], Event] = {}
        self._next = 0

    def look(self, happened: Sequence[events.Event]) -> tuple[Event, ...]:
        """Take all events as they are now: those that are new, or of which it is known now how long they lasted."""
        told, self._told = self._told, {}
        changed = []
        for event in happened:
            key = event.t_us, event.kind, event.text
            if key in self._told:
                continue
            known = told.get(key)
            if known is None or known.until_us != event.until_us:
                known = self._numbered(event, known)
                changed.append(known)
            self._told[key] = known
        return tuple(changed)

    def _numbered(self, event: events.Event, known: Event | None) -> Event:
        if known is None:
            self._next += 1
        number = self._next - 1 if known is None else known.id
        return Event(id=number, t_us=event.t_us, until_us=event.until_us, kind=event.kind, text=event.text)

    def all(self) -> tuple[Event, ...]:
        """Every event, in order of time."""
        return tuple(sorted(self._told.values(), key=lambda event: (event.t_us, event.id)))


class LineList:
    """The last lines that were printed."""

    def __init__(self) -> None:
        self.told: list[Line] = []

    def look(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        """Take the last lines as they are now: those after what was told, of which the first may be forgotten."""
        told, self.told = self.told, list(lines)
        for start, line in enumerate(told):
            held = len(told) - start
            if self.told and line == self.told[0] and told[start:] == self.told[:held]:
                return tuple(self.told[held:])
        return tuple(self.told)
