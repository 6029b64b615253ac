"""The workers of one run on one machine, as a pure state machine.

`PoolState.handle(event, now_us)` answers what to do: spawn, tell, kill, and what to report to the owner (a local run,
or an agent). It does nothing itself and has no clock. What a worker may say in which state is the table `_SAYINGS`;
anything else raises and changes nothing.

    STARTING -Hello-> LOADING -Loaded-> LOADED -(Begin)-> FITTING -Ready-> READY -(Go)-> RUNNING
                                                                                         |    ^
                                                             PhaseDone                   v    | (Go)
                                          GONE <-death- FINISHING <--------(End)------- RESTING

A worker that dies is replaced on the same VU slots while its phase has time left, or when another phase is to come.
Whatever it began and never delivered is reported as lost, by its counters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from loads.errors import ProtocolError
from loads.metrics.counters import Counts
from loads.metrics.result import Loss
from loads.pool.events import (
    AllGone,
    AllLoaded,
    AllReady,
    Begin,
    Died,
    Effect,
    End,
    Event,
    Go,
    Halt,
    Kill,
    Lost,
    Measured,
    MemberState,
    PhaseOver,
    Refused,
    Said,
    Spawn,
    Tell,
    Tick,
)
from loads.units import US_PER_S
from loads.wire.messages import (
    PROTOCOL,
    Alive,
    Assign,
    Bye,
    Delta,
    Finish,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Misused,
    PhaseDone,
    Ready,
    Start,
    Stop,
    Up,
)

MUTE_US: Final = 5 * US_PER_S
"""How long beyond the graceful stop a worker may be silent before it is killed."""
CUT_OFF_US: Final = 3 * US_PER_S
"""The same after a hard stop."""
MAX_DEATHS: Final = 5
DEATHS_WITHIN_US: Final = 60 * US_PER_S


@dataclass
class _Member:
    number: int
    state: MemberState = MemberState.STARTING
    incarnation: int = 0
    delivered: Counts = field(default_factory=Counts)
    last_seq: int = 0
    last_us: int = 0
    said_bye: bool = False
    deaths_us: list[int] = field(default_factory=list)
    mute_at_us: int | None = None
    heard_us: int | None = None
    unfit: str | None = None


class PoolState:
    """`workers` processes for the tests that `load` names."""

    def __init__(self, workers: int, load: Load) -> None:
        self._load = load
        self._members = [_Member(number) for number in range(workers)]
        self._begin: Begin | None = None
        self._go: Go | None = None
        self._running: set[int] = set()
        self._ended_us = 0
        self._halt: Halt | None = None
        self._ending = False
        self._refused = False
        self._reported_gone = False
        self._ticked_us: int | None = None

    def __repr__(self) -> str:
        members = " ".join(f"{member.number}:{member.state.value}" for member in self._members)
        phase = "-" if self._go is None else self._go.phase
        return f"<Pool phase={phase} {members}>"

    def start(self) -> list[Effect]:
        """The first effects: spawn all."""
        return [Spawn(member.number) for member in self._members]

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        """What follows from `event`.

        Raises:
            ProtocolError: a worker said what it can't say now; nothing changed, and it had better be killed.
        """
        match event:
            case Said(worker, message):
                return self._said(self._members[worker], message, now_us)
            case Died():
                return self._died(self._members[event.worker], event, now_us)
            case Begin():
                self._begin = event
                loaded = [member for member in self._members if member.state is MemberState.LOADED]
                return [effect for member in loaded for effect in self._assign(member)]
            case Go():
                return self._go_on(event)
            case End():
                return self._end(now_us)
            case Halt():
                return self._stop(event, now_us)
            case Tick():
                return self._tick(now_us)

    def _said(self, member: _Member, message: Up, now_us: int) -> list[Effect]:
        saying = _SAYINGS.get((type(message), member.state))
        if saying is None:
            raise ProtocolError(f"worker {member.number} said {type(message).__name__} while {member.state.value}")
        effects = saying(self, member, message, now_us)
        member.heard_us = max(now_us, member.heard_us or 0)
        return effects

    def _hello(self, member: _Member, message: Hello, now_us: int) -> list[Effect]:
        if message.protocol != PROTOCOL:
            raise ProtocolError(f"worker {member.number} speaks protocol {message.protocol}, not {PROTOCOL}")
        member.incarnation = message.incarnation
        if self._ending:  # it was being started when it was to be killed
            return [Kill(member.number)]
        member.state = MemberState.LOADING
        return [Tell(member.number, self._load)]

    def _loaded(self, member: _Member, message: Loaded, now_us: int) -> list[Effect]:
        member.state = MemberState.LOADED
        if self._begin is not None:
            return self._assign(member)
        if all(other.state is MemberState.LOADED for other in self._members):
            return [AllLoaded(message)]
        return []

    def _load_failed(self, member: _Member, message: LoadFailed, now_us: int) -> list[Effect]:
        member.state = MemberState.FINISHING
        if self._go is None:
            return [*self._refuse(message), Tell(member.number, Finish())]
        member.unfit = message.message
        return [Tell(member.number, Finish())]

    def _ready(self, member: _Member, message: Ready, now_us: int) -> list[Effect]:
        member.state = MemberState.READY
        if self._go is None:
            waiting = any(other.state is not MemberState.READY for other in self._members)
            return [] if waiting else [AllReady()]
        if member.number in self._running:
            return self._start(member, self._go)
        return []

    def _delta(self, member: _Member, message: Delta, now_us: int) -> list[Effect]:
        if message.seq != member.last_seq + 1:
            raise ProtocolError(f"worker {member.number} sent delta {message.seq} after {member.last_seq}")
        member.last_seq = message.seq
        run_us = message.t_us if self._go is None else now_us - self._go.run_at_us
        member.last_us = max(member.last_us, min(message.t_us + US_PER_S, run_us))
        member.delivered = Counts(
            *(mine + more for mine, more in zip(member.delivered, message.summary.counts, strict=True))
        )
        return [Measured(member.number, message)]

    def _misused(self, member: _Member, message: Misused, now_us: int) -> list[Effect]:
        return self._refuse(LoadFailed(message=message.message, hint=message.hint, traceback=""))

    def _phase_done(self, member: _Member, message: PhaseDone, now_us: int) -> list[Effect]:
        member.state = MemberState.RESTING
        member.mute_at_us = None
        self._ended_us = max(self._ended_us, message.ended_us)
        return self._through(member)

    def _bye(self, member: _Member, message: Bye, now_us: int) -> list[Effect]:
        member.said_bye = True
        return []

    def _assign(self, member: _Member) -> list[Effect]:
        assert self._begin is not None
        member.state = MemberState.FITTING
        begin = self._begin
        assign = Assign(
            worker=member.number,
            workers=len(self._members),
            plan=begin.plan,
            seed=begin.seed,
            server_url=begin.server_url,
            fresh_session=begin.fresh_session,
            think_time_us=begin.think_time_us,
            stop_on_failure=begin.stop_on_failure,
            http=begin.http,
        )
        return [Tell(member.number, assign)]

    def _go_on(self, event: Go) -> list[Effect]:
        self._go = event
        present = [member for member in self._members if member.state is not MemberState.GONE]
        self._running = {member.number for member in present}
        effects: list[Effect] = []
        for member in present:
            if member.state in (MemberState.READY, MemberState.RESTING):
                effects += self._start(member, event)
        return effects or ([] if present else [PhaseOver(event.phase, self._ended_us)])

    def _start(self, member: _Member, go: Go) -> list[Effect]:
        member.state = MemberState.RUNNING
        member.heard_us = max(go.phase_at_us, member.heard_us or 0)
        length_us = self._length_us(go)
        if length_us is not None:
            planned_us = go.phase_at_us + length_us + self._grace_us() + MUTE_US
            member.mute_at_us = min(planned_us, member.mute_at_us or planned_us)
        start = Start(phase=go.phase, run_at_us=go.run_at_us, phase_at_us=go.phase_at_us)
        effects: list[Effect] = [Tell(member.number, start)]
        if self._halt is not None:
            effects.append(Tell(member.number, Stop(now=self._halt.now)))
        return effects

    def _through(self, member: _Member) -> list[Effect]:
        """`member` has no more to do in this phase."""
        if self._go is None or member.number not in self._running:
            return []
        self._running.discard(member.number)
        return [] if self._running else [PhaseOver(self._go.phase, self._ended_us)]

    def _end(self, now_us: int) -> list[Effect]:
        self._ending = True
        effects: list[Effect] = []
        for member in self._members:
            if member.state in (MemberState.GONE, MemberState.FINISHING):
                continue
            if member.state in (MemberState.STARTING, MemberState.LOADING):
                effects.append(Kill(member.number))
                continue
            member.state = MemberState.FINISHING
            member.mute_at_us = now_us + (CUT_OFF_US if self._halt and self._halt.now else self._grace_us() + MUTE_US)
            effects.append(Tell(member.number, Finish()))
        return effects + self._gone()

    def _stop(self, event: Halt, now_us: int) -> list[Effect]:
        self._halt = event
        effects: list[Effect] = []
        for member in self._members:
            if member.state is MemberState.GONE:
                continue
            wait_us = CUT_OFF_US if event.now else self._grace_us() + MUTE_US
            member.mute_at_us = min(now_us + wait_us, member.mute_at_us or now_us + wait_us)
            if member.state is MemberState.STARTING:
                effects.append(Kill(member.number))
            else:
                effects.append(Tell(member.number, Stop(now=event.now)))
        return effects

    def _tick(self, now_us: int) -> list[Effect]:
        slept = self._ticked_us is not None and now_us - self._ticked_us > 2 * US_PER_S
        self._ticked_us = now_us
        effects: list[Effect] = []
        for member in self._members:
            if member.state in (MemberState.GONE, MemberState.STARTING):
                continue
            if slept and member.heard_us is not None:
                member.heard_us = now_us  # it was this process that heard nothing
            if self._is_mute(member, now_us):
                member.mute_at_us = member.heard_us = None
                effects.append(Kill(member.number))
            else:
                effects.append(Tell(member.number, Alive()))
        return effects

    def _is_mute(self, member: _Member, now_us: int) -> bool:
        """Whether it should have ended long ago, or runs and has not sent its delta of each second for too long."""
        if member.mute_at_us is not None and now_us >= member.mute_at_us:
            return True
        silent = member.state is MemberState.RUNNING and member.heard_us is not None
        return silent and now_us - (member.heard_us or 0) > self._grace_us() + MUTE_US

    def _died(self, member: _Member, event: Died, now_us: int) -> list[Effect]:
        counts = Counts(*(max(both) for both in zip(event.counts, member.delivered, strict=True)))
        missing = counts - member.delivered
        early = self._go is None and member.state is not MemberState.FINISHING
        run_at_us = now_us if self._go is None else self._go.run_at_us
        loss = Loss(
            worker=member.number,
            incarnation=member.incarnation,
            reason=event.reason if member.unfit is None else f"could not load the tests again ({member.unfit})",
            from_us=member.last_us,
            to_us=max(member.last_us, now_us - run_at_us),
            iterations=counts.started - member.delivered.ended,
            sent=missing.sent,
            unsent=missing.unsent,
        )
        expected = (
            (member.said_bye and member.unfit is None) or self._refused or (self._ending and not any(event.counts))
        )
        member.state = MemberState.GONE
        resumes = self._has_time_left(member, now_us)
        useful = (resumes or self._has_more_phases()) and member.unfit is None
        replaced = not early and useful and self._may_replace(member, now_us)
        effects: list[Effect] = []
        if early and not self._refused and self._halt is None:
            effects += self._refuse(
                LoadFailed(
                    message=f"worker {member.number} {event.reason} before the run began",
                    hint="see what it printed above; --workers 0 runs the tests inside this command",
                    traceback="",
                )
            )
        if any(missing) or loss.iterations or not (expected or early):
            given_up = resumes and not replaced and self._halt is None
            effects.append(Lost(loss, missing, replaced, given_up))
        if replaced:
            self._members[member.number] = _Member(member.number, last_us=loss.to_us, deaths_us=member.deaths_us)
            effects.append(Spawn(member.number))
        if member.number in self._running or replaced:
            self._ended_us = max(self._ended_us, loss.to_us)
        if not (replaced and resumes):
            effects += self._through(member)
        return effects + self._gone()

    def _has_time_left(self, member: _Member, now_us: int) -> bool:
        """Whether another process could go on with what `member` was doing."""
        if self._go is None or member.number not in self._running:
            return False
        length_us = self._length_us(self._go)
        return length_us is not None and now_us < self._go.phase_at_us + length_us

    def _has_more_phases(self) -> bool:
        return self._go is not None and self._begin is not None and self._go.phase + 1 < len(self._begin.plan.phases)

    def _may_replace(self, member: _Member, now_us: int) -> bool:
        """Not when the run ends anyway, nor for a worker that dies all the time."""
        member.deaths_us = [at_us for at_us in member.deaths_us if now_us - at_us < DEATHS_WITHIN_US] + [now_us]
        return self._halt is None and not self._ending and len(member.deaths_us) < MAX_DEATHS

    def _refuse(self, failure: LoadFailed) -> list[Effect]:
        first, self._refused = not self._refused, True
        return [Refused(failure)] if first else []

    def _gone(self) -> list[Effect]:
        if self._reported_gone or any(member.state is not MemberState.GONE for member in self._members):
            return []
        self._reported_gone = True
        return [AllGone()]

    def _length_us(self, go: Go) -> int | None:
        assert self._begin is not None
        return self._begin.plan.phases[go.phase].duration_us

    def _grace_us(self) -> int:
        return 0 if self._begin is None else self._begin.plan.graceful_stop_us


_Saying = Callable[..., list[Effect]]
_S = MemberState

_SAYINGS: dict[tuple[type[Any], MemberState], _Saying] = {
    (Hello, _S.STARTING): PoolState._hello,
    (Loaded, _S.LOADING): PoolState._loaded,
    (LoadFailed, _S.LOADING): PoolState._load_failed,
    (Ready, _S.FITTING): PoolState._ready,
    (Delta, _S.FITTING): PoolState._delta,
    (Delta, _S.RUNNING): PoolState._delta,
    (Delta, _S.FINISHING): PoolState._delta,
    (Misused, _S.FITTING): PoolState._misused,
    (Misused, _S.RUNNING): PoolState._misused,
    (Misused, _S.FINISHING): PoolState._misused,
    (PhaseDone, _S.RUNNING): PoolState._phase_done,
    (Bye, _S.FINISHING): PoolState._bye,
    # What a worker was about to say when it was told to finish.
    (Loaded, _S.FINISHING): lambda *_: [],
    (LoadFailed, _S.FINISHING): lambda *_: [],
    (Ready, _S.FINISHING): lambda *_: [],
    (PhaseDone, _S.FINISHING): lambda *_: [],
}
