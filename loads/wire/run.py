"""What to run and how; and what follows from it once the tests are known.

The same for a run over worker processes, for one inside the command and for one on a cluster, so that all plan alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

import msgspec

from loads.metrics.result import Result, RunInfo
from loads.metrics.rules import Rules
from loads.plan.http import HttpOptions
from loads.plan.load import LoadOptions
from loads.plan.settings import MAX_NAME, MAX_TAGS
from loads.plan.spec import DEFAULT_ROOM, Plan, build_plan, describe_pacing
from loads.units import US_PER_S, format_duration, plural
from loads.wire.messages import Load, Loaded

_MOST_THRESHOLDS = 20
"""That the plan lists; the others are counted."""

RunName = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
Tags = Annotated[dict[Annotated[str, msgspec.Meta(max_length=100)], RunName], msgspec.Meta(max_length=MAX_TAGS)]
"""What a run is tagged with, by key."""

ABORT_GRACE_US: Final = US_PER_S
"""How long iterations in flight may go on when a threshold ends the run: its fixtures come to their ends as ever."""


@dataclass(frozen=True)
class RunSpec:
    """One run, as the command line asks for it.

    Attributes:
        search_path: directories that come first when modules are looked for.
        workers: processes; None: as many as there are processors and users for.
        select: which of the targets' tests, as pytest's -k; None: all.
        think_time_us: the least and the most that a user waits between two iterations; None: it doesn't.
        stop_on_failure: end gracefully at so many failures and errors; None: never.
        log_level, log_file: how the tests' logging is set up; None: not at all, and nowhere but the standard error.
        http: how requests find their way.
        env: variables for the environment of the tests.
        rules: what the run is judged by.
        name: what its user calls it; empty: nothing.
        tags: what it is to be found by.
    """

    targets: tuple[str, ...]
    search_path: tuple[str, ...]
    load: LoadOptions
    workers: int | None
    seed: int
    server_url: str | None
    fresh_session: bool
    select: str | None = None
    think_time_us: tuple[int, int] | None = None
    stop_on_failure: int | None = None
    log_level: str | None = None
    log_file: str | None = None
    http: HttpOptions = field(default_factory=HttpOptions)
    env: dict[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    name: RunName = ""
    tags: Tags = field(default_factory=dict)


def load_message(spec: RunSpec) -> Load:
    """What a worker is told first."""
    return Load(
        targets=spec.targets,
        search_path=spec.search_path,
        select=spec.select,
        log_level=spec.log_level,
        log_file=spec.log_file,
        env=spec.env,
    )


def has_failed_enough(spec: RunSpec, result: Result) -> bool:
    """Whether --stop-on-failure says that it is enough."""
    return spec.stop_on_failure is not None and result.trouble >= spec.stop_on_failure


def plan_run(
    spec: RunSpec,
    loaded: Loaded,
    workers: int,
    *,
    run: str,
    started_at: datetime,
    agents: int = 0,
    room: int = DEFAULT_ROOM,
) -> tuple[Plan, RunInfo]:
    """The plan for the tests that were found, and what a report says of the run; `agents` is 0 without a cluster.

    There is memory for `room` virtual users, of those that run what arrives at a rate.
    """
    plan = build_plan(spec.load, len(loaded.scenarios), seed=spec.seed, room=room)
    info = RunInfo(
        id=run,
        started_at=started_at,
        targets=spec.targets,
        scenarios=tuple(scenario.name for scenario in loaded.scenarios),
        plan=describe(plan, loaded, workers, spec.seed, spec.think_time_us, spec.http, agents, spec.rules),
        users=plan.max_users,
        workers=workers,
        seed=spec.seed,
        server_url=spec.server_url,
        due=plan.due,
        duration_us=plan.duration_us,
        rules=spec.rules,
        is_open=plan.is_open,
        has_starts=plan.has_starts,
        graceful_stop_us=plan.graceful_stop_us,
        fits_memory=plan.is_open and spec.load.max_users is None,
        name=spec.name,
        tags=spec.tags,
    )
    return plan, info


def describe(
    plan: Plan,
    loaded: Loaded,
    workers: int,
    seed: int,
    think_time_us: tuple[int, int] | None = None,
    http: HttpOptions | None = None,
    agents: int = 0,
    rules: Rules | None = None,
) -> str:
    """The plan as it is printed before the start, without a line break at the end."""
    lines = [*_describe_tests(plan, loaded), _describe_load(plan, loaded, workers, seed, think_time_us, agents)]
    requests = http.describe() if http is not None else ""
    if requests:
        lines.append(f"Requests: {requests}")
    if rules is not None and rules.thresholds:
        lines.append(_describe_thresholds(rules))
    return "\n".join(lines)


def _describe_thresholds(rules: Rules) -> str:
    """As they were written, each evened out to one line."""
    shown = [" ".join(text.split()) for text in rules.thresholds[:_MOST_THRESHOLDS]]
    more = len(rules.thresholds) - len(shown)
    line = f"Thresholds: {'; '.join(shown)}" + (f" and {more} more" if more else "")
    return line + (f", without the first {format_duration(rules.warm_up_us)}" if rules.warm_up_us else "")


def _describe_tests(plan: Plan, loaded: Loaded) -> list[str]:
    if len(loaded.scenarios) == 1:
        lines = [f"Running {loaded.scenarios[0].name}"]
    else:
        weighted = any(scenario.weight != 1 for scenario in loaded.scenarios) and not plan.each_once
        lines = [f"Running {plural(len(loaded.scenarios), 'test')}:"]
        lines += [
            f"  {scenario.name}" + (f" (weight {scenario.weight})" if weighted else "")
            for scenario in loaded.scenarios[:20]
        ]
        if len(loaded.scenarios) > 20:
            lines.append(f"  and {len(loaded.scenarios) - 20} more")
    if loaded.left_out:
        lines.append(f"Left out, for only pytest can run them: {', '.join(loaded.left_out[:10])}")
        if len(loaded.left_out) > 10:
            lines[-1] += f" and {len(loaded.left_out) - 10} more"
    return lines


def _describe_load(
    plan: Plan, loaded: Loaded, workers: int, seed: int, think_time_us: tuple[int, int] | None, agents: int
) -> str:
    where = "in this process" if not workers else f"on {plural(workers, 'worker')}"
    if agents:
        where += f" of {plural(agents, 'agent')}"
    steps = [phase.describe() for phase in plan.phases]
    if plan.each_once and len(loaded.scenarios) > 1:
        pacing_us = plan.phases[0].pacing_us
        steps = ["1 user, each test once" + (f", {describe_pacing(pacing_us)}" if pacing_us is not None else "")]
    line = f"Plan: {', then '.join(steps)}; {where}, seed {seed}"
    if think_time_us is not None:
        shortest, longest = (format_duration(time_us) for time_us in think_time_us)
        line += (
            f", {shortest} to {longest} between iterations"
            if longest != shortest
            else f", {shortest} between iterations"
        )
    if plan.duration_us is not None:
        line += f", iterations in flight get {format_duration(plan.graceful_stop_us)} at the end"
    return line
