"""One worker as its pool sees it: where it is in its life, what it holds and has delivered, how long it may be silent.

Tells this one worker what `PoolState` decides for all of them. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from loads.metrics.counters import Counts
from loads.metrics.result import Loss
from loads.plan.share import Portion
from loads.pool.events import Begin, Died, Effect, Go, Halt, Kill, MemberState, SetUpRun, Tell
from loads.pool.shares import Held, without
from loads.units import US_PER_S
from loads.wire.messages import Alive, Assign, Delta, Finish, LoadFailed, SetUp, Start, Stop, Take, Yield

MUTE_US: Final = 5 * US_PER_S
"""How long beyond the graceful stop a worker may be silent before it is killed."""
CUT_OFF_US: Final = 3 * US_PER_S
"""The same after a hard stop."""
FIT_US: Final = 60 * US_PER_S
"""How long a phase without an end of its own waits for a worker that took the place of a dead one."""
MAX_DEATHS: Final = 5
DEATHS_WITHIN_US: Final = 60 * US_PER_S


@dataclass
class Member:
    """Worker `number`: one process after the other, but only one at a time.

    Attributes:
        held: what it is to run, here and in the phases that follow.
        starts: how many times it was told Start and has not answered PhaseDone.
        heard_us: when it was heard last, or could have been; None: it has nothing to say.
        mute_at_us: when it should have come to an end.
        ready_by_us: when it should be ready; None: it is, or a person watches how the tests are loaded the first time.
        replaces: the phase in which another died whose place it has: what was due at a rate before it is ready is gone.
        unfit: why it can't run the tests that others can.
    """

    number: int
    held: tuple[Held, ...] = ()
    state: MemberState = MemberState.STARTING
    incarnation: int = 0
    delivered: Counts = field(default_factory=Counts)
    last_seq: int = 0
    last_us: int = 0
    said_bye: bool = False
    starts: int = 0
    deaths_us: list[int] = field(default_factory=list)
    mute_at_us: int | None = None
    heard_us: int | None = None
    ready_by_us: int | None = None
    unfit: str | None = None
    replaces: int | None = None

    @property
    def is_present(self) -> bool:
        """Whether there is a process that has said who it is."""
        return self.state not in (MemberState.GONE, MemberState.STARTING)

    @property
    def is_assigned(self) -> bool:
        """Whether it knows what it is to run, and may run it yet."""
        return self.state in (MemberState.FITTING, MemberState.READY, MemberState.RUNNING, MemberState.RESTING)

    @property
    def can_start(self) -> bool:
        """Whether it has all it needs to run a phase, and perhaps runs one."""
        return self.state in (MemberState.READY, MemberState.RUNNING, MemberState.RESTING)

    def deliver(self, delta: Delta, run_us: int) -> None:
        """`delta` came at `run_us` of the run."""
        self.last_seq = delta.seq
        self.last_us = max(self.last_us, min(delta.t_us + US_PER_S, run_us))
        counts = zip(self.delivered, delta.summary.counts, strict=True)
        self.delivered = Counts(*(mine + more for mine, more in counts))

    def take(self, portions: tuple[Portion, ...], from_phase: int, from_us: int = 0) -> None:
        """From phase `from_phase` on it runs these, too; of one at a rate, what is due at `from_us` or later."""
        self.held += tuple(Held(portion, from_phase, from_us) for portion in portions)

    def set_up(self, event: SetUpRun) -> list[Effect]:
        """Tell it to run setUpRun, for all."""
        self.state = MemberState.SETTING_UP
        return [Tell(self.number, SetUp(server_url=event.server_url, http=event.http))]

    def assign(self, begin: Begin, phase: int) -> list[Effect]:
        """Tell it what to run, while `phase` goes on or is to come."""
        self.state = MemberState.FITTING
        now = [held for held in self.held if held.from_phase <= phase and not held.from_us]
        assign = Assign(
            worker=begin.first + self.number,
            portions=tuple(held.portion for held in now),
            plan=begin.plan,
            seed=begin.seed,
            server_url=begin.server_url,
            fresh_session=begin.fresh_session,
            think_time_us=begin.think_time_us,
            stop_on_failure=begin.stop_on_failure,
            http=begin.http,
            run_data=begin.run_data,
        )
        takes = [
            Take(portions=(held.portion,), from_phase=held.from_phase, from_us=held.from_us)
            for held in self.held
            if held not in now
        ]
        return [Tell(self.number, assign), *(Tell(self.number, take) for take in takes)]

    def share(
        self, takes: tuple[Portion, ...], yields: tuple[Portion, ...], from_phase: int, from_us: int
    ) -> list[Effect]:
        """What it runs has changed. Who is not assigned yet will be told then."""
        self.held = without(self.held, yields)
        self.take(takes, from_phase, from_us)
        effects: list[Effect] = []
        if takes and self.is_assigned:
            effects.append(Tell(self.number, Take(portions=takes, from_phase=from_phase, from_us=from_us)))
        if yields and self.is_assigned:
            effects.append(Tell(self.number, Yield(portions=yields, from_us=from_us)))
        return effects

    def get_ready(self, go: Go, now_us: int, ends_us: int | None) -> None:
        """The phase, whose last iteration ends before `ends_us`, waits for it."""
        self.ready_by_us = max(go.phase_at_us, now_us) + FIT_US if ends_us is None else ends_us + MUTE_US

    def start(self, go: Go, lease_until_us: int | None, now_us: int, ends_us: int | None) -> list[Effect]:
        """Tell it to start the phase, whose last iteration ends before `ends_us`, or to run what it took of it."""
        self.state = MemberState.RUNNING
        self.starts += 1
        self.heard_us = max(go.phase_at_us, now_us, self.heard_us or 0)
        if ends_us is not None:
            self.limit(ends_us + MUTE_US)
        from_us = max(0, now_us - go.phase_at_us) if self.replaces == go.phase else 0
        told = Start(phase=go.phase, run_at_us=go.run_at_us, phase_at_us=go.phase_at_us, from_us=from_us)
        start = Tell(self.number, told)
        return [start] if lease_until_us is None else [Tell(self.number, Alive(until_us=lease_until_us)), start]

    def finish(self, until_us: int, *, tear_down_run: bool = False) -> list[Effect]:
        """No phase follows. What has not loaded the tests yet is not waited for."""
        if self.state is MemberState.GONE:
            return []
        if self.state is MemberState.FINISHING:  # as it could not load the tests
            self.limit(until_us)
            return []
        if self.state in (MemberState.STARTING, MemberState.LOADING):
            return [Kill(self.number)]
        self.state, self.ready_by_us = MemberState.FINISHING, None
        self.mute_at_us = until_us
        return [Tell(self.number, Finish(tear_down_run=tear_down_run))]

    def halt(self, stop: Stop, until_us: int) -> list[Effect]:
        """Let it start nothing more, as `stop` says."""
        if self.state is MemberState.GONE:
            return []
        self.limit(until_us)
        return [Kill(self.number) if self.state is MemberState.STARTING else Tell(self.number, stop)]

    def tick(self, now_us: int, slept: bool, grace_us: int, lease_until_us: int | None) -> list[Effect]:
        """Time has passed: end it if it is mute, else let it go on. `slept`: it was this process that heard nothing."""
        if self.state is MemberState.GONE:
            return []
        if slept and self.heard_us is not None:
            self.heard_us = now_us
        if self._is_mute(now_us, grace_us):
            if self.state is not MemberState.STARTING:  # else there may be no process yet: the next tick tries again
                self.mute_at_us = self.heard_us = self.ready_by_us = None
            return [Kill(self.number)]
        if self.state is MemberState.STARTING or lease_until_us is None:
            return []
        return [Tell(self.number, Alive(until_us=lease_until_us))]

    def successor(self, last_us: int, from_phase: int | None, during: int | None) -> Member:
        """Who takes its place: at once, `during` a phase, or not before `from_phase`, as iterations that are due run
        only once.
        """
        held = tuple(replace(each, from_phase=max(each.from_phase, from_phase or 0)) for each in self.held)
        phase = None if from_phase is not None else during
        return Member(self.number, held, last_us=last_us, deaths_us=self.deaths_us, replaces=phase)

    def limit(self, until_us: int) -> None:
        """It has to come to an end until then, or before."""
        self.mute_at_us = min(until_us, self.mute_at_us or until_us)

    def _is_mute(self, now_us: int, grace_us: int) -> bool:
        """Whether it should have ended long ago, or runs and has not sent its delta of each second for too long."""
        limits_us = [limit_us for limit_us in (self.mute_at_us, self.ready_by_us) if limit_us is not None]
        if any(now_us >= limit_us for limit_us in limits_us):
            return True
        silent = self.state is MemberState.RUNNING and self.heard_us is not None
        return silent and now_us - (self.heard_us or 0) > grace_us + MUTE_US

    def die_often(self, now_us: int) -> bool:
        """Count one more death; whether there were too many lately."""
        self.deaths_us = [at_us for at_us in self.deaths_us if now_us - at_us < DEATHS_WITHIN_US] + [now_us]
        return len(self.deaths_us) >= MAX_DEATHS

    def loss(self, died: Died, run_us: int) -> tuple[Loss, Counts]:
        """What died with its process at `run_us` of the run, and what its counters hold beyond what it delivered."""
        counts = Counts(*(max(both) for both in zip(died.counts, self.delivered, strict=True)))
        missing = counts - self.delivered
        loss = Loss(
            worker=self.number,
            incarnation=self.incarnation,
            reason=died.reason if self.unfit is None else f"could not load the tests again ({self.unfit})",
            from_us=self.last_us,
            to_us=max(self.last_us, run_us),
            iterations=counts.started - self.delivered.ended,
            sent=missing.sent,
            unsent=missing.unsent,
        )
        return loss, missing


def died_early(died: Died, in_set_up: bool) -> LoadFailed:
    """Why the tests can't be run: a worker died before the run began."""
    return LoadFailed(
        message=f"worker {died.worker} {died.reason} {'in setUpRun' if in_set_up else 'before the run began'}",
        hint="see what it printed above; --workers 0 runs the tests inside this command",
        traceback="",
    )


def stop_of(halt: Halt) -> Stop:
    """What a worker is told when the owner wants it to stop."""
    return Stop(now=halt.now, grace_us=halt.grace_us)
