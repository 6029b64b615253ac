"""From measures to a verdict and an exit code.

Rules, in order of weight: what the user broke off at once is *aborted*; a result that holds too little of what
happened, or more of the load generator than of the service, is *invalid*, which says nothing of the service; what the
user broke off gracefully is *aborted*; then thresholds decide, where there are any; else failures and errors make it
*failed*; else it *passed*. docs/metrics.rst has every number.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import msgspec

from loads.errors import ExitCode
from loads.metrics.rules import Rules
from loads.metrics.threshold import Standing, State
from loads.units import US_PER_S, format_duration, plural

MAX_UNRUN: Final = 0.05
"""Largest part of the users' time that may be missing: none of it is unknown, but the load was not the one meant."""


class Stop(Enum):
    """How a run was told to end before its plan was done."""

    GRACEFUL = "graceful"
    HARD = "hard"
    FAILURES = "failures"
    """Enough had gone wrong (--stop-on-failure); the verdict is that on what went wrong."""
    THRESHOLD = "threshold"
    """A threshold that aborts was crossed."""


class Verdict(Enum):
    """The one word for a run."""

    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    ABORTED = "aborted"


class Judgement(NamedTuple):
    """A verdict, the exit code that goes with it, and why; also what a run passed in spite of."""

    verdict: Verdict
    exit_code: ExitCode
    reasons: list[str]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is judged by.

    Attributes:
        rules: what the user says about it.
        thresholds: how they stand in the end.
        started, ended, skipped, failures, errors: iterations; those that `ended` came to their end by themselves.
        interrupted: were cut off at the end, when they had had `grace_us`.
        unstarted: were planned and nobody began them. Of these `kept_waiting` were due and found no user, `neglected`
            found one, and the generator did not get to them; the others were those of workers or agents that died, or
            of tests that can't run. `retired` users had no row left and ended early.
        hits, lost: requests whose outcome is known, and those sent by a worker that died before it could tell.
        lost_iterations: ended with their worker.
        deaths: of workers; `given_up` ones died too often to be replaced.
        agents_lost: with whom `lost_part` of the users' time (0..1) went: what they did in it is not known.
        unrun_part: of the users' time, was planned and nobody was there, or had room, to run it.
        imbalances: how many laws of conservation the result breaks.
        bottlenecks: in which ways the load generator itself is in the figures, in words.
        users: the most at a time.
        is_open, is_paced: iterations arrive at a rate, or each user starts one every so often, until the time is up.
        fits_memory: nobody said how many users there are for arrivals: as many as memory has room for.
    """

    rules: Rules = Rules()
    stop: Stop | None = None
    thresholds: tuple[Standing, ...] = ()
    started: int = 0
    ended: int = 0
    skipped: int = 0
    failures: int = 0
    errors: int = 0
    interrupted: int = 0
    grace_us: int = 0
    unstarted: int = 0
    kept_waiting: int = 0
    neglected: int = 0
    retired: int = 0
    hits: int = 0
    lost: int = 0
    lost_iterations: int = 0
    deaths: int = 0
    given_up: int = 0
    agents_lost: int = 0
    lost_part: float = 0.0
    unrun_part: float = 0.0
    imbalances: int = 0
    bottlenecks: tuple[str, ...] = ()
    users: int = 1
    is_open: bool = False
    is_paced: bool = False
    fits_memory: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether an iteration did."""
        return bool(self.failures or self.errors)


def judge(facts: Facts) -> Judgement:
    """The verdict on a run. One of nothing but skipped iterations is passed, as with unittest."""
    doubts = [] if facts.rules.allow_invalid else find_doubts(facts)
    if facts.imbalances:
        doubts.append("the counts do not add up, which is a fault of Loads: please report it")
    crossed = [_tell_threshold(standing, facts.stop) for standing in facts.thresholds if standing.failed]
    if facts.stop is Stop.THRESHOLD and not crossed:
        crossed.append("stopped by a threshold")
    return _weighed(facts, doubts, crossed, _find_faults(facts, told=bool(doubts)))


def find_doubts(facts: Facts) -> list[str]:
    """Why the result can't be trusted, or does not tell of the load that was meant; what --allow-invalid allows."""
    doubts = [*_find_losses(facts), *facts.bottlenecks]
    if facts.unrun_part > MAX_UNRUN and facts.stop is None and not facts.is_open:
        doubts.append(f"{facts.unrun_part:.1%} of the users' time was run by no agent, more than {MAX_UNRUN:.0%}")
    if facts.given_up:
        doubts.append(f"{plural(facts.given_up, 'worker')} died too often to be replaced: part of the load was missing")
    if not (facts.ended or facts.skipped or facts.has_failed) and facts.stop is None:
        doubts.append("no iteration came to its end")
    if _has_too_many_unstarted(facts):
        doubts.append(tell_unstarted(facts))
    return doubts


def find_remarks(facts: Facts) -> list[str]:
    """What is to be told of a run that is over, and does not make it invalid."""
    remarks = []
    if facts.retired:
        remarks.append(f"{plural(facts.retired, 'user')} ended early: there was no row left to feed on")
    planned = facts.is_open or facts.is_paced
    if planned and facts.unstarted > 0 and facts.stop is None and not _has_too_many_unstarted(facts):
        remarks.append(tell_unstarted(facts))
    if facts.rules.allow_invalid:
        remarks += [f"invalid, but for --allow-invalid: {doubt}" for doubt in find_doubts(facts)]
    return remarks


def _find_losses(facts: Facts) -> list[str]:
    """More than --max-lost went with workers or agents; the first way of counting that says so."""
    part = facts.rules.max_lost
    more = f"more than {percent(part)}"
    sent = facts.hits + facts.lost
    if facts.lost > part * sent:
        return [f"{facts.lost:,} of {sent:,} requests were lost, {more}"]
    if facts.lost_iterations > part * facts.started:
        return [f"{facts.lost_iterations:,} of {facts.started:,} iterations were lost, {more}"]
    if facts.lost_part > part:
        return [f"{facts.lost_part:.1%} of the users' time was lost with agents, {more}"]
    return []


def _has_too_many_unstarted(facts: Facts) -> bool:
    """Who stops a run, and who gives it too few rows, knows it; where time is up, a few are left over."""
    if facts.stop is not None or facts.retired:
        return False
    if facts.is_open or facts.is_paced:
        return facts.unstarted > facts.rules.max_lost * (facts.started + facts.unstarted)
    return facts.unstarted > 0 and not facts.has_failed


def tell_unstarted(facts: Facts) -> str:
    """How many planned iterations never started, why, and what to do."""
    if not (facts.is_open or facts.is_paced):
        return f"{plural(facts.unstarted, 'planned iteration')} never started"
    told = f"{facts.unstarted:,} of {plural(facts.started + facts.unstarted, 'planned iteration')} never started"
    if facts.retired:
        return f"{told}, for there were no rows left for them"
    left = max(0, facts.unstarted - facts.kept_waiting - facts.neglected)
    reasons = [
        (facts.kept_waiting, _tell_busy(facts)),
        (facts.neglected, "the load generator did not get to them: use more workers, agents or processors"),
        (left, "nobody was there to run them: their worker or agent was lost, or their test can't run"),
    ]
    given = [(count, reason) for count, reason in reasons if count > 0]
    if len(given) == 1:
        return f"{told}, for {given[0][1]}"
    return f"{told}: " + "; ".join(f"{count:,}, for {reason}" for count, reason in given)


def _tell_busy(facts: Facts) -> str:
    if facts.is_paced:
        return "their users were still busy: give a --pacing longer than what an iteration takes"
    users = "the only user was" if facts.users == 1 else f"all {facts.users:,} users were"
    if facts.fits_memory:
        return (
            f"{users} busy, and there is memory for no more: use more agents, or lower the rate to what the service "
            "can do"
        )
    return f"{users} busy: raise --max-users, or lower the rate to what the service can do"


def _find_faults(facts: Facts, *, told: bool) -> list[str]:
    """What went wrong; `told`: there are doubts, which say what was lost."""
    faults = [plural(count, word) for count, word in ((facts.failures, "failure"), (facts.errors, "error")) if count]
    if facts.interrupted and facts.stop is None and facts.grace_us:
        grace = format_duration(facts.grace_us)
        faults.append(
            f"{plural(facts.interrupted, 'iteration')} cut off, without an end {grace} after that of the load"
        )
    if facts.lost_iterations and not told:
        faults.append(f"{plural(facts.lost_iterations, 'iteration')} lost with a worker")
    if facts.agents_lost:
        faults.append(f"{plural(facts.agents_lost, 'agent')} lost")
    if facts.deaths and not (facts.lost_iterations or facts.given_up):
        faults.append(f"{plural(facts.deaths, 'worker')} died")
    return faults


def _tell_threshold(standing: Standing, stop: Stop | None) -> str:
    """One that failed, with what it came to."""
    stopped = "stopped by the threshold " if stop is Stop.THRESHOLD and standing.aborted else ""
    if standing.state is State.NO_DATA:
        return f"{stopped}{standing.text}: there was nothing to hold it against"
    since = "" if standing.crossed_us is None else f" at {standing.crossed_us / US_PER_S:,.0f} s"
    return f"{stopped}{standing.text}: it was {standing.shown}{since}"


def _weighed(facts: Facts, doubts: list[str], crossed: list[str], faults: list[str]) -> Judgement:
    """What follows from reasons to doubt the result, from thresholds that failed, and from what went wrong."""
    stop, wrong = facts.stop, crossed + faults
    if stop is Stop.HARD:
        return Judgement(Verdict.ABORTED, ExitCode.INTERRUPTED, ["stopped at once by the user", *doubts, *wrong])
    if doubts:
        return Judgement(Verdict.INVALID, ExitCode.INVALID, doubts + wrong)
    if stop is Stop.GRACEFUL:
        return Judgement(Verdict.ABORTED, ExitCode.ABORTED, ["stopped by the user", *wrong])
    if crossed:
        return Judgement(Verdict.FAILED, ExitCode.THRESHOLD, wrong)
    if stop is Stop.FAILURES and faults:
        return Judgement(Verdict.FAILED, ExitCode.FAILED, [*faults, "stopped early for it"])
    if faults and not facts.thresholds:
        return Judgement(Verdict.FAILED, ExitCode.FAILED, faults)
    allowed = [f"{', '.join(faults)}, which no threshold forbids"] if faults else []
    return Judgement(Verdict.PASSED, ExitCode.PASSED, allowed)


def percent(part: float) -> str:
    """``1%``, ``0.5%``: as a user would write it."""
    return f"{100 * part:.4g}%"
