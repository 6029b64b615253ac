"""Getting what a `Snapshot` or `Ended` leaves out: a run by series and by machine over time. Pure.

A piece at a time, the latest first, each asked for when the one before is here. Updates that come meanwhile are folded
as ever, into spans that are not whole yet; a piece takes the place of what is there, and tells just what all updates
before it left. What moves to a wider span meanwhile is whole if it begins within what is here, and is brought whole by
a later piece if it does not. So at the end nothing is missing and nothing is there twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loads.metrics.result import Result
from loads.units import US_PER_S
from loads.wire.cluster import Recollect, Recollected, ToBroker, Track

AGAIN_US: Final = 5 * US_PER_S
"""What is not answered for so long is asked again: the question or the answer found no room."""
MOST_A_SECOND: Final = 50
"""Half of what a broker lets one peer ask for."""


class Recollecting:
    """`send` says a message to the broker; False: that could not be done now.

    Attributes:
        before_us: what begins then or later is here; None: nothing is.
    """

    def __init__(self, send: Callable[[ToBroker], bool]) -> None:
        self._send = send
        self._run = ""
        self._result: Result | None = None
        self.before_us: int | None = None
        self._asked_us: int | None = None
        self._second_us = 0
        self._asked = 0

    def __repr__(self) -> str:
        return f"<Recollecting {self._run} whole={self.is_whole} before={self.before_us}>"

    @property
    def is_whole(self) -> bool:
        """Nothing is missing."""
        return self._result is None

    def begin(self, run: str, result: Result | None) -> None:
        """`result` is new, and without all that. None: there is none yet."""
        self._run, self._result = run, result
        self.before_us = self._asked_us = None

    def turn(self, now_us: int) -> None:
        """Ask, if something is to be asked for; to be called a few times a second, and after `hear`."""
        if self._result is None or (self._asked_us is not None and now_us - self._asked_us < AGAIN_US):
            return
        if now_us - self._second_us >= US_PER_S:
            self._second_us, self._asked = now_us, 0
        if self._asked < MOST_A_SECOND and self._send(Recollect(run=self._run, before_us=self.before_us)):
            self._asked_us = now_us
            self._asked += 1

    def hear(self, piece: Recollected) -> None:
        """Some of it came. What was asked for before the last `begin`, or twice, is not taken."""
        result = self._result
        if result is None or self._asked_us is None or (piece.run, piece.before_us) != (self._run, self.before_us):
            return
        for slot in piece.slots:
            if slot.track is Track.SERIES:
                result.details.put(slot.t_us, slot.width_us, slot.data)
            elif slot.track is Track.MACHINES:
                result.machines.put(slot.t_us, slot.width_us, slot.data)
        self._asked_us = None
        if piece.more and piece.slots:
            self.before_us = piece.slots[-1].t_us
        else:
            self._result = None
