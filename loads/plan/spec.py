"""The plan that follows from the load that a user asked for, and the parsers of that load's texts.

`build_plan` checks all of it at once and answers a `Plan`: phases that follow one another, each with its users and
either a number of iterations per user or a profile over time; or one to which iterations arrive at a rate. Called by
whoever runs it; the plan travels to the workers as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from loads.errors import UsageError
from loads.plan.load import DEFAULT_GRACEFUL_STOP_US, LoadOptions, find_problems
from loads.plan.pacer import Arrivals, Pacer, RateStage
from loads.plan.profile import Profile, Stage
from loads.units import format_duration, format_rate, parse_duration_us, parse_rate, plural

DEFAULT_ROOM: Final = 10_000
"""Users that are there for arrivals where neither the user nor the machine's memory says how many."""
_MOST = 10_000_000


class Phase(msgspec.Struct, frozen=True):
    """One step of a plan: `users` slots that run `hits` iterations each, or follow `stages` over time, or serve
    `arrivals`.

    Exactly one of `hits`, `stages` and `arrivals` is set. `ramp_up_us` belongs to `hits`; the others hold theirs. With
    `pacing_us`, which arrivals don't have, a slot's iterations start that far apart. Arrival n belongs to slot n modulo
    `users`: who holds the slot runs it, with any user that is free; never with more users than slots are held.
    """

    users: int
    hits: int | None = None
    ramp_up_us: int = 0
    stages: tuple[Stage, ...] = ()
    arrivals: Arrivals | None = None
    pacing_us: int | None = None

    @property
    def duration_us(self) -> int | None:
        """Length in microseconds; None when the iterations decide."""
        if self.arrivals is not None:
            return self.arrivals.duration_us
        return None if self.hits is not None else Profile(self.stages).duration_us

    @property
    def due(self) -> int | None:
        """Planned iterations; None when the service decides."""
        if self.arrivals is not None:
            return pacer_of(self.arrivals).due
        if self.hits is not None:
            return self.users * self.hits
        return None if self.pacing_us is None else _paced(self, self.pacing_us)

    @property
    def has_starts(self) -> bool:
        """Whether it says when each iteration should start, so that it can be late."""
        return self.arrivals is not None or self.pacing_us is not None

    def windows(self, slot: int) -> list[tuple[int, int | None]]:
        """When VU `slot` (0 <= slot < users) runs: (begin_us, end_us) pairs from the phase's start; an end of
        None means until its iterations are done.
        """
        if self.hits is not None:
            return [(slot * self.ramp_up_us // self.users, None)]
        return list(Profile(self.stages).windows(slot))

    def describe(self) -> str:
        """The phase in a few words, for the plan that is printed before the start."""
        if self.arrivals is not None:
            return _describe_arrivals(self.arrivals, self.users)
        words = self._describe_users(plural(self.users, "user"))
        if self.pacing_us is None:
            return words
        count = "" if self.hits is not None else f" = {self.due:,}"
        return f"{words}, {describe_pacing(self.pacing_us)}{count}"

    def _describe_users(self, users: str) -> str:
        if self.hits is not None:
            ramp = f", started over {format_duration(self.ramp_up_us)}" if self.ramp_up_us else ""
            return f"{users} x {plural(self.hits, 'iteration')} = {self.users * self.hits:,}{ramp}"
        if len(self.stages) == 2 and not self.stages[0].duration_us and self.stages[0].users == self.stages[1].users:
            return f"{users} for {format_duration(self.stages[1].duration_us)}"
        return f"up to {users}: " + ", ".join(self._steps())

    def _steps(self) -> Iterator[str]:
        before = 0
        for stage in self.stages:
            if stage.users == before and not stage.duration_us:
                continue
            if stage.users == before:
                yield f"hold for {format_duration(stage.duration_us)}"
            elif not stage.duration_us:
                yield f"jump to {stage.users}"
            else:
                yield f"ramp to {stage.users} over {format_duration(stage.duration_us)}"
            before = stage.users


class Plan(msgspec.Struct, frozen=True):
    """Phases, one after the other, and how iterations in flight end.

    `each_once`: nothing was said about the load, so every selected test runs once, whatever its weight.
    """

    phases: tuple[Phase, ...]
    graceful_stop_us: int = DEFAULT_GRACEFUL_STOP_US
    each_once: bool = False

    @property
    def max_users(self) -> int:
        """The most VUs that run at the same time."""
        return max(phase.users for phase in self.phases)

    @property
    def duration_us(self) -> int | None:
        """Planned length; None when some phase ends with its iterations."""
        lengths = [phase.duration_us for phase in self.phases]
        return None if None in lengths else sum(length or 0 for length in lengths)

    @property
    def due(self) -> int | None:
        """Planned iterations; None when some phase ends with the time."""
        dues = [phase.due for phase in self.phases]
        return None if None in dues else sum(due or 0 for due in dues)

    @property
    def has_starts(self) -> bool:
        """Whether iterations have times at which they should start."""
        return any(phase.has_starts for phase in self.phases)

    @property
    def is_open(self) -> bool:
        """Whether iterations arrive at a rate."""
        return any(phase.arrivals is not None for phase in self.phases)


@lru_cache(maxsize=16)
def pacer_of(arrivals: Arrivals) -> Pacer:
    """The pacer of `arrivals`: random ones take a while to be counted."""
    return Pacer(arrivals)


@lru_cache(maxsize=64)
def _paced(phase: Phase, pacing_us: int) -> int:
    """How many iterations all slots together start in their time: a walk over all of them, unless they are alike."""
    begin, *rest = phase.stages
    if not begin.duration_us and all(stage.users == phase.users for stage in phase.stages):
        return phase.users * -(-sum(stage.duration_us for stage in rest) // pacing_us)
    return sum(
        -(-(end_us - begin_us) // pacing_us)
        for slot in range(phase.users)
        for begin_us, end_us in phase.windows(slot)
        if end_us is not None
    )


def build_plan(options: LoadOptions, scenarios: int, *, seed: int = 0, room: int = DEFAULT_ROOM) -> Plan:
    """The plan for `options`; `scenarios` (>= 1) tests are selected. `seed` is that of random arrivals. For those that
    arrive there are `room` users, where the options don't say how many.

    Where nothing at all is said about the load, each selected test runs once.

    Raises:
        UsageError: with every problem of the options.
    """
    problems = find_problems(options)
    if problems:
        raise UsageError.of(problems)
    if options.is_open:
        return Plan((_arrive(options, seed, room),), options.graceful_stop_us)
    paced = options.pacing_us
    if options.stages is not None:
        peak = max(stage.users for stage in options.stages)
        return Plan((Phase(peak, stages=options.stages, pacing_us=paced),), options.graceful_stop_us)
    users = options.users or (1,)
    ramp_up_us = options.ramp_up_us or 0
    if options.duration_us is not None:
        hold_us = options.duration_us - ramp_up_us
        phases = tuple(Phase(n, stages=(Stage(ramp_up_us, n), Stage(hold_us, n)), pacing_us=paced) for n in users)
        return Plan(phases, options.graceful_stop_us)
    each_once = options.users is None and options.hits is None
    hits = options.hits or (scenarios if each_once else 1,)
    phases = tuple(Phase(n, hits=h, ramp_up_us=ramp_up_us, pacing_us=paced) for n in users for h in hits)
    return Plan(phases, options.graceful_stop_us, each_once)


def _arrive(options: LoadOptions, seed: int, room: int) -> Phase:
    """The one phase of the open model."""
    arrivals = Arrivals(options.profile, seed if options.poisson else None)
    due = pacer_of(arrivals).due
    return Phase(options.max_users or max(1, min(room, due)), arrivals=arrivals)


def describe_pacing(pacing_us: int) -> str:
    """How far apart each user's iterations start, in words."""
    return f"one iteration every {format_duration(pacing_us)} each"


def parse_cycle(text: str) -> tuple[int, ...]:
    """``10`` or ``10:20:30`` as positive numbers.

    Raises:
        UsageError: some part is not a whole number above zero.
    """
    values = []
    for part in text.split(":"):
        if not (_is_count(part) and int(part)):
            where = "" if part == text else f" in {text!r}"
            raise UsageError(
                f"{part!r}{where} is not a whole number from 1 to {_MOST:,}", "like 200, or 10:20:30 for three rounds"
            )
        values.append(int(part))
    return tuple(values)


def parse_stages(text: str) -> tuple[Stage, ...] | tuple[RateStage, ...]:
    """``30s:50,1m:200,20s:0`` as stages; each goes evenly from the users before it to its own.

    Or ``30s:100/s,1m:500/s``, which goes from rate to rate.

    Raises:
        UsageError: some stage is neither DURATION:USERS nor, as all others, DURATION:RATE.
    """
    parts = text.split(",")
    if any("/" in part for part in parts):
        return _parse_rates(parts)
    stages = []
    for part in parts:
        duration, colon, users = part.strip().partition(":")
        if not colon or not _is_count(users):
            where = "" if part == text else f" in {text!r}"
            raise UsageError(f"{part!r}{where} is not DURATION:USERS", "like 30s:50,1m:200,20s:0 or 30s:100/s,1m:500/s")
        stages.append(Stage(parse_duration_us(duration), int(users)))
    return tuple(stages)


def _parse_rates(parts: list[str]) -> tuple[RateStage, ...]:
    stages = []
    for part in parts:
        duration, colon, rate = part.strip().partition(":")
        if not colon or "/" not in rate:
            raise UsageError(
                f"{part!r} is not DURATION:RATE, and others are", "like 30s:100/s,1m:500/s: users and rates don't mix"
            )
        stages.append(RateStage(parse_duration_us(duration), parse_rate(rate)))
    return tuple(stages)


def parse_count(text: str) -> int:
    """``500`` as a positive number.

    Raises:
        UsageError: it is none.
    """
    if not (_is_count(text) and int(text)):
        raise UsageError(f"{text!r} is not a whole number from 1 to {_MOST:,}", "like 200")
    return int(text)


def _describe_arrivals(arrivals: Arrivals, users: int) -> str:
    count = plural(pacer_of(arrivals).due, "iteration") + ("" if arrivals.seed is None else " at random times")
    flat = arrivals.stages
    if len(flat) == 2 and not flat[0].duration_us and flat[0].rate == flat[1].rate:
        shape = f"{format_rate(flat[1].rate)} for {format_duration(flat[1].duration_us)}"
    else:
        shape = ", ".join(_rate_steps(arrivals))
    return f"{count}, {shape}, by up to {plural(users, 'user')}"


def _rate_steps(arrivals: Arrivals) -> Iterator[str]:
    before = 0
    for stage in arrivals.stages:
        if stage.duration_us and stage.rate == before:
            yield f"{format_rate(before) if before else 'nothing'} for {format_duration(stage.duration_us)}"
        elif stage.duration_us:
            yield f"ramp to {format_rate(stage.rate)} over {format_duration(stage.duration_us)}"
        elif stage.rate != before:
            yield f"jump to {format_rate(stage.rate)}"
        before = stage.rate


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) and int(text) <= _MOST
