from __future__ import annotations

import json
import unittest
from collections.abc import Callable

import pytest
import requests.exceptions

from loads.case import TestCase
from loads.worker.tracebacks import format_traceback, kind_name, place_of, short_name


class Site(TestCase):
    __test__ = False

    def test_assertion(self) -> None:
        self.assertEqual(1, 2)

    def test_library(self) -> None:
        json.loads("{")

    def test_chained(self) -> None:
        try:
            json.loads("{")
        except ValueError as error:
            raise RuntimeError("not JSON") from error

    def test_own_cause(self) -> None:
        try:
            int("x")
        except ValueError:
            raise RuntimeError("no number")  # noqa: B904 - the context is the point

    def test_suppressed(self) -> None:
        try:
            int("x")
        except ValueError:
            raise RuntimeError("no number") from None


def raised(method: str) -> BaseException:
    """What `method` raised, with all of unittest's frames around it."""
    caught: list[BaseException] = []

    class Result(unittest.TestResult):
        def addError(self, test: object, info: object) -> None:
            caught.append(info[1])  # type: ignore[index]

        addFailure = addError

    Site(method).run(Result())
    return caught[0]


def line_of(function: Callable[..., object], offset: int) -> str:
    return f"{short_name(__file__)}:{function.__code__.co_firstlineno + offset}"


@pytest.mark.parametrize("method", unittest.defaultTestLoader.getTestCaseNames(Site))
def test_frames_of_loads_and_unittest_are_left_out(method: str) -> None:
    text = format_traceback(raised(method))
    assert "/unittest/" not in text
    assert "loads/case.py" not in text
    assert short_name(__file__) in text


def test_a_traceback_begins_with_the_tests_own_first_line() -> None:
    first, second, *_, last = format_traceback(raised("test_assertion")).splitlines()
    assert first == "Traceback (most recent call last):"
    assert second.endswith("in test_assertion")
    assert last == "AssertionError: 1 != 2"


def test_a_cause_that_came_from_the_tests_code_is_told_with_its_own_traceback() -> None:
    text = format_traceback(raised("test_own_cause"))
    assert text.count("Traceback (most recent call last):") == 2
    assert text.splitlines()[-1] == "ValueError: invalid literal for int() with base 10: 'x'"
    assert "RuntimeError: no number\ncaused by: Traceback" in text


def test_a_cause_that_the_test_hid_stays_hidden() -> None:
    assert "ValueError" not in format_traceback(raised("test_suppressed"))


def test_a_cause_inside_a_library_is_told_in_a_line() -> None:
    deep: Exception = json.JSONDecodeError("deep", "{", 0)
    top = RuntimeError("top")
    top.__cause__ = deep
    line = "json.decoder.JSONDecodeError: deep: line 1 column 1 (char 0)"
    assert format_traceback(top) == f"RuntimeError: top\ncaused by: {line}"


def test_causes_that_go_in_a_circle_come_to_an_end() -> None:
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    assert format_traceback(one).startswith("RuntimeError: one\ncaused by: RuntimeError: two")


def test_a_place_is_the_innermost_line_of_the_tests_own_code() -> None:
    """Not the line in json that raised, and not unittest's that called."""
    assert place_of(raised("test_library").__traceback__) == line_of(Site.test_library, 1)
    assert place_of(raised("test_assertion").__traceback__) == line_of(Site.test_assertion, 1)


def test_where_no_line_is_the_users_the_innermost_of_all_is_told() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any will do
        json.loads("{")
    trace = caught.value.__traceback__
    assert trace is not None
    assert "/json/" in place_of(trace.tb_next)


def test_what_was_never_raised_has_no_place() -> None:
    assert place_of(None) == ""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (AssertionError, "AssertionError"),
        (requests.exceptions.ConnectionError, "requests.exceptions.ConnectionError"),
        (type("Own", (Exception,), {"__module__": "__main__"}), "Own"),
    ],
)
def test_a_kind_is_named_as_in_a_tracebacks_last_line(kind: type[BaseException], name: str) -> None:
    assert kind_name(kind) == name


def test_a_file_is_named_as_imports_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents unpack a run's files wherever they like: what goes wrong in one line of them is one group of errors."""
    monkeypatch.setattr("sys.path", ["/runs/a1/work", "/runs/a1/work/deep", ""])
    assert short_name("/runs/a1/work/shop/checkout.py") == "shop/checkout.py"
    assert short_name("/runs/a1/work/deep/down.py") == "down.py"
    assert short_name("/elsewhere/down.py") == "/elsewhere/down.py"


def test_a_file_of_a_library_keeps_its_whole_name() -> None:
    assert short_name(json.__file__) == json.__file__
