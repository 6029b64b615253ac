from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import ExitCode
from loads.metrics.verdict import Judgement, Stop, Verdict, judge

NAMES = (
    "ended",
    "skipped",
    "failures",
    "errors",
    "hits",
    "lost",
    "lost_iterations",
    "started",
    "unstarted",
    "given_up",
)
VERDICTS = {
    ExitCode.PASSED: Verdict.PASSED,
    ExitCode.FAILED: Verdict.FAILED,
    ExitCode.INVALID: Verdict.INVALID,
    ExitCode.ABORTED: Verdict.ABORTED,
    ExitCode.INTERRUPTED: Verdict.ABORTED,
}
totals = st.fixed_dictionaries({name: st.integers(0, 200) for name in NAMES})


def judged(stop: Stop | None = None, **changed: float) -> Judgement:
    """The verdict on a run of a hundred good iterations and as many hits, but for what is `changed`."""
    good = {**dict.fromkeys(NAMES, 0), "started": 100, "ended": 100, "hits": 100}
    return judge(stop=stop, **{**good, **changed})


def test_a_run_without_a_fault_passed() -> None:
    assert judged() == Judgement(Verdict.PASSED, ExitCode.PASSED, [])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"failures": 1}, "1 failure"),
        ({"errors": 2}, "2 errors"),
        ({"lost_iterations": 1}, "1 iteration lost with a worker"),
        ({"ended": 0, "errors": 1}, "1 error"),
    ],
)
def test_a_fault_of_any_kind_makes_it_failed(changed: dict[str, int], reason: str) -> None:
    assert judged(**changed) == Judgement(Verdict.FAILED, ExitCode.FAILED, [reason])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"hits": 98, "lost": 2}, "2 of 100 requests were lost, more than 1%"),
        ({"ended": 0}, "no iteration came to its end"),
        ({"unstarted": 3}, "3 planned iterations never started"),
        ({"lost_iterations": 2}, "2 of 100 iterations were lost, more than 1%"),
        ({"given_up": 1}, "1 worker died too often to be replaced: part of the load was missing"),
    ],
)
def test_a_run_that_holds_too_little_is_invalid(changed: dict[str, int], reason: str) -> None:
    assert judged(**changed) == Judgement(Verdict.INVALID, ExitCode.INVALID, [reason])


def test_one_percent_lost_still_counts() -> None:
    assert judged(hits=99, lost=1).exit_code is ExitCode.PASSED


def test_a_run_of_nothing_but_skipped_tests_passed() -> None:
    """As unittest has it."""
    assert judged(ended=0, skipped=3).verdict is Verdict.PASSED


def test_what_the_user_breaks_off_is_aborted_with_all_that_went_wrong() -> None:
    assert judged(Stop.GRACEFUL, failures=2) == Judgement(
        Verdict.ABORTED, ExitCode.ABORTED, ["stopped by the user", "2 failures"]
    )


def test_a_second_ctrl_c_has_its_own_exit_code() -> None:
    assert judged(Stop.HARD) == Judgement(Verdict.ABORTED, ExitCode.INTERRUPTED, ["stopped at once by the user"])


@pytest.mark.parametrize("stop", [Stop.GRACEFUL, Stop.HARD])
def test_what_a_user_stopped_need_not_have_begun(stop: Stop) -> None:
    assert judged(stop, ended=0, unstarted=10).verdict is Verdict.ABORTED


def test_a_run_that_stopped_for_its_failures_has_failed() -> None:
    told = judged(Stop.FAILURES, failures=3, unstarted=10)
    assert told == Judgement(Verdict.FAILED, ExitCode.FAILED, ["3 failures", "stopped early for it"])


def test_where_several_apply_the_heaviest_wins() -> None:
    """130, 4, 5, 1, 0 is the documented order."""
    assert judged(Stop.HARD, lost=10, failures=1).exit_code is ExitCode.INTERRUPTED
    assert judged(Stop.GRACEFUL, lost=10, failures=1).exit_code is ExitCode.INVALID
    assert judged(Stop.GRACEFUL, failures=1).exit_code is ExitCode.ABORTED


@given(st.sampled_from([None, *Stop]), totals)
def test_word_exit_code_and_reasons_always_agree(stop: Stop | None, counts: dict[str, Any]) -> None:
    judgement = judge(stop=stop, **counts)
    assert judgement.verdict is VERDICTS[judgement.exit_code]
    assert bool(judgement.reasons) == (judgement.verdict is not Verdict.PASSED)


@given(st.sampled_from([None, *Stop]), totals)
def test_no_run_with_a_failure_or_an_error_ends_with_zero(stop: Stop | None, counts: dict[str, Any]) -> None:
    if counts["failures"] or counts["errors"]:
        assert judge(stop=stop, **counts).exit_code != 0


def test_time_that_no_agent_ran_makes_a_result_invalid() -> None:
    assert judged(unrun_part=0.05).verdict is Verdict.PASSED
    told = judged(unrun_part=0.4)
    assert told.verdict is Verdict.INVALID
    assert told.reasons == ["40.0% of the users' time was run by no agent, more than 5%"]
    assert judged(unrun_part=0.4, stop=Stop.GRACEFUL).verdict is Verdict.ABORTED
