"""What keeps a submission out, whoever is free: its size, how many there are already, numbers beyond reason. Pure.

Of most of it runners say it earlier, and better. But whoever has a key can speak to a broker, and what it can't reckon
with must not come in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loads.errors import UsageError
from loads.metrics.expressions import parse_thresholds
from loads.plan.load import LoadOptions, find_problems
from loads.plan.settings import parse_run_name, parse_tag
from loads.wire.cluster import Submit, Trouble
from loads.wire.run import RunSpec

MOST: Final = 10_000_000
MOST_US: Final = 2**52
MOST_RUNS: Final = 1_000
"""At a time, those that wait for agents included: each is looked at in each tick."""
MOST_BYTES: Final = 4 << 20
"""Of a submission, which is kept in memory as long as its run goes on. Files go another way."""
MOST_THRESHOLDS: Final = 100


def find_excess(submit: Submit, size_bytes: int, runs: int) -> Trouble | None:
    """What is beyond reason: its size, so many `runs` that go on or wait, the load or a threshold; None: nothing."""
    if size_bytes > MOST_BYTES:
        return Trouble(
            message=f"what is to be run takes more than {MOST_BYTES:,} bytes to say",
            hint="name fewer targets, or hand on less with --env",
        )
    if runs >= MOST_RUNS:
        return Trouble(
            message=f"{runs:,} runs wait or go on already", hint="stop some: loads-runner --stop RUN, or --purge-broker"
        )
    if not _is_reasonable(submit.spec.load) or not 0 <= submit.spec.rules.warm_up_us < MOST_US:
        return Trouble(message="the load is beyond reason", hint=f"give at most {MOST:,} users and iterations")
    try:
        _check(submit)
    except UsageError as error:
        return Trouble(message=error.message, hint=error.hint)
    return None


def _is_reasonable(load: LoadOptions) -> bool:
    """Whether all its numbers are such that one can reckon with them."""
    counts = [*(load.users or ()), *(load.hits or ()), *(stage.users for stage in load.stages or ())]
    times_us = [load.duration_us or 0, load.ramp_up_us or 0, load.graceful_stop_us, load.pacing_us or 0]
    times_us += [stage.duration_us for stage in load.stages or ()] + [stage.duration_us for stage in load.rates or ()]
    rates = [load.arrival_rate or 0, *(stage.rate for stage in load.rates or ())]
    return (
        (load.max_users is None or 1 <= load.max_users <= MOST)
        and all(0 <= count <= MOST for count in counts)
        and all(0 <= time_us < MOST_US for time_us in times_us)
        and all(0 <= rate < MOST_US * MOST for rate in rates)
    )


def _check(submit: Submit) -> None:
    """Raise UsageError with what a client should have seen itself."""
    spec, rules = submit.spec, submit.spec.rules
    problems = [*find_problems(spec.load), *_ill_named(spec)]
    if len(rules.thresholds) > MOST_THRESHOLDS:
        problems.append(UsageError(f"{len(rules.thresholds):,} thresholds", f"give at most {MOST_THRESHOLDS}"))
    elif not 0 <= rules.max_lost <= 1:
        problems.append(UsageError("--max-lost is a part", "like 1%, or 0.01"))
    else:
        for text in rules.thresholds:
            try:
                parse_thresholds(text)
            except UsageError as error:
                problems.append(error)
    if problems:
        raise UsageError.of(problems)


def _ill_named(spec: RunSpec) -> Iterator[UsageError]:
    """A name and tags are shown to everybody, on terminals as well."""
    try:
        if spec.name:
            parse_run_name(spec.name)
        for key, value in spec.tags.items():
            parse_tag(f"{key}={value}")
    except UsageError as error:
        yield error
