"""A run as a whole: what it is, its totals, and how it stands.

The figures are those of the console's end block and of the JSON, from the same sources. How a run stands before its
end is judged as the end is, by what can't get better any more, and by thresholds that do not hold at the moment; that
it is unfinished is not held against it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import loads
from loads.errors import UsageError
from loads.metrics.expressions import parse_thresholds
from loads.metrics.histogram import Histogram
from loads.metrics.result import Result
from loads.metrics.summary import ITERATION, Series
from loads.metrics.symptoms import warnings_of
from loads.metrics.threshold import Comparison, Kind, State
from loads.metrics.threshold import Standing as Course
from loads.metrics.threshold import Threshold as Condition
from loads.metrics.verdict import Facts, Verdict, judge
from loads.report.figures import rate_per_s, recent
from loads.report.page import Head, Outlook, Spread, Standing, Threshold, Totals
from loads.report.view.spreads import spread_of

_WRONG: Final = (Verdict.FAILED, Verdict.INVALID)


def head_of(result: Result, who: str) -> Head:
    """What the run is, once its plan stands."""
    info = result.info
    return Head(
        id=info.id,
        label=info.name,
        tags=info.tags,
        who=who,
        targets=info.targets,
        scenarios=info.scenarios,
        plan=info.plan,
        started_at=info.started_at,
        server_url=info.server_url,
        seed=info.seed,
        users=info.users,
        workers=info.workers,
        due=info.due,
        duration_us=info.duration_us,
        is_open=info.is_open,
        has_starts=info.has_starts,
        version=loads.__version__,
    )


def head_before(run: str, label: str, tags: dict[str, str], who: str, targets: tuple[str, ...]) -> Head:
    """The same of what was only submitted."""
    return Head(
        id=run,
        label=label,
        tags=tags,
        who=who,
        targets=targets,
        scenarios=(),
        plan="",
        started_at=None,
        server_url=None,
        seed=None,
        users=0,
        workers=0,
        due=None,
        duration_us=None,
        is_open=False,
        has_starts=False,
        version=loads.__version__,
    )


def totals_of(result: Result, hits: Series, elapsed_us: int) -> Totals:
    """The figures of all that was measured in `elapsed_us`; `hits` are all requests as one."""
    totals, now = result.summary.totals, recent(result)
    return Totals(
        users=sum(result.users.values()),
        due=result.due,
        started=result.started,
        ended=totals.ended,
        unstarted=result.unstarted,
        interrupted=totals.interrupted,
        lost_iterations=result.lost_iterations,
        success=totals.success,
        failures=totals.failures,
        errors=totals.errors,
        skipped=totals.skipped,
        hits=hits.hits,
        sent=hits.sent,
        unsent=hits.unsent,
        failed=hits.failed,
        lost=result.lost_sent,
        bytes_sent=hits.bytes_sent,
        bytes_received=hits.bytes_received,
        connections=hits.connections,
        rps=round(rate_per_s(result, elapsed_us), 3),
        rps_now=round(now.hits_per_s, 3),
        failed_now=round(now.failed_per_s, 3),
        started_now=round(now.started_per_s, 3),
        service=spread_of(hits.service),
        response=spread_of(hits.response_or_service),
        lateness=spread_of(result.summary.pace.lateness) if result.info.has_starts else None,
        iteration=_iterations(result),
    )


def _iterations(result: Result) -> Spread:
    """How long whole iterations took, as a threshold on them has it: from when they should have begun."""
    times = [series.response_or_service for key, series in result.summary.series.items() if key.method == ITERATION]
    if len(times) == 1:
        return spread_of(times[0])
    whole = Histogram()
    for histogram in times:
        whole.merge(histogram)
    return spread_of(whole)


def standing_after(result: Result) -> Standing:
    """The verdict, once the run is over."""
    judgement = result.judge()
    return Standing(
        outlook=Outlook(judgement.verdict.value),
        reasons=tuple(judgement.reasons),
        exit_code=int(judgement.exit_code),
    )


def standing_before(result: Result, hits: Series) -> Standing:
    """How a run stands that goes on. `Facts` are left out where they would say no more than that it does."""
    totals, losses = result.summary.totals, result.losses
    facts = Facts(
        rules=result.info.rules,
        thresholds=tuple(result.thresholds),
        started=result.started,
        ended=max(1, totals.ended),
        failures=totals.failures,
        errors=totals.errors,
        hits=hits.hits,
        lost=result.lost_sent,
        lost_iterations=result.lost_iterations,
        deaths=sum(loss.worker is not None for loss in losses),
        given_up=len(result.given_up),
        agents_lost=sum(loss.worker is None for loss in losses),
        lost_part=result.lost_part,
    )
    judgement = judge(facts)
    broken = [f"{each.text}: it is {each.shown}" for each in result.thresholds if _is_broken(each)]
    bad = judgement.verdict in _WRONG or bool(broken)
    reasons = (*broken, *judgement.reasons)
    return Standing(outlook=Outlook.BAD if bad else Outlook.GOOD, reasons=reasons, exit_code=None)


def _holds(course: Course) -> bool | None:
    """Whether the value of a threshold is on the right side, as it is."""
    threshold = _threshold_of(course.text)
    if threshold is None or course.value is None:
        return None
    return threshold.comparison.holds(course.value, threshold.bound)


def _is_broken(course: Course) -> bool:
    """Whether an undecided threshold would be crossed if the run ended now; a count that is to grow has its time."""
    threshold = _threshold_of(course.text)
    if threshold is None or course.state is not State.PENDING or _holds(course) is not False:
        return False
    return not (
        threshold.measure.kind is Kind.COUNT and threshold.comparison in (Comparison.ABOVE, Comparison.AT_LEAST)
    )


@lru_cache(256)
def _threshold_of(text: str) -> Condition | None:
    """The one that `text` is; it was read before the run began."""
    try:
        found = parse_thresholds(text)
    except UsageError:
        return None
    return found[0] if len(found) == 1 else None


def thresholds_of(courses: list[Course]) -> tuple[Threshold, ...]:
    """Each threshold, in their order."""
    return tuple(
        Threshold(
            text=course.text,
            state=course.state.value,
            failed=course.failed,
            holds=_holds(course),
            shown=course.shown,
            crossed_us=course.crossed_us,
            aborted=course.aborted,
        )
        for course in courses
    )


def warnings_now(result: Result, elapsed_us: int, *, over: bool) -> tuple[str, ...]:
    """What there is to warn of; before the end with what the load generator suffers from at the moment."""
    now = [] if over else warnings_of(result.symptoms_now(elapsed_us))
    return tuple(dict.fromkeys([*result.warnings, *now]))
