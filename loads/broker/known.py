"""What is known of a run that has not ended, how it is kept, and how it is told: to followers, and in the log. Pure."""

from __future__ import annotations

from loads.broker import handover, once, seating
from loads.broker.chronicle import Chronicle
from loads.broker.ending import stop
from loads.broker.events import Effect, Log, Save, ToFollowers
from loads.broker.fold import Fold
from loads.broker.record import RunRecord, Seat
from loads.metrics.events import EventKind
from loads.metrics.guard import tell_crossed
from loads.metrics.verdict import Stop
from loads.units import US_PER_S
from loads.wire.cluster import Notice, RunState, Snapshot
from loads.wire.run import has_failed_enough


class KnownRun:
    """`record` is kept in the store, `fold` holds the results. `clock` names the one that times are told by."""

    def __init__(self, record: RunRecord, fold: Fold, clock: str) -> None:
        self.record = record
        self.fold = fold
        self.saved = record.version
        self.chronicle = Chronicle(record, fold)
        self._clock = clock
        self._ticked_us = 0
        """The last time that is known; 0: none yet."""

    def __repr__(self) -> str:
        held = sum(seat.lost is None for seat in self.record.seats)
        return f"<Run {self.id} {self.record.state.value} agents={held}/{len(self.record.seats)}>"

    @property
    def id(self) -> str:
        """The run's name."""
        return self.record.id

    @property
    def is_over(self) -> bool:
        """It has ended or was refused: what it came to is decided."""
        return self.record.state in (RunState.ENDED, RunState.REFUSED)

    @property
    def is_final(self) -> bool:
        """The same, and that is on the disk."""
        return self.is_over and self.saved == self.record.version

    @property
    def may_grow(self) -> bool:
        """Whether agents that come now get a part of the load."""
        record = self.record
        growing = record.submit.elastic and record.state is RunState.RUNNING and record.stop is None
        return growing and seating.has_open_phase(record) and not any(seat.joining for seat in record.seats)

    def seat_of(self, incarnation: int) -> Seat | None:
        """The seat of that agent process."""
        return next((seat for seat in self.record.seats if seat.incarnation == incarnation), None)

    def age_us(self, now_us: int) -> int | None:
        """Time since the start; None: it has not started. By a clock that is no more: as far as agents told."""
        if self.record.run_at_us is None:
            return None
        if handover.is_adrift(self.record, self._clock):
            return max((us for tally in self.fold.tallies.values() for us in tally.told.values()), default=0)
        return max(0, now_us - self.record.run_at_us)

    def withholds(self, incarnation: int) -> bool:
        """Whether that agent's share is being given away: until it can be told so, no answer renews its lease."""
        seat = self.seat_of(incarnation)
        return seat is not None and seat.lost is not None and self.saved != self.record.version

    def settle(self, now_us: int) -> list[Effect]:
        """Fold what came in, and tell the followers; stop the run when its user wanted that of such results."""
        record, result, age_us = self.record, self.fold.result, self.age_us(now_us)
        effects: list[Effect] = [ToFollowers(self.id, self.chronicle.settle(age_us))]
        if result is None or record.stop is not None or record.state is not RunState.RUNNING:
            return effects
        if self.chronicle.crossed:
            stop(record, Stop.THRESHOLD, age_us)
            effects += [*self.save(), *self.notice(tell_crossed(result), EventKind.STOP, now_us)]
        elif has_failed_enough(record.submit.spec, result):
            stop(record, Stop.FAILURES, age_us)
            why = f"stopping after {result.trouble:,} failures and errors"
            told = self.notice(why, EventKind.STOP, now_us)
            effects += [*self.save(), *told]
        return effects

    def settle_early(self, now_us: int) -> list[Effect]:
        """Settle when that tells of a second more: a threshold may end the run, and should do so soon."""
        age_us = self.age_us(now_us)
        if self.fold.guard is None or self.fold.guard.is_idle or age_us is None:
            return []
        told_us = seating.told_us(self.record, self.fold.tallies, age_us)
        return self.settle(now_us) if told_us // US_PER_S > self.chronicle.told_us // US_PER_S else []

    def snapshot(self, now_us: int) -> Snapshot:
        """The run as it stands; to be asked for right after `settle`."""
        return self.chronicle.snapshot(self.age_us(now_us))

    def notice(self, text: str, kind: EventKind | None = None, now_us: int | None = None) -> list[Effect]:
        """Tell the followers and the log. What has a `kind`, and happens once the run has begun, is an event of it.

        `now_us` of None: just now, as of the last tick.
        """
        at_us = now_us or self._ticked_us
        t_us = self.age_us(at_us) if kind is not None and at_us else None
        self.chronicle.tell(Notice(text=text, kind=kind, t_us=t_us))
        return [Log(f"{self.id}: {text}")]

    def save(self, *, fold: bool = False) -> list[Effect]:
        """The record has changed: write it down before anything follows from it. With `fold`: what is settled, too."""
        once.see_to(self.record)
        self.record.version += 1
        self.chronicle.seats_changed = True
        return [Save(self.record, fold)]
