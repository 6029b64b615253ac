from __future__ import annotations

import pytest

from loads.errors import ExitCode, Interrupted, LoadsError, NotStarted, ProtocolError, UsageError


def test_an_error_says_what_happened_and_what_to_do_next() -> None:
    error = LoadsError("no agent is free", "start one")
    assert (error.message, error.hint, str(error)) == ("no agent is free", "start one", "no agent is free\nstart one")


def test_without_a_hint_there_is_no_empty_line() -> None:
    assert str(LoadsError("no agent is free")) == "no agent is free"


@pytest.mark.parametrize(
    ("kind", "code"),
    [(LoadsError, 1), (UsageError, 2), (ProtocolError, 1), (NotStarted, 5)],
)
def test_each_kind_has_its_exit_code(kind: type[LoadsError], code: int) -> None:
    assert kind("x").exit_code == code


def test_the_exit_codes_are_those_of_the_documentation() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "PASSED": 0,
        "FAILED": 1,
        "USAGE": 2,
        "THRESHOLD": 3,
        "INVALID": 4,
        "ABORTED": 5,
        "INTERRUPTED": 130,
    }


def test_one_problem_is_told_as_it_is() -> None:
    told = UsageError.of([LoadsError("a is wrong", "say b")])
    assert (told.message, told.hint) == ("a is wrong", "say b")


def test_several_problems_are_told_at_once() -> None:
    told = UsageError.of([LoadsError("a is wrong", "say b"), LoadsError("c is wrong")])
    assert (told.message, told.hint) == ("2 problems", "- a is wrong (say b)\n- c is wrong")


def test_an_except_exception_of_a_test_does_not_swallow_a_hard_stop() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_problem_that_is_several_has_its_own_below_it() -> None:
    both = UsageError.of([UsageError("a", "b"), UsageError("c")])
    assert UsageError.of([both, UsageError("d", "e")]).hint == "- 2 problems\n  - a (b)\n  - c\n- d (e)"
