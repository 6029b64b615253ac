"""One run on the cluster, from its reservation to its result. Pure.

    PREPARING -all LOADED-> FITTING -all READY-> RUNNING -all RESTING, no phase left-> ENDING -all settled-> ENDED
    in PREPARING, if the tests have a setUpRun: one SET_UP
    before RUNNING, whatever goes wrong -> REFUSED

A seat is one agent process's part. What its agent should do follows from the state alone (see `orders`), and is said
whenever the state changes or the agent beats; but never before the state is on the disk, so that a broker that is
killed at any moment and started again never says anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from loads.broker import arrivals, handover, once, rescue, seating
from loads.broker.ending import PATIENCE_US, all_settled, conclude, stop, tell_stop, tell_wait
from loads.broker.events import Checkpoint, Effect, Keep, Log, ToFollowers, ToSeat
from loads.broker.fold import Fold
from loads.broker.known import KnownRun
from loads.broker.orders import LAST, orders
from loads.broker.record import RunRecord, Seat
from loads.errors import LoadsError
from loads.metrics.events import EventKind
from loads.metrics.verdict import Stop
from loads.units import US_PER_S, format_duration
from loads.wire.cluster import (
    Batch,
    Closed,
    Complete,
    Release,
    RunState,
    Stage,
    Standing,
    Stored,
    Trouble,
)
from loads.wire.messages import Loaded

HEAD_START_US: Final = 250_000
"""Between the decision to start and the start: to write it down, and for all agents to hear of it."""
SETTLE_US: Final = US_PER_S
CHECKPOINT_US: Final = 5 * US_PER_S


class LiveRun(KnownRun):
    """A run that has not ended: what happens to it, and what follows."""

    def __init__(self, record: RunRecord, fold: Fold, clock: str, wall: Callable[[int], datetime]) -> None:
        super().__init__(record, fold, clock)
        self.stored: dict[int, int] = {incarnation: tally.seq for incarnation, tally in fold.tallies.items()}
        self.loaded: dict[int, Loaded] = {}
        self.away: dict[int, int] = {}
        """Seats whose agent is not there, and since when."""
        self.unfit: set[int] = set()
        """Agent processes that could not join."""
        self.submitter = b""
        """The peer that is to hear that the run is accepted."""
        self.orphaned_us: int | None = None
        """Since when that peer is gone."""
        self._met: set[int] = set()
        self._wall = wall
        handover.assume_told(record)
        self._settled_us = self._checkpointed_us = 0
        self._patience_us = PATIENCE_US

    def has_all_of(self, seat: Seat) -> bool:
        """Whether all that its agent had to deliver is on the disk."""
        return seat.last_seq is not None and self.stored.get(seat.incarnation, 0) >= seat.last_seq

    # What happens.

    def reserve(self, seats: list[Seat]) -> list[Effect]:
        """These agents are its own."""
        self.record.seats = seats
        self.record.state = RunState.PREPARING
        return self.save()

    def join(self, seat: Seat) -> list[Effect]:
        """An agent more, while it runs."""
        seat.joining, seat.holding = True, 0
        self.record.seats.append(seat)
        return [*self.save(), *self.notice(f"agent {seat.agent} joins", EventKind.AGENT)]

    def withdraw(self, seat: Seat, now_us: int) -> list[Effect]:
        """The agent of `seat` leaves, and has begun nothing for it."""
        if seat.joining and seat.stage is Stage.PREPARING:
            return self._failed(seat, Trouble(message="it leaves"), now_us)
        if self.record.state is not RunState.PREPARING or seat.stage is not Stage.PREPARING:
            return []
        self.record.seats.remove(seat)
        self.record.short = True
        return [*self.save(), *self.notice(f"agent {seat.agent} leaves", EventKind.AGENT)]

    def complete_seats(self, seats: list[Seat], now_us: int) -> list[Effect]:
        """It has all its agents again: `seats` for those that it had and for others."""
        self.record.seats = [self.seat_of(seat.incarnation) or seat for seat in seats]
        self.record.short = False
        return [*self.save(), *self._advance(now_us)]

    def stands(self, standing: Standing, now_us: int) -> list[Effect]:
        """An agent says where it is."""
        seat = self.seat_of(standing.incarnation)
        if seat is None:
            return [ToSeat(standing.incarnation, Release(run=self.id, incarnation=standing.incarnation))]
        before = seat.stage, seat.phase, seat.held
        seat.stage, seat.phase, seat.held = standing.stage, standing.phase, standing.holding
        seat.workers, seat.ended_us = standing.workers, standing.ended_us
        news = standing.loaded is not None and seat.incarnation not in self.loaded
        if standing.loaded is not None:
            self.loaded[seat.incarnation] = standing.loaded
        self._met.add(seat.incarnation)
        handover.follow_clock(self.record, standing, self._clock, now_us)
        arrivals.acknowledge(self.record, seat, standing)
        effects = self.save() if once.take(self.record, standing) else []
        if handover.nobody_began(self.record, self._met, self._clock):
            self.record.run_at_us = now_us + HEAD_START_US
            effects += self._start(0, now_us)
        elif handover.is_stranded(self.record, self._met, self._clock):
            self.record.bereft_us = self.age_us(now_us)
            effects += self.save()
        if standing.stage is Stage.FAILED:
            effects += self._failed(seat, standing.trouble or Trouble(message="the agent failed"), now_us)
        elif news or before != (seat.stage, seat.phase, seat.held):
            self.chronicle.seats_changed = True
            effects += self._advance(now_us)
            if any(each.joining for each in self.record.seats):  # which waits for the others, and they for it
                return [*effects, *(told for each in self.record.seats for told in self._say(each))]
        return [*effects, *self._say(seat)]

    def batch(self, batch: Batch, data: bytes, now_us: int) -> list[Effect]:
        """Results. The next of its incarnation is taken, one that is known is acknowledged again."""
        incarnation, seq = batch.incarnation, batch.seq
        if self.is_over:
            return [ToSeat(incarnation, Closed(run=self.id, incarnation=incarnation))]
        if self.seat_of(incarnation) is None or self.fold.result is None:
            return []
        if self.fold.take(batch):
            return [Keep(self.id, incarnation, seq, data), *self.settle_early(now_us)]
        stored = self.stored.get(incarnation, 0)
        return [ToSeat(incarnation, Stored(run=self.id, incarnation=incarnation, seq=stored))] if stored else []

    def kept(self, incarnation: int, seq: int, now_us: int) -> list[Effect]:
        """All batches of `incarnation` through `seq` are on the disk."""
        self.stored[incarnation] = max(seq, self.stored.get(incarnation, 0))
        told = ToSeat(incarnation, Stored(run=self.id, incarnation=incarnation, seq=seq))
        return [told, *self._end_if_settled(now_us)]

    def complete(self, message: Complete, now_us: int) -> list[Effect]:
        """Nothing follows from that incarnation."""
        seat = self.seat_of(message.incarnation)
        if seat is not None and seat.last_seq is None and not self.is_over:
            seat.last_seq, seat.stage = message.last_seq, Stage.COMPLETE
            self.chronicle.seats_changed = True
            return [*self.save(), *self._advance(now_us), *self._end_if_settled(now_us)]
        return []

    def gone(self, incarnation: int, reason: str, now_us: int) -> list[Effect]:
        """The agent of that seat is not there, or its process is another."""
        seat = self.seat_of(incarnation)
        if seat is None or incarnation in self.away:
            return []
        self.away[incarnation] = now_us
        self.chronicle.seats_changed = True
        match self.record.state:
            case RunState.PREPARING | RunState.FITTING:
                hint = "run it again; loads-runner --ping-broker shows the agents that are there"
                return self.refuse(Trouble(message=f"agent {seat.agent} {reason} before the run began", hint=hint))
            case RunState.RUNNING | RunState.ENDING if seat.lost is None and seat.last_seq is None:
                return self._lose(seat, reason, now_us)
        return []

    def back(self, incarnation: int, *, anew: bool) -> list[Effect]:
        """The process of that seat is heard again, or one that was started `anew` in its place. Its share is gone."""
        if self.away.pop(incarnation, None) is None:
            return []
        self.chronicle.seats_changed = True
        seat = self.seat_of(incarnation)
        if seat is None or seat.lost is None:
            return []
        how = "was started again" if anew else "is back"
        users = "" if self.record.bereft_us is not None else ", its users stay with the others"
        return self.notice(f"agent {seat.agent} {how}: its results are taken{users}", EventKind.AGENT)

    def cease(self, *, now: bool) -> list[Effect]:
        """Somebody wants it to stop."""
        record = self.record
        if record.state in (RunState.WAITING, RunState.PREPARING, RunState.FITTING):
            return self.refuse(Trouble(message="stopped before the first iteration"))
        if self.is_over or record.stop is Stop.HARD:
            return []
        if record.state is RunState.ENDING and self._patience_us and self.away:
            self._patience_us = 0  # the load is over: what remains is to wait for agents that are away
            return self.notice("waits no longer for agents that are away", EventKind.NOTE)
        if not now and (record.stop is not None or record.state is RunState.ENDING):
            return []
        stop(record, Stop.HARD if now else Stop.GRACEFUL, self.age_us(self._ticked_us))
        return [*self.save(), *self.notice(tell_stop(record), EventKind.STOP)]

    def refuse(self, trouble: Trouble) -> list[Effect]:
        """It can't be run."""
        if self.is_over:
            return []
        self.record.state, self.record.trouble = RunState.REFUSED, trouble
        return self.save()

    def saved_version(self, version: int) -> list[Effect]:
        """Version `version` is on the disk: what follows from it may be told."""
        self.saved = max(self.saved, version)
        if self.saved != self.record.version:
            return []
        effects = [effect for seat in self.record.seats for effect in self._say(seat)]
        over = self.chronicle.end()
        return effects if over is None else [*effects, ToFollowers(self.id, over)]

    def remind(self, seat: Seat) -> list[Effect]:
        """The agent of `seat` does not work for this run yet."""
        return self._say(seat) if seat.stage is Stage.PREPARING else []

    def tick(self, now_us: int) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        if self.is_over:
            return effects
        told = rescue.look(self.record, self.fold, now_us - (self._ticked_us or now_us), self.age_us(now_us) or 0)
        self._ticked_us = now_us
        if told is not None:
            effects += [
                *self.notice(told, EventKind.AGENT),
                *self.settle(now_us),
                *self.save(fold=True),
                *self._advance(now_us),
            ]
        if now_us - self._settled_us >= SETTLE_US:
            self._settled_us = now_us
            effects += self.settle(now_us)
        if now_us - self._checkpointed_us >= CHECKPOINT_US and self.fold.result is not None:
            self._checkpointed_us = now_us
            effects += [*self.settle(now_us), Checkpoint(self.id)]
        return [*effects, *self._end_if_settled(now_us)]

    # How it goes on.

    def _say(self, seat: Seat) -> list[Effect]:
        """What the agent of `seat` should do, once what it follows from is on the disk."""
        if self.saved != self.record.version:
            return []
        told = orders(self.record, seat, self.stored.get(seat.incarnation, 0), self._clock)
        return [ToSeat(seat.incarnation, order) for order in told]

    def _advance(self, now_us: int) -> list[Effect]:
        """Whether all are where they wait for one another."""
        stages = {seat.stage for seat in seating.holders(self.record)}
        match self.record.state:
            case RunState.PREPARING if stages and stages <= once.READY_FOR_PLAN and not self.record.short:
                if once.choose(self.record, self.loaded):
                    return self.save()
                return [] if once.is_awaited(self.record) else self._plan(now_us)
            case RunState.FITTING if stages == {Stage.READY}:
                self.record.state = RunState.RUNNING
                self.record.run_at_us = now_us + HEAD_START_US
                return self._start(0, now_us)
            case RunState.RUNNING:
                joined = self._seat_joiners(now_us) if seating.is_timed(self.record) else []
                return joined + self._end_phase(now_us)
        return []

    def _plan(self, now_us: int) -> list[Effect]:
        record, seats = self.record, self.record.seats
        loaded = self.loaded.get(seats[0].incarnation)
        if loaded is None:
            return []
        try:
            self.fold.begin(handover.make_plan(record, loaded, self._wall(now_us)))
        except LoadsError as error:
            return self.refuse(Trouble(message=error.message, hint=error.hint))
        record.state = RunState.FITTING
        return [*self.save(fold=True), ToFollowers(self.id, self.snapshot(now_us))]

    def _start(self, phase: int, now_us: int) -> list[Effect]:
        self.record.phase = phase
        self.record.phase_at_us = now_us + HEAD_START_US
        self.record.clock = self._clock
        return self.save()

    def _end_phase(self, now_us: int) -> list[Effect]:
        """On to the next phase, or to the end, when all are through."""
        record = self.record
        assert record.plan is not None
        if record.bereft_us is not None:
            return []
        waited_for = seating.waited_for(record)
        if any(seat.stage not in (Stage.RESTING, *LAST) or seat.phase < record.phase for seat in waited_for):
            return []
        if record.stop is None and record.phase + 1 < len(record.plan.phases) and waited_for:
            joined = [] if seating.is_timed(self.record) else self._seat_joiners(now_us)
            handover.take_up(record, record.phase + 1)
            return [*joined, *self._start(record.phase + 1, now_us)]
        record.state = RunState.ENDING
        awaited = tell_wait(record, self.away, now_us)
        return self.save() if awaited is None else [*self.save(), *self.notice(awaited, EventKind.NOTE, now_us)]

    def _seat_joiners(self, now_us: int) -> list[Effect]:
        if not handover.let_join(self.record, self.age_us(now_us) or 0):
            return []
        effects = self.settle(now_us)
        if self.fold.result is not None:
            self.fold.result.places = seating.places(self.record)
        return [*effects, *self.save(fold=True)]

    def _lose(self, seat: Seat, reason: str, now_us: int) -> list[Effect]:
        """Give its share away."""
        record = self.record
        handover.lose(record, seat, reason, self.age_us(now_us) or 0)
        self.chronicle.gone_workers += range(seat.first, seat.first + seat.workers)
        told = f"agent {seat.agent} {reason}"
        if record.state is RunState.ENDING:
            told += f"; waiting {format_duration(PATIENCE_US)} for its results"
            return [*self.save(), *self.notice(told, EventKind.AGENT, now_us)]
        became, warning = handover.take_over(record, seat)
        notice = self.notice(told + became, EventKind.AGENT, now_us)
        if warning is not None:
            self.fold.warn(warning)
            notice += self.settle(now_us)
        return [*notice, *self.save(fold=warning is not None), *self._advance(now_us)]

    def _failed(self, seat: Seat, trouble: Trouble, now_us: int) -> list[Effect]:
        if seat.joining or (self.record.state is RunState.RUNNING and not seat.portions):
            self.unfit.add(seat.incarnation)
            handover.drop(self.record, seat, self.age_us(now_us) or 0)
            release = ToSeat(seat.incarnation, Release(run=self.id, incarnation=seat.incarnation))
            told = self.notice(f"agent {seat.agent} can't join: {trouble.message}", EventKind.AGENT, now_us)
            return [*self.save(), *told, release, *self._advance(now_us)]
        others = [each for each in self.record.seats if each is not seat]
        if self.record.state is RunState.RUNNING and any(each.phase >= 0 or each.lost is not None for each in others):
            return self._lose_unbegun(seat, trouble, now_us)
        return self.refuse(trouble)

    def _lose_unbegun(self, seat: Seat, trouble: Trouble, now_us: int) -> list[Effect]:
        """The agent of `seat` could not begin, when others had: it has nothing to tell."""
        seat.stage, known = Stage.COMPLETE, seat.last_seq is not None
        seat.last_seq = 0
        if known or seat.lost is not None:
            return [*([] if known else self.save()), *self._say(seat)]
        return self._lose(seat, f"could not begin ({trouble.message})", now_us)

    def _end_if_settled(self, now_us: int) -> list[Effect]:
        record, result = self.record, self.fold.result
        if record.state is not RunState.ENDING or self.saved != record.version or result is None:
            return []
        if not all_settled(record, self.stored, self.away, self._patience_us, now_us):
            return []
        effects = self.settle(now_us)
        conclude(record, self.fold, self._wall(now_us))
        return [*effects, *self.save(fold=True), Log(f"{self.id} has ended: {record.verdict}")]
