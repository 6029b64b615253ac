"""What is told of a run: to those who follow it from the start, and to those who come later. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from loads.broker.fold import Fold
from loads.broker.record import RunRecord
from loads.broker.records import FINAL
from loads.broker.seating import told_us
from loads.metrics.events import EventKind
from loads.metrics.guard import Crossings
from loads.wire.cluster import Ended, Line, Notice, Refused, RunState, Seated, Snapshot, Update
from loads.wire.fold import bare, event_of, note, tell_loss

MAX_LINES: Final = 2_000
MAX_NOTICES: Final = 500
MAX_FRESH: Final = 50
"""Events that the record holds: more than there are between two checkpoints."""


class Chronicle:
    """Of one run. Whoever changes a seat sets `seats_changed`; workers in `gone_workers` run no users any more."""

    def __init__(self, record: RunRecord, fold: Fold) -> None:
        self.lines: list[Line] = []
        self.fresh_lines: list[Line] = []
        """Those that are not in the store yet."""
        self.notices: list[Notice] = []
        self.seats_changed = True
        self.gone_workers: list[int] = []
        self.told_us = 0
        """Until when, in the run, all had told what they measured."""
        self.crossed = False
        """Whether a threshold that ends the run is."""
        self._record = record
        self._fold = fold
        self._told = 0
        self._crossings = Crossings(() if fold.result is None else fold.result.thresholds)

    def tell(self, notice: Notice) -> None:
        """Say it with the next update. An event is kept in the record, too, until it is sure to be in the result.

        Of a run that is over the result stands: it may be on the disk already.
        """
        if self._record.state in FINAL and notice.t_us is not None:
            notice = msgspec.structs.replace(notice, t_us=None)
        self.notices.append(notice)
        event = event_of(notice)
        if event is not None:
            self._record.events = [*self._record.events, event][-MAX_FRESH:]

    def settle(self, age_us: int | None) -> Update:
        """Fold what came into the result, and say it."""
        gone, self.gone_workers = tuple(self.gone_workers), []
        arrived = self._fold.settle(gone)
        if age_us is not None:
            self.told_us = told_us(self._record, self._fold.tallies, age_us)
            self.crossed = self._fold.look(self.told_us, age_us)
        result = self._fold.result
        if result is not None:
            self.notices += (
                Notice(text=tell_loss(result, lost.loss, replaced=lost.replaced, given_up=lost.given_up))
                for lost in arrived.losses
            )
            for event in self._crossings.look(result.thresholds):
                self.tell(Notice(text=event.text, kind=event.kind, t_us=event.t_us))
        self.lines = (self.lines + list(arrived.lines))[-MAX_LINES:]
        self.fresh_lines = (self.fresh_lines + list(arrived.lines))[-MAX_LINES:]
        for warning in arrived.warnings:
            self.tell(Notice(text=f"Warning: {warning}", kind=EventKind.WARNING, t_us=age_us))
        fresh = tuple(self.notices[self._told :])
        if result is not None:
            note(result, fresh)
        self.notices = self.notices[-MAX_NOTICES:]
        self._told = len(self.notices)
        seats = self.seated() if self.seats_changed else None
        self.seats_changed = False
        return Update(
            run=self._record.id,
            state=self._record.state,
            elapsed_us=age_us,
            spans=arrived.spans,
            users=arrived.users,
            gone=gone,
            losses=arrived.losses,
            warnings=arrived.warnings,
            lines=arrived.lines,
            notices=fresh,
            seats=seats,
            thresholds=self._fold.standings(),
        )

    def snapshot(self, age_us: int | None) -> Snapshot:
        """The run as it stands after `settle`."""
        submit = self._record.submit
        return Snapshot(
            run=self._record.id,
            state=self._record.state,
            result=None if self._fold.result is None else bare(self._fold.result),
            elapsed_us=age_us,
            seats=self.seated(),
            lines=tuple(self.lines),
            notices=tuple(self.notices),
            stop_on_failure=submit.spec.stop_on_failure,
            who=submit.who,
            targets=submit.spec.targets,
            name=submit.spec.name,
            tags=submit.spec.tags,
        )

    def end(self) -> Ended | Refused | None:
        """The last word; None: it is not over."""
        run, result = self._record, self._fold.result
        if run.state is RunState.ENDED and result is not None:
            return Ended(run=run.id, result=bare(result), lines=tuple(self.lines), who=run.submit.who)
        if run.state is RunState.REFUSED and run.trouble is not None:
            return Refused(run=run.id, trouble=run.trouble)
        return None

    def seated(self) -> tuple[Seated, ...]:
        """The seats, for a screen."""
        return tuple(
            Seated(
                agent=seat.agent, first=seat.first, workers=seat.workers, stage=seat.stage, lost=seat.lost is not None
            )
            for seat in self._record.seats
        )
