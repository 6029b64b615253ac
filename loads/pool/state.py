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

Before Begin worker 0 may have to run setUpRun: LOADED -(SetUpRun)-> SETTING_UP -SetUpDone-> LOADED. When the pool keeps
the run, its last worker is told to run tearDownRun (see `keeper`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from loads.errors import ProtocolError
from loads.plan.share import Portion
from loads.pool.course import Course
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
    RunIsSetUp,
    Said,
    SetUpRun,
    Share,
    Shared,
    Spawn,
    Tell,
    Tick,
    Took,
)
from loads.pool.keeper import Keeper
from loads.pool.member import FIT_US, Member, died_early, stop_of
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
    SetUpDone,
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
        self._course = Course()
        self._portions: tuple[Portion, ...] = ()
        self._debts = Debts()
        self._keeper = Keeper()
        self._running: set[int] = set()
        self._ended_us = 0
        self._refused = False
        self._reported_gone = False
        self._ticked_us: int | None = None

    def __repr__(self) -> str:
        members = " ".join(f"{member.number}:{member.state.value}" for member in self._members)
        return f"<Pool phase={'-' if self._course.phase is None else self._course.phase} {members}>"

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
                late = self._course.ending or self._course.halt is not None  # it could not be killed before
                return [event, Kill(worker)] if late and worker != self._keeper.number else [event]
            case Said(worker, message):
                return self._said(self._members[worker], message, now_us)
            case Died():
                return self._died(self._members[event.worker], event, now_us)
            case SetUpRun():
                return self._set_up(event)
            case Begin():
                return self._agree(event)
            case Go():
                return self._go_on(event, now_us)
            case Share():
                return self._share(event, now_us)
            case Lease(until_us):
                return self._lease(until_us)
            case End():
                return self._end(event, now_us)
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
        if self._course.ending and member.number != self._keeper.number:
            return [Kill(member.number)]  # it was being started when it was to be killed
        member.state = MemberState.LOADING
        return [Tell(member.number, self._load)]

    def _loaded(self, member: Member, message: Loaded, now_us: int) -> list[Effect]:
        member.state = MemberState.LOADED
        if self._course.begin is not None:
            return self._assign(member) + self._let_keeper_go(now_us)
        if all(other.state is MemberState.LOADED for other in self._members):
            return [AllLoaded(message)]
        return []

    def _load_failed(self, member: Member, message: LoadFailed, now_us: int) -> list[Effect]:
        member.state = MemberState.FINISHING
        refusal = self._refuse(message) if self._course.go is None else []
        member.unfit = None if self._course.go is None else message.message
        return [*refusal, Tell(member.number, Finish())]

    def _is_set_up(self, member: Member, message: SetUpDone, now_us: int) -> list[Effect]:
        member.state = MemberState.LOADED
        return [RunIsSetUp(message.data)]

    def _ready(self, member: Member, message: Ready, now_us: int) -> list[Effect]:
        member.state, member.ready_by_us = MemberState.READY, None
        if self._course.go is None:
            waiting = any(other.state is not MemberState.READY for other in self._members)
            return [] if waiting else [AllReady()]
        if member.number in self._running:
            return self._start(member, self._course.go, now_us)
        return []

    def _delta(self, member: Member, message: Delta, now_us: int) -> list[Effect]:
        if message.seq != member.last_seq + 1:
            raise ProtocolError(f"worker {member.number} sent delta {message.seq} after {member.last_seq}")
        member.deliver(message, message.t_us if self._course.go is None else now_us - self._course.go.run_at_us)
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

    def _set_up(self, event: SetUpRun) -> list[Effect]:
        self._course.was_set_up = True
        return self._members[0].set_up(event) if self._members[0].state is MemberState.LOADED else []

    def _agree(self, event: Begin) -> list[Effect]:
        self._course.begin, self._portions = event, event.portions
        effects: list[Effect] = []
        for member in self._members:
            member.take(self._part(event.portions, member), 0, event.from_us)
            if member.state is MemberState.LOADED:
                effects += self._assign(member)
        return effects

    def _assign(self, member: Member) -> list[Effect]:
        assert self._course.begin is not None
        return member.assign(self._course.begin, self._course.phase or 0)

    def _go_on(self, event: Go, now_us: int) -> list[Effect]:
        self._course.go = event
        present = [member for member in self._members if member.state is not MemberState.GONE]
        self._running = {member.number for member in present}
        effects: list[Effect] = []
        for member in present:
            if member.state is not MemberState.RUNNING:
                effects += self._start(member, event, now_us)
        return effects or ([] if present else [PhaseOver(event.phase, self._ended_us)])

    def _start(self, member: Member, go: Go, now_us: int) -> list[Effect]:
        """Let `member` run the phase; the phase waits for one that is not ready, but not for ever."""
        length_us = self._course.length_us(go)
        ends_us = None if length_us is None else go.phase_at_us + length_us + self._course.grace_us
        if not member.can_start:
            member.get_ready(go, now_us, ends_us)
            return []
        lease_until_us = now_us + LEASE_US if self._own_lease else self._lease_until_us
        effects = member.start(go, lease_until_us, now_us, ends_us)
        halted = self._course.halt
        return effects if halted is None else [*effects, Tell(member.number, stop_of(halted))]

    def _share(self, event: Share, now_us: int) -> list[Effect]:
        new, missing = difference(self._portions, event.portions)
        self._portions = event.portions
        is_open, was_over = self._course.is_open(event.from_phase, now_us), not self._running
        effects: list[Effect] = []
        owed = {}
        for member in self._members:
            takes, yields = self._part(new, member), self._part(missing, member)
            effects += member.share(takes, yields, event.from_phase, event.from_us)
            if yields and member.is_assigned:
                owed[member.number] = yields
            if takes and is_open and member.state is not MemberState.GONE:
                self._running.add(member.number)
                if self._course.go is not None:
                    effects += self._start(member, self._course.go, now_us)
        if was_over and self._running and self._course.go is not None:
            effects.append(Resumed(self._course.go.phase))
        self._debts.add(event.portions, owed)
        return effects + self._settle()

    def _settle(self) -> list[Effect]:
        return [Shared(portions) for portions in self._debts.settled()]

    def _part(self, portions: tuple[Portion, ...], member: Member) -> tuple[Portion, ...]:
        return part_of(portions, member.number, len(self._members))

    def _lease(self, until_us: int) -> list[Effect]:
        self._lease_until_us = until_us
        return [Tell(member.number, Alive(until_us=until_us)) for member in self._members if member.is_present]

    def _through(self, member: Member) -> list[Effect]:
        """`member` has no more to do in this phase."""
        if self._course.go is None or member.number not in self._running:
            return []
        self._running.discard(member.number)
        return [] if self._running else [PhaseOver(self._course.go.phase, self._ended_us)]

    def _end(self, event: End, now_us: int) -> list[Effect]:
        lacking = self._course.keeps(event) and not self._keeper.choose(self._members, begun=self._course.has_begun)
        effects = self._raise_keeper(now_us) if lacking else []
        self._course.ending = True
        until_us = now_us + self._course.wait_us(self._course.is_cut_off)
        others = [member for member in self._members if member.number != self._keeper.number]
        effects += [effect for member in others for effect in member.finish(until_us)]
        return effects + self._let_keeper_go(now_us) + self._gone()

    def _raise_keeper(self, now_us: int) -> list[Effect]:
        """Start a process that does nothing but run the tests' last fixtures, for nobody is left who could."""
        if (number := self._keeper.raise_one()) is None:
            return []
        member = self._members[number] = self._members[number].successor(self._members[number].last_us, None, None)
        member.limit(now_us + FIT_US)
        return [Spawn(number)]

    def _let_keeper_go(self, now_us: int) -> list[Effect]:
        if (number := self._keeper.number) is None or not self._keeper.may_go(self._members):
            return []
        self._keeper.number = None
        return self._members[number].finish(now_us + self._course.wait_us(False), tear_down_run=True)

    def _stop(self, event: Halt, now_us: int) -> list[Effect]:
        self._course.halt = event
        until_us = now_us + self._course.wait_us(event.now)
        effects = [effect for member in self._members for effect in member.halt(stop_of(event), until_us)]
        if event.now and (number := self._keeper.number) is not None:
            self._keeper.number = None
            effects += self._members[number].finish(until_us)
        return effects

    def _tick(self, now_us: int) -> list[Effect]:
        slept = self._ticked_us is not None and now_us - self._ticked_us > 2 * US_PER_S
        self._ticked_us = now_us
        until_us = now_us + LEASE_US if self._own_lease else None
        given = (now_us, slept, self._course.grace_us, until_us)
        return [effect for member in self._members for effect in member.tick(*given)]

    def _died(self, member: Member, event: Died, now_us: int) -> list[Effect]:
        early = self._course.go is None and member.state is not MemberState.FINISHING
        loss, missing = member.loss(event, 0 if self._course.go is None else now_us - self._course.go.run_at_us)
        left = member.said_bye and member.unfit is None
        expected = left or self._refused or (self._course.ending and not any(event.counts))
        was_setting_up, member.state = member.state is MemberState.SETTING_UP, MemberState.GONE
        self._debts.forgive(member.number)
        resumes = member.number in self._running and self._course.has_time_left(now_us)
        useful = (resumes or self._course.has_more_phases) and member.unfit is None
        replaced = not early and useful and self._may_replace(member, now_us)
        effects: list[Effect] = []
        if early and not self._refused and self._course.halt is None:
            effects += self._refuse(died_early(event, was_setting_up))
        if any(missing) or loss.iterations or not (expected or early):
            given_up = resumes and not replaced and self._course.halt is None
            effects.append(Lost(loss, missing, replaced, given_up))
        if replaced:
            from_phase = None if resumes else self._course.following
            self._members[member.number] = member.successor(loss.to_us, from_phase, self._course.phase)
            effects.append(Spawn(member.number))
            if self._course.go is not None and resumes:
                effects += self._start(self._members[member.number], self._course.go, now_us)
        if member.number in self._running or replaced:
            self._ended_us = max(self._ended_us, loss.to_us)
        if not (replaced and resumes):
            effects += self._through(member)
        if member.number == self._keeper.number:
            effects += self._raise_keeper(now_us)
        return effects + self._settle() + self._let_keeper_go(now_us) + self._gone()

    def _may_replace(self, member: Member, now_us: int) -> bool:
        """Not when the run ends anyway, nor for a worker that dies all the time."""
        often = member.die_often(now_us)
        return self._course.halt is None and not self._course.ending and not often

    def _refuse(self, failure: LoadFailed) -> list[Effect]:
        first, self._refused = not self._refused, True
        return [Refused(failure)] if first else []

    def _gone(self) -> list[Effect]:
        present = any(member.state is not MemberState.GONE for member in self._members)
        if present or self._reported_gone or self._course.keeps(End()):  # one more will come
            return []
        self._reported_gone = True
        return [AllGone()]


_Saying = Callable[..., list[Effect]]
_S = MemberState

_SAYINGS: dict[tuple[type[Any], MemberState], _Saying] = {
    (Hello, _S.STARTING): PoolState._hello,
    (Loaded, _S.LOADING): PoolState._loaded,
    **{(LoadFailed, state): PoolState._load_failed for state in (_S.LOADING, _S.SETTING_UP)},
    (SetUpDone, _S.SETTING_UP): PoolState._is_set_up,
    (Ready, _S.FITTING): PoolState._ready,
    **{(Delta, state): PoolState._delta for state in (_S.SETTING_UP, _S.FITTING, _S.RUNNING, _S.FINISHING)},
    **{(Misused, state): PoolState._misused for state in (_S.FITTING, _S.RUNNING, _S.FINISHING)},
    (PhaseDone, _S.RUNNING): PoolState._phase_done,
    **{(Yielded, state): PoolState._yielded for state in (_S.FITTING, _S.READY, _S.RUNNING, _S.RESTING, _S.FINISHING)},
    (Bye, _S.FINISHING): PoolState._bye,
    # What a worker was about to say when it was told to finish.
    **{(kind, _S.FINISHING): lambda *_: [] for kind in (Loaded, LoadFailed, SetUpDone, Ready, PhaseDone)},
}
