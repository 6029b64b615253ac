"""The load as a user asks for it, and all that may be wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from loads.errors import UsageError
from loads.plan.pacer import MOST_RANDOM, Arrivals, Pacer, RateStage
from loads.plan.profile import Stage
from loads.units import HIGHEST_RATE, US_PER_S, Rate, format_duration

DEFAULT_GRACEFUL_STOP_US = 30_000_000
Called = Callable[[str], str]


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The load as asked for. None: not said.

    Attributes:
        users: cycle of user counts; each in turn runs each of `hits`.
        hits: cycle of iterations per user.
        duration_us: how long each users value runs instead.
        ramp_up_us: over how long the users start, evenly; or the rate rises.
        stages: the profile itself, instead of users and duration.
        arrival_rate: iterations start at this rate for `duration_us`, whoever is free runs them.
        rates: the rate over time, instead of arrival_rate and duration.
        poisson: they start at random times, at that rate.
        max_users: the most users that there are for them; None: as many as memory allows.
        pacing_us: each user starts an iteration every so often.
        graceful_stop_us: how long iterations in flight may go on after the end.
    """

    users: tuple[int, ...] | None = None
    hits: tuple[int, ...] | None = None
    duration_us: int | None = None
    ramp_up_us: int | None = None
    stages: tuple[Stage, ...] | None = None
    graceful_stop_us: int = DEFAULT_GRACEFUL_STOP_US
    arrival_rate: Rate | None = None
    rates: tuple[RateStage, ...] | None = None
    poisson: bool = False
    max_users: int | None = None
    pacing_us: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether iterations arrive at a rate."""
        return self.arrival_rate is not None or self.rates is not None

    @property
    def profile(self) -> tuple[RateStage, ...]:
        """The rate over time, however it was said; nothing where iterations don't arrive."""
        if self.rates is not None or self.arrival_rate is None:
            return self.rates or ()
        ramp_up_us = self.ramp_up_us or 0
        hold_us = max(0, (self.duration_us or 0) - ramp_up_us)
        return RateStage(ramp_up_us, self.arrival_rate), RateStage(hold_us, self.arrival_rate)

    @property
    def length_us(self) -> int | None:
        """How long it lasts, all rounds together; None when iterations decide."""
        timed = self.rates or self.stages
        if timed:
            return sum(stage.duration_us for stage in timed)
        rounds = 1 if self.is_open else len(self.users or (1,))
        return None if self.duration_us is None else rounds * self.duration_us


def times(options: LoadOptions, agents: int) -> LoadOptions:
    """`options` as a whole, where they were meant for each of so many agents."""
    if options.is_open:
        rate, rates, most = options.arrival_rate, options.rates, options.max_users
        return msgspec.structs.replace(
            options,
            arrival_rate=None if rate is None else rate * agents,
            rates=None if rates is None else tuple(RateStage(each.duration_us, each.rate * agents) for each in rates),
            max_users=None if most is None else most * agents,
        )
    stages = options.stages
    return msgspec.structs.replace(
        options,
        users=tuple(users * agents for users in options.users or (1,)) if stages is None else options.users,
        stages=None if stages is None else tuple(Stage(stage.duration_us, stage.users * agents) for stage in stages),
    )


def find_problems(
    options: LoadOptions,
    called: Called = "--{}".format,
    *,
    think_time_us: tuple[int, int] | None = None,
    warm_up_us: int = 0,
) -> list[UsageError]:
    """All that is wrong with `options`, each with a hint; `called` names a setting as the user wrote it.

    `think_time_us` and `warm_up_us` are no part of the load, but go only with some.
    """
    found = _open_problems(options, called) if options.is_open else _closed_problems(options, called)
    beside = _problems_beside(options, called, think_time_us, warm_up_us)
    return [*found, *_time_problems(options, called), *beside]


def _closed_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    """Of virtual users that loop."""
    if options.hits is not None and options.duration_us is not None:
        yield _exclude(called("hits"), called("duration"), "say one: how often, or how long")
    for name, asked in (("max-users", options.max_users is not None), ("poisson", options.poisson)):
        if asked:
            yield UsageError(f"{called(name)} is for iterations that arrive at a rate", "give an --arrival-rate, too")
    if options.pacing_us == 0:
        yield UsageError(
            f"{called('pacing')} is zero", "leave it out for iterations without a pause, or say how far apart"
        )
    stages = options.stages
    if stages is None:
        return
    given = (
        ("users", options.users),
        ("hits", options.hits),
        ("duration", options.duration_us),
        ("ramp-up", options.ramp_up_us),
    )
    for name, value in given:
        if value is not None:
            yield _exclude(called("stages"), called(name), "the stages hold users and times")
    if not sum(stage.duration_us for stage in stages):
        yield UsageError(f"{called('stages')} last no time", "give at least one of them a duration")
    if not max((stage.users for stage in stages), default=0):
        yield UsageError(f"{called('stages')} never have a user", "give at least one of them users")


def _open_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    """Of iterations that arrive at a rate."""
    name = called("stages" if options.arrival_rate is None else "arrival-rate")
    if options.users is not None:
        yield _exclude(name, called("users"), "as many users as needed run what arrives; --max-users bounds them")
    if options.hits is not None:
        yield _exclude(name, called("hits"), "the rate and the time say how many iterations there are")
    if options.pacing_us is not None:
        yield _exclude(name, called("pacing"), "a rate is for all users together, pacing for each of them")
    yield from _rate_problems(options, called) if options.arrival_rate is not None else _stage_problems(options, called)
    rates = options.profile
    if any(stage.rate > HIGHEST_RATE for stage in rates):
        yield UsageError(f"{name}: 10,000,000/s in all is the most", "give a lower rate, or fewer agents")
    elif options.poisson and Pacer(Arrivals(rates)).due > MOST_RANDOM:
        yield UsageError(
            f"{called('poisson')} is for up to {MOST_RANDOM:,} iterations", "leave it out, or run for a shorter time"
        )


def _rate_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    """Of one rate for a time."""
    name = called("arrival-rate")
    if options.stages is not None or options.rates is not None:
        yield _exclude(name, called("stages"), "write the rates into the stages, like 30s:100/s")
    elif options.duration_us is None:
        yield UsageError(f"{name} has no end", "say how long, like -d 60s")
    if not options.arrival_rate:
        yield UsageError(f"{name} is zero", "say how many iterations start, like 500/s")


def _stage_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    """Of a rate over time."""
    rates, name = options.profile, called("stages")
    if options.stages is not None:
        yield UsageError(
            f"{name} hold users and rates", "users and rates don't mix: write 30s:50 or 30s:50/s throughout"
        )
    for other, value in (("duration", options.duration_us), ("ramp-up", options.ramp_up_us)):
        if value is not None:
            yield _exclude(name, called(other), "the stages hold rates and times")
    if not sum(stage.duration_us for stage in rates):
        yield UsageError(f"{name} last no time", "give at least one of them a duration")
    elif not Pacer(Arrivals(rates)).due:
        yield UsageError(f"{name} never have a rate", "give at least one of them a rate above 0/s, and a duration")


def _time_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    duration, ramp_up = called("duration"), called("ramp-up")
    if options.duration_us == 0:
        yield UsageError(f"{duration} is zero", "say how long to run, like 30s")
    if options.duration_us and options.ramp_up_us and options.ramp_up_us > options.duration_us:
        yield UsageError(f"{ramp_up} is longer than {duration}", "the ramp is a part of the duration")


def _problems_beside(
    options: LoadOptions, called: Called, think_time_us: tuple[int, int] | None, warm_up_us: int
) -> Iterator[UsageError]:
    """Of what is said beside the load."""
    if think_time_us is not None and think_time_us[1]:
        if options.is_open:
            name = called("stages" if options.arrival_rate is None else "arrival-rate")
            yield _exclude(
                name, called("think-time"), "users wait for what arrives; what a visitor does is in the test"
            )
        elif options.pacing_us is not None:
            hint = (
                "say one: how far apart iterations start, or how long to wait after each (--think-time 0: not at all)"
            )
            yield _exclude(called("pacing"), called("think-time"), hint)
    length_us = options.length_us
    left_out_us = in_whole_seconds_us(warm_up_us)
    if length_us and left_out_us >= length_us:
        rounded = f"; it counts as {format_duration(left_out_us)}, in whole seconds" if left_out_us > warm_up_us else ""
        yield UsageError(
            f"{called('warm-up')} leaves nothing of a run of {format_duration(length_us)}",
            f"give a time that is shorter than the run{rounded}",
        )


def in_whole_seconds_us(warm_up_us: int) -> int:
    """What is left out for a warm-up of `warm_up_us`: no second that has a part of it is judged."""
    return -(-warm_up_us // US_PER_S) * US_PER_S


def _exclude(one: str, other: str, hint: str) -> UsageError:
    return UsageError(f"{one} and {other} exclude each other", hint)
