"""What a user asked for, and the plan that follows from it.

`LoadOptions` is the load as given on a command line; `build_plan` checks all of it at once and answers a
`Plan`: phases that follow one another, each with its users and either a number of iterations per user or a
profile over time. Called by cli and runner; the plan travels to the workers as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from loads.errors import UsageError
from loads.plan.profile import Profile, Stage
from loads.units import format_duration, parse_duration_us, plural

DEFAULT_GRACEFUL_STOP_US = 30_000_000
_MOST = 10_000_000


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The load as asked for. None: not said.

    Attributes:
        users: cycle of user counts; each in turn runs each of `hits`.
        hits: cycle of iterations per user.
        duration_us: how long each users value runs instead.
        ramp_up_us: over how long the users start, evenly.
        stages: the profile itself, instead of users and duration.
        graceful_stop_us: how long iterations in flight may go on after the end.
    """

    users: tuple[int, ...] | None = None
    hits: tuple[int, ...] | None = None
    duration_us: int | None = None
    ramp_up_us: int | None = None
    stages: tuple[Stage, ...] | None = None
    graceful_stop_us: int = DEFAULT_GRACEFUL_STOP_US


class Phase(msgspec.Struct, frozen=True):
    """One step of a plan: `users` slots that run `hits` iterations each, or follow `stages` over time.

    Exactly one of `hits` and `stages` is set. `ramp_up_us` belongs to `hits`; stages hold theirs.
    """

    users: int
    hits: int | None = None
    ramp_up_us: int = 0
    stages: tuple[Stage, ...] = ()

    @property
    def duration_us(self) -> int | None:
        """Length in microseconds; None when the iterations decide."""
        return None if self.hits is not None else Profile(self.stages).duration_us

    @property
    def due(self) -> int | None:
        """Planned iterations; None when the time decides."""
        return None if self.hits is None else self.users * self.hits

    def windows(self, slot: int) -> list[tuple[int, int | None]]:
        """When VU `slot` (0 <= slot < users) runs: (begin_us, end_us) pairs from the phase's start; an end of
        None means until its iterations are done.
        """
        if self.hits is not None:
            return [(slot * self.ramp_up_us // self.users, None)]
        return list(Profile(self.stages).windows(slot))

    def describe(self) -> str:
        """The phase in a few words, for the plan that is printed before the start."""
        users = plural(self.users, "user")
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


def times(options: LoadOptions, agents: int) -> LoadOptions:
    """`options` as a whole, where they were meant for each of so many agents."""
    stages = options.stages
    return msgspec.structs.replace(
        options,
        users=tuple(users * agents for users in options.users or (1,)) if stages is None else options.users,
        stages=None if stages is None else tuple(Stage(stage.duration_us, stage.users * agents) for stage in stages),
    )


def build_plan(options: LoadOptions, scenarios: int) -> Plan:
    """The plan for `options`; `scenarios` (>= 1) tests are selected.

    Where nothing at all is said about the load, each selected test runs once.

    Raises:
        UsageError: with every problem of the options.
    """
    problems = list(find_problems(options))
    if problems:
        raise UsageError.of(problems)
    if options.stages is not None:
        peak = max(stage.users for stage in options.stages)
        return Plan((Phase(peak, stages=options.stages),), options.graceful_stop_us)
    users = options.users or (1,)
    ramp_up_us = options.ramp_up_us or 0
    if options.duration_us is not None:
        hold_us = options.duration_us - ramp_up_us
        phases = tuple(Phase(n, stages=(Stage(ramp_up_us, n), Stage(hold_us, n))) for n in users)
    else:
        each_once = options.users is None and options.hits is None
        hits = options.hits or (scenarios if each_once else 1,)
        phases = tuple(Phase(n, hits=h, ramp_up_us=ramp_up_us) for n in users for h in hits)
        return Plan(phases, options.graceful_stop_us, each_once)
    return Plan(phases, options.graceful_stop_us)


def find_problems(options: LoadOptions, called: Callable[[str], str] = "--{}".format) -> list[UsageError]:
    """All that is wrong with `options`, each with a hint; `called` names a setting as the user wrote it."""
    hits, duration, ramp_up, stages = map(called, ("hits", "duration", "ramp-up", "stages"))
    problems = []
    if options.hits is not None and options.duration_us is not None:
        problems.append(UsageError(f"{hits} and {duration} exclude each other", "say one: how often, or how long"))
    if options.stages is not None:
        problems += [
            UsageError(f"{stages} and {other} exclude each other", "the stages hold users and times")
            for other, value in (
                (called("users"), options.users),
                (hits, options.hits),
                (duration, options.duration_us),
                (ramp_up, options.ramp_up_us),
            )
            if value is not None
        ]
        if not sum(stage.duration_us for stage in options.stages):
            problems.append(UsageError(f"{stages} last no time", "give at least one of them a duration"))
        if not max(stage.users for stage in options.stages):
            problems.append(UsageError(f"{stages} never have a user", "give at least one of them users"))
    if options.duration_us == 0:
        problems.append(UsageError(f"{duration} is zero", "say how long to run, like 30s"))
    if options.duration_us and options.ramp_up_us and options.ramp_up_us > options.duration_us:
        problems.append(UsageError(f"{ramp_up} is longer than {duration}", "the ramp is a part of the duration"))
    return problems


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


def parse_stages(text: str) -> tuple[Stage, ...]:
    """``30s:50,1m:200,20s:0`` as stages; each goes evenly from the users before it to its own.

    Raises:
        UsageError: some stage is not DURATION:USERS.
    """
    stages = []
    for part in text.split(","):
        duration, colon, users = part.strip().partition(":")
        if not colon or not _is_count(users):
            where = "" if part == text else f" in {text!r}"
            raise UsageError(f"{part!r}{where} is not DURATION:USERS", "like 30s:50,1m:200,20s:0")
        stages.append(Stage(parse_duration_us(duration), int(users)))
    return tuple(stages)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) and int(text) <= _MOST
