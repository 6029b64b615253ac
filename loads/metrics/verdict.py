"""From measures to a verdict and an exit code.

Rules, in order of weight: what the user broke off is *aborted*; a result that holds too little of what happened is
*invalid*, which says nothing of the service; failures and errors make it *failed*; else it *passed*.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from loads.errors import ExitCode
from loads.units import plural

MAX_LOST: Final = 0.01
"""Largest part of the requests, or of the iterations, that may be lost in a result that still counts."""


MAX_UNRUN: Final = 0.05
"""Largest part of the users' time that may be missing: none of it is unknown, but the load was not the one meant."""


class Stop(Enum):
    """How a run was told to end before its plan was done."""

    GRACEFUL = "graceful"
    HARD = "hard"
    FAILURES = "failures"
    """Enough had gone wrong (--stop-on-failure); the verdict is that on what went wrong."""


class Verdict(Enum):
    """The one word for a run."""

    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    ABORTED = "aborted"


class Judgement(NamedTuple):
    """A verdict, the exit code that goes with it, and why."""

    verdict: Verdict
    exit_code: ExitCode
    reasons: list[str]


def judge(
    *,
    stop: Stop | None,
    ended: int,
    skipped: int,
    failures: int,
    errors: int,
    hits: int,
    lost: int,
    lost_iterations: int,
    started: int,
    unstarted: int,
    given_up: int,
    imbalances: int = 0,
    deaths: int = 0,
    agents_lost: int = 0,
    lost_part: float = 0.0,
    unrun_part: float = 0.0,
) -> Judgement:
    """The verdict on a run with these totals.

    `ended` counts iterations that came to their end by themselves; a run of nothing but `skipped` is passed, as with
    unittest. `hits` are requests whose outcome is known, `lost` those sent by a worker that died before it could tell.
    `unstarted` iterations were planned and nobody began them. `given_up` workers died too often to be replaced.
    `imbalances`: how many laws of conservation the result breaks. `deaths`: of workers.
    `lost_part` of the users' time (0..1) went with the `agents_lost`: what they did in it is not known. `unrun_part` of
    it was planned and nobody was there, or had room, to run it.
    """
    broken = [plural(count, word) for count, word in ((failures, "failure"), (errors, "error")) if count]
    doubts = []
    if lost > MAX_LOST * (hits + lost):
        doubts.append(f"{lost:,} of {hits + lost:,} requests were lost, more than {MAX_LOST:.0%}")
    elif lost_iterations > MAX_LOST * started:
        doubts.append(f"{lost_iterations:,} of {started:,} iterations were lost, more than {MAX_LOST:.0%}")
    elif lost_part > MAX_LOST:
        doubts.append(f"{lost_part:.1%} of the users' time was lost with agents, more than {MAX_LOST:.0%}")
    if unrun_part > MAX_UNRUN and stop is None:
        doubts.append(f"{unrun_part:.1%} of the users' time was run by no agent, more than {MAX_UNRUN:.0%}")
    if imbalances:
        doubts.append("the counts do not add up, which is a fault of Loads: please report it")
    if given_up:
        doubts.append(f"{plural(given_up, 'worker')} died too often to be replaced: part of the load was missing")
    if not ended and not skipped and not broken and stop is None:
        doubts.append("no iteration came to its end")
    if unstarted and not broken and stop is None:
        doubts.append(f"{plural(unstarted, 'planned iteration')} never started")
    if lost_iterations and not doubts:
        broken.append(f"{plural(lost_iterations, 'iteration')} lost with a worker")
    if agents_lost:
        broken.append(f"{plural(agents_lost, 'agent')} lost")
    if deaths and not (lost_iterations or given_up):
        broken.append(f"{plural(deaths, 'worker')} died")
    return _weighed(stop, doubts, broken)


def _weighed(stop: Stop | None, doubts: list[str], broken: list[str]) -> Judgement:
    """What follows from reasons to doubt the result, and from what went wrong in it."""
    if stop is Stop.HARD:
        return Judgement(Verdict.ABORTED, ExitCode.INTERRUPTED, ["stopped at once by the user", *doubts, *broken])
    if doubts:
        return Judgement(Verdict.INVALID, ExitCode.INVALID, doubts + broken)
    if stop is Stop.GRACEFUL:
        return Judgement(Verdict.ABORTED, ExitCode.ABORTED, ["stopped by the user", *broken])
    if broken:
        early = ["stopped early for it"] if stop is Stop.FAILURES else []
        return Judgement(Verdict.FAILED, ExitCode.FAILED, broken + early)
    return Judgement(Verdict.PASSED, ExitCode.PASSED, [])
