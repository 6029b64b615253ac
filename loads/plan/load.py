"""The load as a user asks for it, and all that may be wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from loads.errors import UsageError
from loads.plan.pacer import RateStage
from loads.plan.profile import Stage
from loads.units import Rate

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


def find_problems(options: LoadOptions, called: Called = "--{}".format) -> list[UsageError]:
    """All that is wrong with `options`, each with a hint; `called` names a setting as the user wrote it."""
    found = _open_problems(options, called) if options.is_open else _closed_problems(options, called)
    return [*found, *_time_problems(options, called)]


def _closed_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    """Of virtual users that loop."""
    if options.hits is not None and options.duration_us is not None:
        yield _exclude(called("hits"), called("duration"), "say one: how often, or how long")
    for name, asked in (("max-users", options.max_users is not None), ("poisson", options.poisson)):
        if asked:
            yield UsageError(f"{called(name)} is for iterations that arrive at a rate", "give an --arrival-rate, too")
    if options.pacing_us == 0:
        yield UsageError(f"{called('pacing')} is zero", "leave it out for iterations without a pause, or say 5s")
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
    if not max(stage.users for stage in stages):
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
    if options.rates is not None:
        given = (
            ("arrival-rate", options.arrival_rate),
            ("duration", options.duration_us),
            ("ramp-up", options.ramp_up_us),
        )
        for other, value in given:
            if value is not None:
                yield _exclude(called("stages"), called(other), "the stages hold rates and times")
        if not sum(stage.duration_us for stage in options.rates):
            yield UsageError(f"{called('stages')} last no time", "give at least one of them a duration")
        elif not any(stage.rate for stage in options.rates):
            yield UsageError(f"{called('stages')} never have a rate", "give at least one of them a rate above 0/s")
        return
    if options.stages is not None:
        yield _exclude(called("arrival-rate"), called("stages"), "write the rates into the stages, like 30s:100/s")
    elif options.duration_us is None:
        yield UsageError(f"{name} has no end", "say how long, like -d 60s")
    if not options.arrival_rate:
        yield UsageError(f"{name} is zero", "say how many iterations start, like 500/s")


def _time_problems(options: LoadOptions, called: Called) -> Iterator[UsageError]:
    duration, ramp_up = called("duration"), called("ramp-up")
    if options.duration_us == 0:
        yield UsageError(f"{duration} is zero", "say how long to run, like 30s")
    if options.duration_us and options.ramp_up_us and options.ramp_up_us > options.duration_us:
        yield UsageError(f"{ramp_up} is longer than {duration}", "the ramp is a part of the duration")


def _exclude(one: str, other: str, hint: str) -> UsageError:
    return UsageError(f"{one} and {other} exclude each other", hint)
