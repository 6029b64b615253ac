"""Runs a phase of the open model: iterations arrive at a rate, and whoever of the users is free serves them.

    idle idle idle ... <- promoted -- leader: waits for the next arrival -- takes it --> busy: in its iteration
      ^                                                                                        |
      +--------- a leader is there -----------------------------------------------------------+
                 else it leads at once, and what is due by then found no user free

One user leads: it waits for the next arrival, names a new leader and runs the iteration itself, so that an arrival
costs no switch more than the iteration does. The idle are a stack: those that were busy last have warm connections.
When none is idle a user more is made, up to the slots that are held. When none can be, arrivals wait, the oldest first,
and begin late; what still waits at the end of the phase never starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

import gevent
from gevent.hub import Waiter

from loads.client.clock import monotonic_us
from loads.client.rows import Dealer, Hand
from loads.client.user import OUTSIDE
from loads.errors import Interrupted
from loads.plan.spec import pacer_of
from loads.worker.alarm import alarm
from loads.worker.lanes import Arrival, Lane, Lanes
from loads.worker.running import Running
from loads.worker.slot import BREATH_US, Slot

if TYPE_CHECKING:
    from loads.plan.spec import Phase
    from loads.worker.crew import Crew

_QUANTUM_US: Final = 250
"""The alarm rings no more often: at 20,000/s five arrivals share one turn of the event loop, which costs more than an
iteration does, and begin an eighth of a millisecond late on average."""
_LAST_CALL_US: Final = 100_000
"""What was due before the end of the phase and found a user begins also so long after it: else the last iteration
would depend on who is a hair late."""
_DECLARED_AT_ONCE: Final = 2_000
"""Iterations that never began are counted so many between two turns of the event loop."""


class Arrivals(Running):
    """One phase at a rate of one worker, which holds `lanes`."""

    def __init__(
        self, crew: Crew, phase: Phase, lanes: Iterable[Lane], phase_at_us: int, graceful_stop_us: int
    ) -> None:
        super().__init__(crew, phase, phase_at_us, graceful_stop_us)
        assert phase.arrivals is not None
        self._lanes = Lanes(pacer_of(phase.arrivals), phase.users)
        self._servers: set[_Server] = set()
        self._idle: list[_Server] = []
        self._leader: _Server | None = None
        self._free: list[int] = []
        """Numbers for users, of slots that are held and have none: the smallest last."""
        self.busy = 0
        """Users in an iteration."""
        self._was_free = False
        """Whether a user had nothing to do when no more iterations were started."""
        self._alarm = alarm(self._ring)
        self._rang_us = 0
        self.dealer = Dealer(phase.users, crew.seed)
        """Of the rows that feeds have for the slots that are held."""
        self.hold(lanes)

    def __repr__(self) -> str:
        return f"<Arrivals users={len(self._servers)} idle={len(self._idle)} {self._lanes!r}>"

    def hold(self, lanes: Iterable[Lane]) -> bool:
        """From now on serve the arrivals of these. False: it is too late."""
        if self._stopped.is_set():
            return False
        lanes = list(lanes)
        self._lanes.hold(lanes if self.crew.runnable else ())
        kept = (lane for lane in lanes if lane.until_us is None)
        self.dealer.hold((self.phase_at_us + lane.from_us if lane.from_us else 0, lane.slots) for lane in kept)
        taken = {server.slot for server in self._servers}
        self._free = [slot for slot in reversed(self._lanes.slots()) if slot not in taken]
        if self._leader is None:
            self._promote()
        else:
            self._leader.wake()
        self._changed.set()
        return True

    def next_for(self, server: _Server) -> Arrival | None:
        """The next arrival, once it is due and `server`'s to run. None: it is of no more use.

        It is awaited when `server` was there for it in time, or had been idle while another led: then whatever it is
        late is the load generator's doing.
        """
        free_us = monotonic_us()
        awaited = server.is_new or self._leader is not None
        if self._leader is None:
            self._leader = server
        elif self._leader is not server:
            self._idle.append(server)
            while self._leader is not server:
                if server.stopped:
                    return None
                server.wait()
        while not server.stopped:
            now_us = monotonic_us()
            arrival = self._lanes.peek()
            until_us = self._phase_end_us if arrival is None else self.phase_at_us + arrival.due_us
            awaited = awaited or free_us <= until_us
            if not self._may_begin(arrival, awaited, now_us) or not self._holds(server.slot, now_us):
                self._was_free = self._was_free or (awaited and now_us >= self._phase_end_us)
                break
            if arrival is None or now_us < until_us:
                self._alarm.set(max(until_us, self._rang_us + _QUANTUM_US))
                server.wait()
            elif now_us > self.crew.lease_until_us:
                server.wait_for_lease()
            else:
                self._lanes.pop()
                self._promote()
                server.awaited = awaited
                return arrival
        self._leader = None
        return None

    def _may_begin(self, arrival: Arrival | None, awaited: bool, now_us: int) -> bool:
        """Whether there is time left; what was due before the end, and found a user, may begin a little after it."""
        last_call_us = _LAST_CALL_US if awaited and arrival is not None else 0
        return now_us < self._phase_end_us + last_call_us

    def run_dry(self) -> None:
        """A feed that stops is used up: no iteration could do without."""
        self._start_no_more()
        self._changed.set()

    def gone(self, server: _Server) -> None:
        """`server` serves no more."""
        self._servers.discard(server)
        if server in self._idle:
            self._idle.remove(server)
        if self._leader is server:
            self._leader = None
        now_us = monotonic_us()
        if not self._stopped.is_set() and now_us < self._phase_end_us:
            if self._holds(server.slot, now_us):
                self._free.append(server.slot)
            if self._leader is None:
                self._promote()
        self._changed.set()

    @property
    def _phase_end_us(self) -> int:
        assert self._ends_us is not None
        return self._ends_us

    def _promote(self) -> None:
        """Somebody leads: who was busy last of the idle, or one more, if there may be one; else who is free first."""
        self._leader = None
        if self._idle:
            self._leader = self._idle.pop()
            self._leader.wake()
            return
        now_us = monotonic_us()
        while self._free and now_us < self._phase_end_us + _LAST_CALL_US:
            number = self._free.pop()
            if self._holds(number, now_us):
                server = self._leader = _Server(self, number)
                self._servers.add(server)
                server.greenlet.rawlink(partial(self._left, server))
                server.greenlet.start()
                return

    def _ring(self) -> None:
        self._rang_us = monotonic_us()
        if self._leader is not None:
            self._leader.wake_here()

    def _left(self, server: _Server, _: gevent.Greenlet) -> None:
        self.gone(server)

    def _holds(self, slot: int, now_us: int) -> bool:
        return self._lanes.holds(slot, now_us - self.phase_at_us)

    def _slots(self) -> Iterable[Slot]:
        return list(self._servers)

    def _is_done(self, now_us: int) -> bool:
        if self.busy:
            return False
        if self._stopped.is_set() or not self._lanes.slots():
            return True
        if self._leader is not None and self._lanes.peek() is not None:
            return now_us >= self._phase_end_us + _LAST_CALL_US
        return now_us >= self._phase_end_us

    def _next_look_us(self, now_us: int) -> int | None:
        looks = (self._phase_end_us, self._phase_end_us + _LAST_CALL_US)
        return next((look_us for look_us in looks if now_us < look_us), self._deadline_us)

    def _start_no_more(self) -> None:
        if self._stopped_us is None:
            self._was_free = self._was_free or self._leader is not None or bool(self._idle)
        super()._start_no_more()
        for server in self._servers:
            server.wake()

    def _conclude(self) -> None:
        """What was due by the end, or by the stop, and never began, had waited until then."""
        self._alarm.close()
        crew, was_free = self.crew, self._was_free
        end_us = min(self._phase_end_us, self._stopped_us or self._phase_end_us)
        counted = 0
        while (arrival := self._lanes.peek()) is not None:
            waited_us = end_us - self.phase_at_us - arrival.due_us
            if waited_us <= 0:
                break
            self._lanes.pop()
            card = crew.cards[crew.deck.pick(0, arrival.n, 1)]
            if card is not None:
                crew.recorder.unstarted(card[0].name, waited_us, neglected=was_free)
            counted += 1
            if not counted % _DECLARED_AT_ONCE:
                gevent.sleep(0)


class _Server(Slot):
    """A user that serves arrivals."""

    def __init__(self, office: Arrivals, number: int) -> None:
        super().__init__(office, number)
        self._hand = self._user.rows = Hand(office.dealer)
        self.awaited = False
        self.is_new = True
        self._office = office
        self._waiter: Waiter[None] | None = None

    def retire(self) -> None:
        self._office.run_dry()

    def serve(self) -> None:
        """Serve until it is of no more use."""
        office, crew, meter, deck = self._office, self._crew, self._crew.meter, self._crew.deck
        # Whose answer is there by now is free, and costs less than one user more: else, at a high rate, the first few
        # users would each be so long in the making that hundreds were made.
        self._breathe(monotonic_us())
        while (arrival := office.next_for(self)) is not None:
            self.is_new = False
            self._due_us, self._awaited = office.phase_at_us + arrival.due_us, self.awaited
            office.busy += 1
            meter.change_users(1)
            try:
                now_us = self._perform(deck.pick(0, arrival.n, 1), monotonic_us())
            finally:
                if not self._abandoned:
                    meter.change_users(-1)
                office.busy -= 1
                if self._hand.rows:
                    self._hand.give_back()
            self._iteration += 1
            if now_us - crew.breathed_us > BREATH_US:
                self._breathe(now_us)

    def wait(self) -> None:
        """Wait to be woken."""
        waiter = self._waiter = Waiter()
        try:
            waiter.get()
        except Interrupted:
            raise
        except BaseException as error:  # thrown in by somebody: told, and no reason to keep arrivals waiting
            self._crew.faults.error(error, OUTSIDE)
        finally:
            self._waiter = None

    def wait_for_lease(self) -> None:
        """Wait until iterations may start."""
        self._guarded(OUTSIDE, self._office.wait_for_lease)

    def wake_here(self) -> None:
        """End its waiting; for the event loop."""
        if self._waiter is not None:
            self._waiter.switch(None)

    def wake(self) -> None:
        """End its waiting, with the next turn of the event loop."""
        if self._waiter is not None:
            gevent.get_hub().loop.run_callback(self._waiter.switch, None)
