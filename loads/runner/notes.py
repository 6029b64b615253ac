"""What happens in a run without a broker, put down in its result: what a broker's chronicle does for one with it."""

from __future__ import annotations

import signal

from loads.metrics.events import Event, EventKind
from loads.metrics.guard import Crossings
from loads.metrics.result import Result


class Notes:
    """Of the run that `result` is of. `elapsed_us` is its age, which may be before its start."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._crossings = Crossings()

    def stopped(self, text: str, elapsed_us: int) -> None:
        """It was told to end before its plan was done."""
        self._result.note(Event(t_us=max(0, elapsed_us), kind=EventKind.STOP, text=text))

    def asked(self, number: int, elapsed_us: int, *, now: bool) -> None:
        """Its user sent the signal `number`: it is to end, or to end at once."""
        who = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self.stopped(f"{who}: {'stopping at once' if now else 'stopping'}", elapsed_us)

    def crossings(self) -> None:
        """Thresholds may have been crossed."""
        for event in self._crossings.look(self._result.thresholds):
            self._result.note(event)
