"""An agent's part in the run that it works for now. Pure.

The broker's orders say what should be so, not what to do next, and come again with each beat: one that is carried out
already, or does not fit yet, changes nothing. Called by `AgentState` alone.

    PREPARING -AllLoaded-> LOADED [-(SetUp)-> SETTING_UP -RunIsSetUp-> SET_UP]
                           -(Fit)-> FITTING -AllReady-> READY -(Go)-> RUNNING -PhaseOver-> RESTING -(Go)-> ...
                                                             any of these -(Wind)-> WINDING -AllGone-> COMPLETE
    before RUNNING, -Refused-> FAILED

In a phase at a rate what has to be given up is given up from some iteration on (Hold.from_us), and that is said at
once. It must be one that no worker can begin which has not heard of it yet; such a one begins nothing after the lease
that it has. So it is one that is due after the longest lease that was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from loads.agent.events import Append, Effect, Obtain, OpenPool, Send, ToPool
from loads.agent.outbox import Outbox
from loads.agent.records import Died, Got, Numbered, Record, Took
from loads.plan.http import HttpOptions
from loads.plan.share import Portion
from loads.pool import events as pool
from loads.pool.shares import difference
from loads.units import US_PER_S
from loads.wire.cluster import (
    Complete,
    Fit,
    Go,
    Halt,
    Hold,
    Line,
    Lost,
    Prepare,
    SetUp,
    Stage,
    Standing,
    Trouble,
    Wind,
)
from loads.wire.messages import Load, Loaded

MOST_EARLY: Final = 500
"""Lines that are kept of those printed while the tests are loaded."""
_STARTS_US: Final = 50_000
"""Between a worker's look at its lease and the begin of the iteration that it allows."""
_EARLY = (Stage.PREPARING, Stage.LOADED, Stage.SETTING_UP, Stage.SET_UP)
_STILL = (Stage.PREPARING, Stage.LOADED, Stage.SET_UP, Stage.READY, Stage.RESTING, Stage.COMPLETE, Stage.FAILED)
"""Stages in which nothing is done but to wait for the broker, or nothing that counts."""
_BEGUN = (Stage.FITTING, Stage.READY, Stage.RUNNING, Stage.RESTING)


class Part:
    """Of `prepare.run`. `offset_us` gives the broker's clock minus ours, `limit` the most workers of this machine.

    `capped`: there is a number of users that must not be exceeded at any moment.
    """

    def __init__(
        self,
        prepare: Prepare,
        incarnation: int,
        limit: int,
        offset_us: Callable[[], int | None],
        name: str,
        *,
        capped: bool = False,
    ) -> None:
        self.outbox = Outbox(prepare.run, incarnation)
        self.stage = Stage.PREPARING
        self.lease_until_us = 0
        self._name = name
        self._capped = capped
        self._prepare = prepare
        self._offset_us = offset_us
        self._workers = max(1, min(limit, prepare.slots, prepare.workers or limit))
        self._first = 0
        self._early: list[tuple[int, str]] = []
        self._phase = -1
        self._ended_us = 0
        self._run_at_us: int | None = None
        self._phase_at_us: int | None = None
        self._at_rate = False
        self._given_us = 0
        self._leased_us = 0
        """The longest lease that was given."""
        self._run_data: bytes | None = None
        self._drifted_us = 0
        self._first_offset_us: int | None = None
        self._held = self._wanted = self._shares = 0
        self._portions: tuple[Portion, ...] = ()
        self._hold_next: Hold | None = None
        self._halted: Halt | None = None
        self._all_gone = False
        self._parked_us: int | None = None
        self._ca_bundle: str | None = None
        self._loaded: Loaded | None = None
        self._trouble: Trouble | None = None

    def __repr__(self) -> str:
        return f"<Part {self.run} {self.stage.value} phase={self._phase} holding={self._held} {self.outbox!r}>"

    @property
    def run(self) -> str:
        """The run's name."""
        return self.outbox.run

    @property
    def has_run(self) -> bool:
        """Whether there is load of it that has to be accounted for."""
        return self._phase >= 0

    @property
    def standing(self) -> Standing:
        """What the broker is told."""
        return Standing(
            run=self.run,
            incarnation=self.outbox.incarnation,
            stage=self.stage,
            phase=self._phase,
            ended_us=self._ended_us,
            holding=self._held,
            given_us=self._given_us,
            workers=self._workers,
            loaded=self._loaded if self.stage in (Stage.LOADED, Stage.SET_UP) else None,
            run_data=self._run_data if self.stage is Stage.SET_UP else None,
            trouble=self._trouble,
        )

    def standing_at(self, now_us: int) -> Standing:
        """The same with the run's age, by our clock."""
        if self._run_at_us is None:
            return self.standing
        return msgspec.structs.replace(self.standing, run_us=self._age_us(now_us))

    def begin(self) -> list[Effect]:
        """The first effects."""
        return [Obtain(self.run, self._prepare.bundle, self._prepare.test_dir)]

    def obtained(self, directory: str, search_path: tuple[str, ...]) -> list[Effect]:
        """The files are there, unpacked in `directory`: load the tests."""
        spec, bundle = self._prepare.spec, self._prepare.bundle
        if bundle is not None and bundle.ca_bundle is not None:
            self._ca_bundle = f"{directory}/{bundle.ca_bundle}"
        load = Load(
            targets=spec.targets if bundle is None else bundle.targets,
            search_path=search_path,
            select=spec.select,
            log_level=spec.log_level,
            directory=directory,
            env=spec.env,
        )
        return [OpenPool(self.run, self._workers, load)]

    def failed(self, trouble: Trouble) -> list[Effect]:
        """It can't be."""
        self._trouble = msgspec.structs.replace(trouble, agent=self._name)
        return self._move(Stage.FAILED)

    def order(self, order: SetUp | Fit | Go | Hold | Halt | Wind, now_us: int) -> list[Effect]:
        """What the broker wants to be so."""
        match order:
            case SetUp() if self.stage is Stage.LOADED:
                set_up = pool.SetUpRun(self._prepare.spec.server_url, self._http())
                return [*self._move(Stage.SETTING_UP), ToPool(self.run, set_up)]
            case Fit() if self.stage in (Stage.LOADED, Stage.SET_UP):
                return self._fit(order)
            case Go() if self.stage in (Stage.READY, Stage.RESTING) and order.phase > self._phase:
                return self._go(order, now_us)
            case Hold() if self.stage in _BEGUN and order.holding > self._wanted:
                return self._hold_arrivals(order) if self._at_rate else self._hold(order)
            case Halt() if self.stage in _BEGUN:
                return self._halt(order)
            case Wind() if self.stage in (*_BEGUN, Stage.LOADED):
                return self._wind(order)
        return []

    def lease(self, until_us: int) -> list[Effect]:
        """Iterations may start until then."""
        self.lease_until_us = until_us
        self._leased_us = max(self._leased_us, until_us)
        return [ToPool(self.run, pool.Lease(until_us))] if self.stage in _BEGUN else []

    def is_still(self, now_us: int) -> bool:
        """Whether nothing of it runs without the broker's word, but for iterations that were begun."""
        return self.stage in _STILL or (self.stage is Stage.RUNNING and now_us > self.lease_until_us)

    def meet_anew(self) -> None:
        """The broker may be on another clock: what ours lost so far stands, and is counted on from here."""
        self._drifted_us, self._first_offset_us = self._drift_us(), None

    def check_lease(self, now_us: int) -> None:
        """Tell the user when the load stood still for want of a broker."""
        if self.stage is not Stage.RUNNING:
            return
        if self._parked_us is None:
            if now_us > self.lease_until_us:
                self._parked_us = self.lease_until_us
        elif now_us < self.lease_until_us:
            from_us, to_us = self._age_us(self._parked_us), self._age_us(now_us)
            self._parked_us = None
            self.outbox.warn(
                f"agent {self._name} started no iterations from {from_us / US_PER_S:.1f} to {to_us / US_PER_S:.1f} s, "
                "for it did not hear the broker"
            )

    def report(self, report: pool.Effect | object, now_us: int) -> list[Effect]:
        """What the pool reports."""
        match report:
            case pool.Took(worker, incarnation, page):
                return self.record(Took(self._first + worker, incarnation, str(page)))
            case pool.AllLoaded(loaded):
                self._loaded = loaded
                return self._move(Stage.LOADED)
            case pool.RunIsSetUp(data) if self.stage is Stage.SETTING_UP:
                self._run_data = data
                return self._move(Stage.SET_UP)
            case pool.Refused(failure):
                trouble = Trouble.of(failure.message, failure.hint, failure.traceback)
                return self.failed(trouble)
            case pool.AllReady() if self.stage is Stage.FITTING:
                return self._move(Stage.READY)
            case pool.Measured():
                t_us = max(0, report.delta.t_us + self._drift_us() + US_PER_S // 2) // US_PER_S * US_PER_S
                return self.record(Got(report.incarnation, t_us, report.delta))
            case pool.Lost():
                return self._lost(report)
            case pool.PhaseOver(_, ended_us) if self.stage is Stage.RUNNING:
                self._ended_us = max(0, ended_us + self._drift_us())
                return self._move(Stage.RESTING)
            case pool.Resumed() if self.stage is Stage.RESTING:
                return self._move(Stage.RUNNING)
            case pool.Shared():
                return self._shared()
            case pool.AllGone():
                self._all_gone = True
                return self._complete() if self.stage is Stage.WINDING else []
        return []

    def printed(self, worker: int, line: str, now_us: int) -> None:
        """A worker wrote a line."""
        if self.stage in _EARLY:
            # What it is called in the run is not known yet.
            if len(self._early) < MOST_EARLY:
                self._early.append((worker, line))
            return
        self.outbox.add_line(Line(self._age_us(now_us), self._first + worker, line))

    def record(self, record: Record) -> list[Effect]:
        """Apply `record` to the outbox and keep it."""
        self.outbox.apply(record)
        return [Append(self.run, self.outbox.incarnation, record)]

    def completion(self) -> Complete | None:
        """The last word, once all is sealed."""
        if self.stage is not Stage.COMPLETE or self.outbox.has_pending:
            return None
        return Complete(run=self.run, incarnation=self.outbox.incarnation, last_seq=self.outbox.last_seq)

    def _fit(self, fit: Fit) -> list[Effect]:
        spec = self._prepare.spec
        self._first = fit.first
        for worker, line in self._early:
            self.outbox.add_line(Line(0, self._first + worker, line))
        self._early.clear()
        self._held = self._wanted = fit.holding
        self._portions, self._at_rate = fit.portions, fit.plan.is_open
        begin = pool.Begin(
            plan=fit.plan,
            seed=spec.seed,
            server_url=spec.server_url,
            fresh_session=spec.fresh_session,
            think_time_us=spec.think_time_us,
            stop_on_failure=spec.stop_on_failure,
            http=self._http(),
            first=fit.first,
            portions=fit.portions,
            run_data=fit.run_data,
        )
        return [*self.record(Numbered(fit.first)), *self._move(Stage.FITTING), ToPool(self.run, begin)]

    def _http(self) -> HttpOptions:
        """As the user wants it, with the file where it is here."""
        http = self._prepare.spec.http
        return http if self._ca_bundle is None else msgspec.structs.replace(http, ca_bundle=self._ca_bundle)

    def _go(self, go: Go, now_us: int) -> list[Effect]:
        offset_us = self._offset_us()
        if offset_us is None:
            return []
        self._phase = go.phase
        if self._run_at_us is None:
            self._run_at_us, self._first_offset_us = go.run_at_us - offset_us, offset_us
        self._phase_at_us = go.phase_at_us - offset_us
        self._leased_us = max(self._leased_us, self.lease_until_us)
        start = pool.Go(go.phase, self._run_at_us, self._phase_at_us)
        return [*self._move(Stage.RUNNING), ToPool(self.run, pool.Lease(self.lease_until_us)), ToPool(self.run, start)]

    def _hold(self, hold: Hold) -> list[Effect]:
        """Let go first, take then: what is cut anew may change hands among our own workers, too.

        Where users are capped, what is let go still counts until its last iterations are over.
        """
        self._wanted = hold.holding
        new, missing = difference(self._portions, hold.portions)
        if self._capped and self._shares and new:
            self._hold_next = hold
            return []
        if not new or not missing:
            self._hold_next = None
            return self._share(hold, hold.portions)
        self._hold_next = hold
        return self._share(hold, difference(missing, self._portions)[0])

    def _hold_arrivals(self, hold: Hold) -> list[Effect]:
        """At once, for all of it begins and ends with a stated iteration; and so it is held as soon as it is known.

        Also where users are capped: of slots that go from one worker to another here, both may be in an iteration.
        """
        self._held = self._wanted = hold.holding
        if difference(self._portions, hold.portions)[1]:
            self._given_us = max(hold.from_us, self._given_us, self._sure_us())
            hold = msgspec.structs.replace(hold, from_us=self._given_us)
        return [*self._share(hold, hold.portions), Send(self.standing)]

    def _sure_us(self) -> int:
        """How far into the phase no worker begins an iteration any more which has not heard what it is told now."""
        return 0 if self._phase_at_us is None else max(0, self._leased_us + _STARTS_US - self._phase_at_us)

    def _share(self, hold: Hold, portions: tuple[Portion, ...]) -> list[Effect]:
        """What is held now, of what `hold` says in the end."""
        self._portions = portions
        self._shares += 1
        return [ToPool(self.run, pool.Share(portions, hold.from_phase, hold.from_us))]

    def _shared(self) -> list[Effect]:
        """The pool holds what it was told to, and nothing else."""
        self._shares -= 1
        if self._shares:
            return []
        if self._hold_next is not None:
            hold, self._hold_next = self._hold_next, None
            return self._share(hold, hold.portions)
        self._held = self._wanted
        return [Send(self.standing)]

    def _halt(self, halt: Halt) -> list[Effect]:
        if self._halted is not None and (self._halted.now or not halt.now):
            return []
        self._halted = halt
        return [ToPool(self.run, pool.Halt(halt.now, halt.grace_us))]

    def _wind(self, wind: Wind) -> list[Effect]:
        effects: list[Effect] = [*self._move(Stage.WINDING), ToPool(self.run, pool.End(keeper=wind.keeper))]
        return [*effects, *self._complete()] if self._all_gone else effects

    def _complete(self) -> list[Effect]:
        return self._move(Stage.COMPLETE)

    def _lost(self, lost: pool.Lost) -> list[Effect]:
        drift_us = self._drift_us()
        loss = msgspec.structs.replace(
            lost.loss,
            worker=self._first + (lost.loss.worker or 0),
            agent=self._name,
            from_us=max(0, lost.loss.from_us + drift_us),
            to_us=max(0, lost.loss.to_us + drift_us),
        )
        told = Lost(loss, lost.missing.started, lost.replaced, lost.given_up)
        return self.record(Died(loss.incarnation, told))

    def _move(self, stage: Stage) -> list[Effect]:
        self.stage = stage
        return [Send(self.standing)]

    def _age_us(self, at_us: int) -> int:
        return 0 if self._run_at_us is None else max(0, at_us - self._run_at_us + self._drift_us())

    def _drift_us(self) -> int:
        """What our clock lost against the broker's since the start."""
        offset_us = self._offset_us()
        if offset_us is None or self._run_at_us is None:
            return self._drifted_us
        if self._first_offset_us is None:
            self._first_offset_us = offset_us - self._drifted_us
        return offset_us - self._first_offset_us
