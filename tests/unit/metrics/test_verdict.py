from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import ExitCode
from loads.metrics.rules import Rules
from loads.metrics.threshold import Standing, State
from loads.metrics.verdict import Facts, Judgement, Stop, Verdict, find_remarks, judge
from loads.units import US_PER_S

VERDICTS = {
    ExitCode.PASSED: Verdict.PASSED,
    ExitCode.FAILED: Verdict.FAILED,
    ExitCode.THRESHOLD: Verdict.FAILED,
    ExitCode.INVALID: Verdict.INVALID,
    ExitCode.ABORTED: Verdict.ABORTED,
    ExitCode.INTERRUPTED: Verdict.ABORTED,
}
COUNTS = (
    *("started", "ended", "skipped", "failures", "errors", "unstarted", "retired"),
    *("hits", "lost", "lost_iterations", "deaths", "given_up", "agents_lost", "imbalances"),
)
HELD = Standing(text="p(95) < 500ms", state=State.PASSED, value=1.0, shown="431ms")
CROSSED = Standing(text="p(95) < 500ms", state=State.CROSSED, value=612_000.0, shown="612ms")
UNKNOWN = Standing(text="counter:sold > 3", state=State.NO_DATA)
ABORTING = Standing(
    text="errors < 10 abort", state=State.CROSSED, value=12.0, shown="12", crossed_us=7 * US_PER_S, aborted=True
)
standings = st.lists(st.sampled_from([HELD, CROSSED, UNKNOWN]), max_size=3).map(tuple)
facts = st.builds(
    Facts,
    rules=st.builds(Rules, max_lost=st.sampled_from([0.0, 0.01, 1.0]), allow_invalid=st.booleans()),
    stop=st.sampled_from([None, *Stop]),
    thresholds=standings,
    bottlenecks=st.sampled_from([(), ("it was too slow",)]),
    is_open=st.booleans(),
    is_paced=st.booleans(),
    **{name: st.integers(0, 200) for name in COUNTS},
)


def good(stop: Stop | None = None, **changed: Any) -> Facts:
    """A run of a hundred good iterations and as many hits, but for what is `changed`."""
    return Facts(**{"stop": stop, "started": 100, "ended": 100, "hits": 100, **changed})


def judged(stop: Stop | None = None, **changed: Any) -> Judgement:
    return judge(good(stop, **changed))


def test_a_run_without_a_fault_passed() -> None:
    assert judged() == Judgement(Verdict.PASSED, ExitCode.PASSED, [])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"failures": 1}, "1 failure"),
        ({"errors": 2}, "2 errors"),
        ({"lost_iterations": 1}, "1 iteration lost with a worker"),
        ({"deaths": 1}, "1 worker died"),
        ({"agents_lost": 2}, "2 agents lost"),
        ({"ended": 0, "errors": 1}, "1 error"),
    ],
)
def test_a_fault_of_any_kind_makes_it_failed(changed: dict[str, int], reason: str) -> None:
    assert judged(**changed) == Judgement(Verdict.FAILED, ExitCode.FAILED, [reason])


DOUBTS = [
    ({"hits": 98, "lost": 2}, "2 of 100 requests were lost, more than 1%"),
    ({"ended": 0}, "no iteration came to its end"),
    ({"unstarted": 3}, "3 planned iterations never started"),
    ({"lost_iterations": 2}, "2 of 100 iterations were lost, more than 1%"),
    ({"lost_part": 0.02}, "2.0% of the users' time was lost with agents, more than 1%"),
    ({"unrun_part": 0.4}, "40.0% of the users' time was run by no agent, more than 5%"),
    ({"given_up": 1}, "1 worker died too often to be replaced: part of the load was missing"),
    ({"bottlenecks": ("it was too slow",)}, "it was too slow"),
]


@pytest.mark.parametrize(("changed", "reason"), DOUBTS)
def test_a_run_that_holds_too_little_is_invalid(changed: dict[str, Any], reason: str) -> None:
    assert judged(**changed) == Judgement(Verdict.INVALID, ExitCode.INVALID, [reason])


@pytest.mark.parametrize(("changed", "reason"), DOUBTS)
def test_what_makes_it_invalid_may_be_allowed_and_is_a_warning_then(changed: dict[str, Any], reason: str) -> None:
    allowing = good(rules=Rules(allow_invalid=True), **changed)
    assert judge(allowing).verdict in (Verdict.PASSED, Verdict.FAILED)
    assert find_remarks(allowing) == [f"invalid, but for --allow-invalid: {reason}"]


def test_counts_that_do_not_add_up_are_never_allowed() -> None:
    assert judged(rules=Rules(allow_invalid=True), imbalances=1).verdict is Verdict.INVALID


def test_what_is_allowed_leaves_the_rest_to_decide() -> None:
    allowing = {"rules": Rules(allow_invalid=True), "lost_iterations": 50}
    assert judged(**allowing, failures=2).reasons == ["2 failures", "50 iterations lost with a worker"]
    assert judged(**allowing, failures=2).exit_code is ExitCode.FAILED
    assert judged(**allowing, thresholds=(CROSSED,)).exit_code is ExitCode.THRESHOLD


def test_the_user_says_how_much_may_be_lost() -> None:
    assert judged(hits=99, lost=1).exit_code is ExitCode.PASSED
    assert judged(hits=90, lost=10, rules=Rules(max_lost=0.1)).exit_code is ExitCode.PASSED
    told = judged(hits=199, lost=1, rules=Rules(max_lost=0.0025))
    assert told.reasons == ["1 of 200 requests were lost, more than 0.25%"]
    assert judged(hits=0, lost=10, lost_part=1.0, rules=Rules(max_lost=1.0)).verdict is Verdict.PASSED


def test_a_run_of_nothing_but_skipped_tests_passed() -> None:
    """As unittest has it."""
    assert judged(ended=0, skipped=3).verdict is Verdict.PASSED


# Planned starts


@pytest.mark.parametrize(
    ("changed", "rest"),
    [
        (
            {"is_open": True},
            "for all 5 users were busy: raise --max-users, or lower the rate to what the service can do",
        ),
        (
            {"is_open": True, "users": 1},
            "for the only user was busy: raise --max-users, or lower the rate to what the service can do",
        ),
        (
            {"is_open": True, "fits_memory": True},
            "for all 5 users were busy, and there is memory for no more: use more agents, or lower the rate to what "
            "the service can do",
        ),
        (
            {"is_paced": True},
            "for their users were still busy: give a --pacing longer than what an iteration takes",
        ),
    ],
)
def test_iterations_that_no_user_was_free_for_make_it_invalid(changed: dict[str, Any], rest: str) -> None:
    run = {"users": 5, "started": 1_000, "ended": 1_000, **changed}
    told = judged(unstarted=1_000, kept_waiting=1_000, failures=3, **run)
    assert told.exit_code is ExitCode.INVALID
    assert told.reasons == [f"1,000 of 2,000 planned iterations never started, {rest}", "3 failures"]
    few = good(unstarted=10, kept_waiting=10, **run)
    assert judge(few).verdict is Verdict.PASSED
    assert find_remarks(few) == [f"10 of 1,010 planned iterations never started, {rest}"]
    assert judge(good(unstarted=11, kept_waiting=11, **run)).verdict is Verdict.INVALID


def test_what_never_started_is_told_by_its_reasons() -> None:
    run = {"users": 5, "started": 1_000, "ended": 1_000, "is_open": True}
    assert judged(unstarted=20, **run).reasons == [
        "20 of 1,020 planned iterations never started, for nobody was there to run them: their worker or agent was "
        "lost, or their test can't run"
    ]
    [told] = judged(unstarted=60, kept_waiting=30, neglected=20, **run).reasons
    assert told.startswith("60 of 1,060 planned iterations never started: 30, for all 5 users were busy: ")
    assert "; 20, for the load generator did not get to them: use more workers" in told
    assert "; 10, for nobody was there to run them" in told


def test_iterations_that_had_to_be_cut_off_make_it_fail() -> None:
    """Whoever asked for no grace knows it; who stopped the run, too."""
    run = {"started": 10, "ended": 8, "interrupted": 2, "grace_us": 30_000_000}
    told = judged(**run)
    assert (told.exit_code, told.reasons) == (
        ExitCode.FAILED,
        ["2 iterations cut off, without an end 30s after that of the load"],
    )
    assert judged(**{**run, "grace_us": 0}).verdict is Verdict.PASSED
    assert judged(**run, stop=Stop.GRACEFUL).reasons == ["stopped by the user"]


def test_where_rows_ran_out_iterations_that_never_started_are_told_and_no_more() -> None:
    for changed in ({}, {"is_open": True}):
        short = good(unstarted=50, retired=3, **changed)
        assert judge(short).verdict is Verdict.PASSED
        assert find_remarks(short)[0] == "3 users ended early: there was no row left to feed on"
    assert find_remarks(short)[1] == "50 of 150 planned iterations never started, for there were no rows left for them"


def test_what_was_stopped_is_not_expected_to_have_started() -> None:
    stopped = good(Stop.GRACEFUL, unstarted=500, is_open=True)
    assert judge(stopped).verdict is Verdict.ABORTED
    assert find_remarks(stopped) == []


def test_users_time_means_nothing_where_iterations_arrive() -> None:
    assert judged(is_open=True, unrun_part=0.9).verdict is Verdict.PASSED


# Thresholds


def test_a_threshold_that_failed_fails_the_run_and_says_what_it_came_to() -> None:
    told = judged(thresholds=(HELD, CROSSED, UNKNOWN), failures=2)
    assert told == Judgement(
        Verdict.FAILED,
        ExitCode.THRESHOLD,
        ["p(95) < 500ms: it was 612ms", "counter:sold > 3: there was nothing to hold it against", "2 failures"],
    )


def test_with_thresholds_failures_alone_do_not_fail_a_run_and_are_told() -> None:
    assert judged(thresholds=(HELD,)) == Judgement(Verdict.PASSED, ExitCode.PASSED, [])
    told = judged(thresholds=(HELD,), failures=12, agents_lost=1)
    assert told == Judgement(Verdict.PASSED, ExitCode.PASSED, ["12 failures, 1 agent lost, which no threshold forbids"])


def test_an_aborting_threshold_says_that_it_stopped_the_run() -> None:
    told = judged(Stop.THRESHOLD, thresholds=(ABORTING, CROSSED), unstarted=900, is_open=True, errors=12)
    assert (told.verdict, told.exit_code) == (Verdict.FAILED, ExitCode.THRESHOLD)
    assert told.reasons == [
        "stopped by the threshold errors < 10 abort: it was 12 at 7 s",
        "p(95) < 500ms: it was 612ms",
        "12 errors",
    ]
    assert judged(Stop.THRESHOLD).reasons == ["stopped by a threshold"]


def test_a_run_that_stopped_for_its_failures_has_failed_whatever_thresholds_say() -> None:
    """The user said how many are enough."""
    for thresholds in ((), (HELD,)):
        told = judged(Stop.FAILURES, failures=3, unstarted=10, thresholds=thresholds)
        assert told == Judgement(Verdict.FAILED, ExitCode.FAILED, ["3 failures", "stopped early for it"])


# Weights


def test_what_the_user_breaks_off_is_aborted_with_all_that_went_wrong() -> None:
    assert judged(Stop.GRACEFUL, failures=2) == Judgement(
        Verdict.ABORTED, ExitCode.ABORTED, ["stopped by the user", "2 failures"]
    )


def test_a_second_ctrl_c_has_its_own_exit_code() -> None:
    assert judged(Stop.HARD) == Judgement(Verdict.ABORTED, ExitCode.INTERRUPTED, ["stopped at once by the user"])


@pytest.mark.parametrize("stop", [Stop.GRACEFUL, Stop.HARD])
def test_what_a_user_stopped_need_not_have_begun(stop: Stop) -> None:
    assert judged(stop, ended=0, unstarted=10).verdict is Verdict.ABORTED
    assert judged(stop, unrun_part=0.4).verdict is Verdict.ABORTED


def test_where_several_apply_the_heaviest_wins() -> None:
    """130, 4, 5, 3, 1, 0 is the documented order."""
    all_of_it = {"lost": 10, "thresholds": (CROSSED,), "failures": 1}
    assert judged(Stop.HARD, **all_of_it).exit_code is ExitCode.INTERRUPTED
    assert judged(Stop.GRACEFUL, **all_of_it).exit_code is ExitCode.INVALID
    assert judged(Stop.THRESHOLD, **all_of_it).exit_code is ExitCode.INVALID
    assert judged(Stop.GRACEFUL, **{**all_of_it, "lost": 0}).exit_code is ExitCode.ABORTED
    assert judged(**{**all_of_it, "lost": 0}).exit_code is ExitCode.THRESHOLD
    assert judged(failures=1).exit_code is ExitCode.FAILED


@given(facts)
def test_word_exit_code_and_reasons_always_agree(run: Facts) -> None:
    judgement = judge(run)
    assert judgement.verdict is VERDICTS[judgement.exit_code]
    assert judgement.reasons or judgement.verdict is Verdict.PASSED


@given(facts)
def test_a_run_with_a_failure_ends_with_zero_only_where_thresholds_decide(run: Facts) -> None:
    if run.has_failed and not run.thresholds:
        assert judge(run).exit_code != 0


@given(facts)
def test_no_run_with_a_failed_threshold_ends_with_zero(run: Facts) -> None:
    if any(standing.failed for standing in run.thresholds):
        assert judge(run).exit_code not in (ExitCode.PASSED, ExitCode.FAILED)


@given(facts)
def test_every_doubt_is_either_a_reason_or_a_warning(run: Facts) -> None:
    told = judge(run).reasons + find_remarks(run)
    for bottleneck in run.bottlenecks:
        assert any(bottleneck in reason for reason in told)
