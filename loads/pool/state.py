"""The workers of one run on one machine, as a pure state machine.

`PoolState.handle(event, now_us)` answers what to do: spawn, tell, kill, and what to report to the owner (a local run,
or an agent). It does nothing itself and has no clock. What a worker may say in which state is the table `_SAYINGS`;
anything else raises and changes nothing.

    STARTING -Hello-> LOADING -Loaded-> LOADED -(Begin)-> FITTING -Ready-> READY -(Go)-> RUNNING
                                                                                         |    ^
                                                             PhaseDone                   v    | (Go), (Share)
                                          GONE <-death- FINISHING <--------(End)------- RESTING

A worker that dies is replaced on the same VU slots while its phase has time left, or when another phase is to come.
The phase does not wait for ever: a new one that hangs before Ready is killed. Whatever a worker began and never
delivered is reported as lost, by its counters.

What the pool holds may change in mid-run (Share). A worker then hears Take and Yield, and, when what it takes belongs
to the phase that goes on, Start once more: it may have come to the end of its own share, or be about to say so. Each
Start is answered by one PhaseDone, so it is RESTING when all are; a phase that was over is resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from loads.errors import ProtocolError
from loads.plan.share import Portion
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
    Lease,
    Lost,
    Measured,
    MemberState,
    PhaseOver,
    Refused,
    Resumed,
    Said,
    Share,
    Shared,
    Spawn,
    Tell,
    Tick,
    Took,
)
from loads.pool.member import CUT_OFF_US, MUTE_US, Member, died_early
from loads.pool.shares import Debts, difference, part_of
from loads.units import US_PER_S
from loads.wire.messages import (
    PROTOCOL,
    Alive,
    Bye,
    Delta,
    Finish,
    Hello,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    Misused,
    PhaseDone,
    Ready,
    Stop,
    Up,
    Yielded,
)

LEASE_US: Final = 5 * US_PER_S // 2
"""How long workers go on without a word from a pool that renews their lease itself."""


class PoolState:
    """`workers` processes for the tests that `load` names.

    With `own_lease` each Tick renews the workers' leave to start iterations; else only the owner's `Lease` does.
    """

    def __init__(self, workers: int, load: Load, *, own_lease: bool = True) -> None:
        self._load = load
        self._own_lease = own_lease
        self._lease_until_us: int | None = None
        self._members = [Member(number) for number in range(workers)]
        self._begin: Begin | None = None
        self._portions: tuple[Portion, ...] = ()
        self._debts = Debts()
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
            case Took(worker, incarnation):
                self._members[worker].incarnation = incarnation
                late = self._ending or self._halt is not None  # it could not be killed before
                return [event, Kill(worker)] if late else [event]
            case Said(worker, message):
                return self._said(self._members[worker], message, now_us)
            case Died():
                return self._died(self._members[event.worker], event, now_us)
            case Begin():
                return self._agree(event)
            case Go():
                return self._go_on(event, now_us)
            case Share():
                return self._share(event, now_us)
            case Lease(until_us):
                return self._lease(until_us)
            case End():
                return self._end(now_us)
            case Halt():
                return self._stop(event, now_us)
            case Tick():
                return self._tick(now_us)

    def _said(self, member: Member, message: Up, now_us: int) -> list[Effect]:
        saying = _SAYINGS.get((type(message), member.state))
        if saying is None:
            raise ProtocolError(f"worker {member.number} said {type(message).__name__} while {member.state.value}")
        effects = saying(self, member, message, now_us)
        member.heard_us = max(now_us, member.heard_us or 0)
        return effects

    def _hello(self, member: Member, message: Hello, now_us: int) -> list[Effect]:
        if message.protocol != PROTOCOL:
            raise ProtocolError(f"worker {member.number} speaks protocol {message.protocol}, not {PROTOCOL}")
        member.incarnation = message.incarnation
        if self._ending:  # it was being started when it was to be killed
            return [Kill(member.number)]
        member.state = MemberState.LOADING
        return [Tell(member.number, self._load)]

    def _loaded(self, member: Member, message: Loaded, now_us: int) -> list[Effect]:
        member.state = MemberState.LOADED
        if self._begin is not None:
            return self._assign(member)
        if all(other.state is MemberState.LOADED for other in self._members):
            return [AllLoaded(message)]
        return []

    def _load_failed(self, member: Member, message: LoadFailed, now_us: int) -> list[Effect]:
        member.state = MemberState.FINISHING
        refusal = self._refuse(message) if self._go is None else []
        member.unfit = None if self._go is None else message.message
        return [*refusal, Tell(member.number, Finish())]

    def _ready(self, member: Member, message: Ready, now_us: int) -> list[Effect]:
        member.state, member.ready_by_us = MemberState.READY, None
        if self._go is None:
            waiting = any(other.state is not MemberState.READY for other in self._members)
            return [] if waiting else [AllReady()]
        if member.number in self._running:
            return self._start(member, self._go, now_us)
        return []

    def _delta(self, member: Member, message: Delta, now_us: int) -> list[Effect]:
        if message.seq != member.last_seq + 1:
            raise ProtocolError(f"worker {member.number} sent delta {message.seq} after {member.last_seq}")
        member.deliver(message, message.t_us if self._go is None else now_us - self._go.run_at_us)
        return [Measured(member.number, member.incarnation, message), Tell(member.number, Kept(seq=message.seq))]

    def _misused(self, member: Member, message: Misused, now_us: int) -> list[Effect]:
        return self._refuse(LoadFailed(message=message.message, hint=message.hint, traceback=""))

    def _phase_done(self, member: Member, message: PhaseDone, now_us: int) -> list[Effect]:
        self._ended_us = max(self._ended_us, message.ended_us)
        member.starts -= 1
        if member.starts:
            return []
        member.state = MemberState.RESTING
        member.mute_at_us = None
        return self._through(member)

    def _yielded(self, member: Member, message: Yielded, now_us: int) -> list[Effect]:
        if not self._debts.owes(member.number, message.portions):
            raise ProtocolError(f"worker {member.number} yielded what it was not told to")
        self._debts.pay(member.number, message.portions)
        return self._settle()

    def _bye(self, member: Member, message: Bye, now_us: int) -> list[Effect]:
        member.said_bye = True
        return []

    def _agree(self, event: Begin) -> list[Effect]:
        self._begin, self._portions = event, event.portions
        effects: list[Effect] = []
        for member in self._members:
            member.take(self._part(event.portions, member), 0)
            if member.state is MemberState.LOADED:
                effects += self._assign(member)
        return effects

    def _assign(self, member: Member) -> list[Effect]:
        assert self._begin is not None
        return member.assign(self._begin, 0 if self._go is None else self._go.phase)

    def _go_on(self, event: Go, now_us: int) -> list[Effect]:
        self._go = event
        present = [member for member in self._members if member.state is not MemberState.GONE]
        self._running = {member.number for member in present}
        effects: list[Effect] = []
        for member in present:
            if member.state is not MemberState.RUNNING:
                effects += self._start(member, event, now_us)
        return effects or ([] if present else [PhaseOver(event.phase, self._ended_us)])

    def _start(self, member: Member, go: Go, now_us: int) -> list[Effect]:
        """Let `member` run the phase; the phase waits for one that is not ready, but not for ever."""
        length_us = self._length_us(go)
        ends_us = None if length_us is None else go.phase_at_us + length_us + self._grace_us()
        if not member.can_start:
            member.get_ready(go, now_us, ends_us)
            return []
        lease_until_us = now_us + LEASE_US if self._own_lease else self._lease_until_us
        effects = member.start(go, lease_until_us, now_us, ends_us)
        return effects if self._halt is None else [*effects, Tell(member.number, Stop(now=self._halt.now))]

    def _share(self, event: Share, now_us: int) -> list[Effect]:
        new, missing = difference(self._portions, event.portions)
        self._portions = event.portions
        is_open, was_over = self._is_open(event.from_phase, now_us), not self._running
        effects: list[Effect] = []
        owed = {}
        for member in self._members:
            takes, yields = self._part(new, member), self._part(missing, member)
            effects += member.share(takes, yields, event.from_phase)
            if yields and member.is_assigned:
                owed[member.number] = yields
            if takes and is_open and member.state is not MemberState.GONE:
                self._running.add(member.number)
                if self._go is not None:
                    effects += self._start(member, self._go, now_us)
        if was_over and self._running and self._go is not None:
            effects.append(Resumed(self._go.phase))
        self._debts.add(event.portions, owed)
        return effects + self._settle()

    def _is_open(self, from_phase: int, now_us: int) -> bool:
        """Whether something of what is taken can still run in the phase that goes on."""
        if self._go is None or self._go.phase < from_phase or self._halt is not None or self._ending:
            return False
        length_us = self._length_us(self._go)
        return length_us is None or now_us < self._go.phase_at_us + length_us

    def _settle(self) -> list[Effect]:
        return [Shared(portions) for portions in self._debts.settled()]

    def _part(self, portions: tuple[Portion, ...], member: Member) -> tuple[Portion, ...]:
        return part_of(portions, member.number, len(self._members))

    def _lease(self, until_us: int) -> list[Effect]:
        self._lease_until_us = until_us
        return [Tell(member.number, Alive(until_us=until_us)) for member in self._members if member.is_present]

    def _through(self, member: Member) -> list[Effect]:
        """`member` has no more to do in this phase."""
        if self._go is None or member.number not in self._running:
            return []
        self._running.discard(member.number)
        return [] if self._running else [PhaseOver(self._go.phase, self._ended_us)]

    def _end(self, now_us: int) -> list[Effect]:
        self._ending = True
        until_us = now_us + self._wait_us(self._halt is not None and self._halt.now)
        return [effect for member in self._members for effect in member.finish(until_us)] + self._gone()

    def _stop(self, event: Halt, now_us: int) -> list[Effect]:
        self._halt = event
        until_us = now_us + self._wait_us(event.now)
        return [effect for member in self._members for effect in member.halt(event.now, until_us)]

    def _tick(self, now_us: int) -> list[Effect]:
        slept = self._ticked_us is not None and now_us - self._ticked_us > 2 * US_PER_S
        self._ticked_us = now_us
        until_us = now_us + LEASE_US if self._own_lease else None
        given = (now_us, slept, self._grace_us(), until_us)
        return [effect for member in self._members for effect in member.tick(*given)]

    def _died(self, member: Member, event: Died, now_us: int) -> list[Effect]:
        early = self._go is None and member.state is not MemberState.FINISHING
        loss, missing = member.loss(event, 0 if self._go is None else now_us - self._go.run_at_us)
        left = member.said_bye and member.unfit is None
        expected = left or self._refused or (self._ending and not any(event.counts))
        member.state = MemberState.GONE
        self._debts.forgive(member.number)
        resumes = self._has_time_left(member, now_us)
        useful = (resumes or self._has_more_phases()) and member.unfit is None
        replaced = not early and useful and self._may_replace(member, now_us)
        effects: list[Effect] = []
        if early and not self._refused and self._halt is None:
            effects += self._refuse(died_early(event))
        if any(missing) or loss.iterations or not (expected or early):
            given_up = resumes and not replaced and self._halt is None
            effects.append(Lost(loss, missing, replaced, given_up))
        if replaced:
            self._members[member.number] = member.successor(loss.to_us, None if resumes else self._following)
            effects.append(Spawn(member.number))
            if self._go is not None and resumes:
                effects += self._start(self._members[member.number], self._go, now_us)
        if member.number in self._running or replaced:
            self._ended_us = max(self._ended_us, loss.to_us)
        if not (replaced and resumes):
            effects += self._through(member)
        return effects + self._settle() + self._gone()

    def _has_time_left(self, member: Member, now_us: int) -> bool:
        """Whether another process could go on with what `member` was doing."""
        if self._go is None or member.number not in self._running:
            return False
        length_us = self._length_us(self._go)
        return length_us is not None and now_us < self._go.phase_at_us + length_us

    @property
    def _following(self) -> int:
        """The next phase."""
        return 0 if self._go is None else self._go.phase + 1

    def _has_more_phases(self) -> bool:
        return self._begin is not None and 0 < self._following < len(self._begin.plan.phases)

    def _may_replace(self, member: Member, now_us: int) -> bool:
        """Not when the run ends anyway, nor for a worker that dies all the time."""
        often = member.die_often(now_us)
        return self._halt is None and not self._ending and not often

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

    def _wait_us(self, now: bool) -> int:
        return CUT_OFF_US if now else self._grace_us() + MUTE_US

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
    (Yielded, _S.FITTING): PoolState._yielded,
    (Yielded, _S.READY): PoolState._yielded,
    (Yielded, _S.RUNNING): PoolState._yielded,
    (Yielded, _S.RESTING): PoolState._yielded,
    (Yielded, _S.FINISHING): PoolState._yielded,
    (Bye, _S.FINISHING): PoolState._bye,
    # What a worker was about to say when it was told to finish.
    (Loaded, _S.FINISHING): lambda *_: [],
    (LoadFailed, _S.FINISHING): lambda *_: [],
    (Ready, _S.FINISHING): lambda *_: [],
    (PhaseDone, _S.FINISHING): lambda *_: [],
}
