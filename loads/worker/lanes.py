"""Which arrivals of the open model are this worker's, in order of time. Pure.

Arrival n belongs to slot n modulo the number of slots, and a worker holds slots: from a stated moment on, and perhaps
until one. So whoever holds what, each arrival is somebody's, and nobody's twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple

from loads.plan.pacer import Pacer


class Lane(NamedTuple):
    """Slots that are held: their arrivals that are due at `from_us` or later, and before `until_us` (None: for good).

    Times are microseconds from the phase's start. `number` tells it from all other lanes of the worker.
    """

    number: int
    slots: range
    from_us: int = 0
    until_us: int | None = None


class Arrival(NamedTuple):
    """Iteration `n` of the phase is due `due_us` after its start."""

    n: int
    due_us: int


class Lanes:
    """The arrivals of `pacer`, dealt to so many `slots`, of the lanes that are held."""

    def __init__(self, pacer: Pacer, slots: int) -> None:
        self._pacer = pacer
        self._slots = slots
        self._lanes: dict[int, Lane] = {}
        self._next: dict[int, int] = {}
        """For each lane, how many of its slots' arrivals are over: of all that there are, from the first on."""
        self._heads: list[tuple[int, int, int]] = []
        """(arrival, its time, number of its lane), of each lane the next one: a heap."""

    def __repr__(self) -> str:
        return f"<Lanes {len(self._lanes)} next={self.peek()}>"

    def hold(self, lanes: Iterable[Lane]) -> None:
        """From now on these are held; of those that were held before go on where they were."""
        self._lanes = {lane.number: lane for lane in lanes if lane.slots}
        self._next = {number: self._next.get(number, -1) for number in self._lanes}
        self._heads = []
        for lane in self._lanes.values():
            if self._next[lane.number] < 0:
                self._next[lane.number] = self._count_before(lane, self._pacer.first_from(lane.from_us))
            head = self._head(lane)
            if head is not None:
                self._heads.append(head)
        heapify(self._heads)

    def peek(self) -> Arrival | None:
        """The next arrival; None: there is none any more."""
        return Arrival(*self._heads[0][:2]) if self._heads else None

    def pop(self) -> None:
        """It is over."""
        lane = self._lanes[self._heads[0][2]]
        self._next[lane.number] += 1
        head = self._head(lane)
        if head is None:
            heappop(self._heads)
        else:
            heapreplace(self._heads, head)

    def holds(self, slot: int, t_us: int) -> bool:
        """Whether `slot` is held at `t_us` after the phase's start, or will be: then a user may have its number."""
        return any(
            slot in lane.slots and (lane.until_us is None or t_us < lane.until_us) for lane in self._lanes.values()
        )

    def slots(self) -> list[int]:
        """All slots that are held, or were until a while ago."""
        return sorted({slot for lane in self._lanes.values() for slot in lane.slots})

    def _head(self, lane: Lane) -> tuple[int, int, int] | None:
        turn, place = divmod(self._next[lane.number], len(lane.slots))
        n = turn * self._slots + lane.slots[place]
        due_us = self._pacer.start_us(n)
        if due_us is None or (lane.until_us is not None and due_us >= lane.until_us):
            return None
        return n, due_us, lane.number

    def _count_before(self, lane: Lane, n: int) -> int:
        """How many arrivals of the lane's slots come before arrival `n`."""
        turns, slot = divmod(n, self._slots)
        return turns * len(lane.slots) + bisect_left(lane.slots, slot)
