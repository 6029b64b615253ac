"""A phase on its way in one worker: until when it runs, how it is stopped, and what is cut off at its end.

What its users do, and when it is done by itself, is the business of who derives from it: `executor` for users that
loop, `arrivals` for iterations that arrive at a rate. Knows nothing of sockets, files or portions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from loads.client.clock import monotonic_us
from loads.units import US_PER_S

if TYPE_CHECKING:
    from loads.plan.spec import Phase
    from loads.worker.crew import Crew
    from loads.worker.slot import Slot

CUT_OFF_S = 1.0
"""How long users that were cut off have for their tearDown."""


class Running:
    """One phase of one worker: `run` blocks until it is over, `stop` may be called meanwhile."""

    def __init__(self, crew: Crew, phase: Phase, phase_at_us: int, graceful_stop_us: int) -> None:
        self.crew = crew
        self.phase = phase
        self.phase_at_us = phase_at_us
        self.over = Event()
        """Set when nothing runs any more."""
        self._stopped = Event()
        self._stopped_us: int | None = None
        self._graceful_stop_us = graceful_stop_us
        self._stop_now = False
        self._changed = Event()
        """Set when it may be done."""
        length_us = phase.duration_us
        self._ends_us = None if length_us is None else phase_at_us + length_us
        self._deadline_us = None if self._ends_us is None else self._ends_us + graceful_stop_us

    def run(self) -> None:
        """Run the phase to its end."""
        while not self._stop_now and not self._is_done(monotonic_us()):
            until_us = self._next_look_us(monotonic_us())
            left_us = None if until_us is None else until_us - monotonic_us()
            if left_us is None or left_us > 0:
                self._changed.wait(None if left_us is None else left_us / US_PER_S)
                self._changed.clear()
            if self._deadline_us is not None and monotonic_us() >= self._deadline_us:
                break
        self._start_no_more()
        slots = list(self._slots())
        for slot in slots:
            slot.cut_off()
        gevent.joinall([slot.greenlet for slot in slots], CUT_OFF_S)
        for slot in slots:
            slot.abandon()
        self._conclude()
        self.over.set()

    def stop(self, *, now: bool, grace_us: int | None = None) -> None:
        """Start no more iterations; `now`: cut off those in flight, too. They have `grace_us`, or that of the plan."""
        self._start_no_more()
        deadline_us = monotonic_us() + (self._graceful_stop_us if grace_us is None else grace_us)
        self._deadline_us = deadline_us if self._deadline_us is None else min(self._deadline_us, deadline_us)
        self._stop_now = self._stop_now or now
        self._changed.set()

    def wait_until(self, at_us: float) -> None:
        """Wait for `at_us`, or until the phase is stopped."""
        left_us = at_us - monotonic_us()
        if left_us > 0:
            self._stopped.wait(left_us / US_PER_S)

    def wait_for_lease(self) -> None:
        """Wait until iterations may start, or until the phase is stopped."""
        while not self._stopped.is_set() and monotonic_us() > self.crew.lease_until_us:
            self._stopped.wait(0.05)

    def _start_no_more(self) -> None:
        if self._stopped_us is None:
            self._stopped_us = monotonic_us()
        for slot in self._slots():
            slot.stopped = True
        self._stopped.set()

    def _next_look_us(self, now_us: int) -> int | None:
        """When it may be done although nothing changes; None: never."""
        return self._deadline_us

    def _slots(self) -> Iterable[Slot]:
        """All users that there are."""
        raise NotImplementedError

    def _is_done(self, now_us: int) -> bool:
        """Whether nothing runs, and nothing will."""
        raise NotImplementedError

    def _conclude(self) -> None:
        """Count what never began."""
