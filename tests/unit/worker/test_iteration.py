"""An iteration run directly against unittest's own run of the same test: the same outcome, step by step."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from functools import partialmethod
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loads.case import TestCase
from loads.worker.iteration import Performer, Routine
from loads.worker.tracebacks import format_traceback, place_of, short_name
from tests.unit.worker.scripted import KINDS, Log, by_unittest, by_us, maybe_steps, played, ready, scripted, steps

scripts = st.builds(
    scripted, st.sampled_from([unittest.TestCase, TestCase]), maybe_steps, steps, maybe_steps, st.sampled_from(KINDS)
)


@settings(max_examples=200)
@given(cls=scripts, failfast=st.booleans(), warn=st.sampled_from(["always", "error"]))
@example(scripted(TestCase, [("subtest", ["fail"])], [], None), False, "error")
@example(scripted(TestCase, None, [("subtest", ["fail"])], [("subtest", [])]), True, "error")
@example(scripted(TestCase, None, [("subtest", ["fail"])], []), False, "error")
@example(scripted(TestCase, None, [("cleanup", []), ("cleanup", [("subtest", ["fail"])])], []), False, "error")
@example(scripted(TestCase, ["call it failed"], [], None), False, "error")
@example(scripted(TestCase, None, ["shadow tearDown", ("return", [])], ["error"]), False, "always")
def test_it_is_what_unittest_does(cls: type[unittest.TestCase], failfast: bool, warn: Any) -> None:
    """Whatever a test does: the result is told the same in the same order, the steps see the same, the same is left."""
    assert played(cls, by_us, failfast, warn) == played(cls, by_unittest, failfast, warn)


# What is unusual is left to the case itself.


class _Base(unittest.TestCase):
    """Logs what is called, for the ones below that have something unusual about them."""

    __test__ = False
    log: Log

    def note(self, entry: str) -> None:
        self.log.entries.append(entry)

    def setUp(self) -> None:
        self.note("setUp")

    def test_it(self) -> None:
        self.addCleanup(self.note, "cleanup")
        self.note("test")


class SkippedMethod(_Base):
    @unittest.skip("not today")
    def test_it(self) -> None:
        self.note("not reached")


@unittest.skip("none of it")
class SkippedClass(_Base):
    pass


class ExpectedToFail(_Base):
    @unittest.expectedFailure
    def test_it(self) -> None:
        with self.subTest("fails"):
            self.fail("as expected")


@unittest.expectedFailure
class PassesUnexpectedly(_Base):
    pass


class OwnRun(_Base):
    def run(self, result: Any = None) -> Any:
        self.note("run")
        return super().run(result)


class OwnCall(_Base):
    """As Django's."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.note("call")
        return super().__call__(*args, **kwargs)


class OwnLoadsRun(TestCase):
    __test__ = False
    log: Log

    def run(self, result: Any = None) -> Any:
        self.log.entries.append("run")
        return super().run(result)

    def test_it(self) -> None:
        pass


class OwnTestCall(_Base):
    def _callTestMethod(self, method: Any) -> None:
        self.note("call of the test")
        method()


class OwnCleanups(_Base):
    def doCleanups(self) -> Any:
        self.note("cleanups")
        return super().doCleanups()


class OwnLookUp(_Base):
    def __getattribute__(self, name: str) -> Any:
        if name == "setUp":
            return lambda: self.note("another setUp")
        return super().__getattribute__(name)


class Async(unittest.IsolatedAsyncioTestCase):
    __test__ = False
    log: Log

    async def asyncSetUp(self) -> None:
        self.log.entries.append("asyncSetUp")

    async def test_it(self) -> None:
        self.log.entries.append("test")


class Static(_Base):
    @staticmethod
    def test_it() -> None:
        raise KeyError


class Partial(_Base):
    test_it = partialmethod(_Base.note, "by a partial")


class ClassSetUp(_Base):
    seen = 0

    @classmethod
    def setUp(cls) -> None:
        cls.seen = 1

    def test_it(self) -> None:
        self.note(f"seen {self.seen}")


class Dynamic(_Base):
    test_it: Any = None

    def __init__(self, name: str) -> None:
        self.test_it = lambda: self.note("made for it")
        super().__init__(name)


UNUSUAL = [
    SkippedMethod,
    SkippedClass,
    ExpectedToFail,
    PassesUnexpectedly,
    OwnRun,
    OwnCall,
    OwnLoadsRun,
    OwnTestCall,
    OwnCleanups,
    OwnLookUp,
    Async,
    Static,
    Partial,
    ClassSetUp,
    Dynamic,
]


@pytest.mark.parametrize("cls", UNUSUAL)
def test_what_is_unusual_runs_as_it_would_in_a_suite(cls: type[unittest.TestCase]) -> None:
    assert Routine.of(cls, "test_it").method is None
    assert played(cls, by_us) == played(cls, by_unittest)


class SetsUpByItself(_Base):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.setUp = lambda: self.note("the instance's setUp")  # type: ignore[method-assign]


class TestsByItself(_Base):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.test_it = lambda: self.note("the instance's test")  # type: ignore[method-assign]


class CleansUpByItself(_Base):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.doCleanups = lambda: self.note("the instance's cleanups")  # type: ignore[method-assign]


class ExpectsByItself(_Base):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__unittest_expecting_failure__ = True


class Generator(_Base):
    def test_it(self) -> Iterator[None]:  # type: ignore[override]
        yield


class OddFailures(_Base):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.failureException = LookupError

    def test_it(self) -> None:
        with self.subTest("fails"):
            raise KeyError
        raise KeyError


class SetsUpInAMixin:
    def setUp(self: Any) -> None:
        super().setUp()  # type: ignore[misc]
        self.note("mixed in")


class Mixed(SetsUpInAMixin, _Base):
    pass


class Abandoned(_Base):
    """Leaves a subtest open, which ends and fails in the middle of the next iteration."""

    part: Any = None

    def test_it(self) -> None:
        if self.part is None:
            self.part = self.subTest("left open")
            self.part.__enter__()
        else:
            self.part.__exit__(AssertionError, AssertionError("too late"), None)


@pytest.mark.parametrize(
    "cls",
    [SetsUpByItself, TestsByItself, CleansUpByItself, ExpectsByItself, Generator, OddFailures, Mixed, Abandoned],
)
def test_what_turns_out_unusual_runs_as_unittest_runs_it(cls: type[unittest.TestCase]) -> None:
    assert Routine.of(cls, "test_it").method is not None
    assert played(cls, by_us) == played(cls, by_unittest)


class Usual(TestCase):
    """The usual one: no step of it is anything but a function."""

    __test__ = False
    log: Log

    def test_it(self) -> None:
        self.log.entries.append(self._testMethodName)

    def test_other(self) -> None:
        self.log.entries.append(self._testMethodName)

    def test_fails(self) -> None:
        self.assertEqual(1, 2)


@pytest.mark.parametrize("cls", [Usual, _Base])
def test_what_is_usual_does_not_pass_through_unittest(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    case, log = cls("test_it"), Log()
    case.log = log
    iteration = ready(case, log)
    monkeypatch.setattr(unittest.TestCase, "run", None)
    iteration()
    assert log.entries[-1] == ("success", str(case))


def test_who_replaces_unittests_own_run_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tools do that measure coverage by test, or trace."""
    ran = []
    monkeypatch.setattr(unittest.TestCase, "run", lambda self, result: ran.append(self))
    case: Any = Usual("test_it")
    ready(case, Log())()
    assert ran == [case]


def test_tests_of_one_class_take_turns_on_one_case() -> None:
    case: Any = Usual("test_it")
    log = case.log = Log()
    performer = Performer(log)  # type: ignore[arg-type]
    performer.take(case)
    for name in ("test_it", "test_other", "test_it"):
        performer.perform(Routine.of(Usual, name))
    assert [entry for entry in log.entries if isinstance(entry, str)] == ["test_it", "test_other", "test_it"]


def test_another_case_can_take_its_place() -> None:
    log = Log()
    performer = Performer(log)  # type: ignore[arg-type]
    for cls in (Usual, SetsUpByItself, OddFailures):
        case: Any = cls("test_it")
        case.log = log
        performer.take(case)
        performer.perform(Routine.of(cls, "test_it"))
        assert performer.case is case
        assert performer.fields is vars(case)
    assert [entry[0] for entry in log.entries if entry[0] in ("success", "error")] == ["success", "success"]


class NamesAnAttributeRun(_Base):
    def test_it(self) -> None:
        self.run: Any = {"id": 5}


def test_an_attribute_that_a_test_calls_run_is_no_way_to_run_it() -> None:
    """A case that lives longer than unittest's must not trip over what an iteration left on it."""
    case: Any = NamesAnAttributeRun("test_it")
    log = case.log = Log()
    iteration = ready(case, log)
    iteration()
    iteration()
    assert log.entries.count(("success", str(case))) == 2


def test_a_traceback_begins_with_the_tests_own_line() -> None:
    caught: list[BaseException] = []
    result = unittest.TestResult()
    result.addFailure = lambda test, info: caught.append(info[1])  # type: ignore[method-assign,assignment,arg-type]
    ready(Usual("test_fails"), result, "test_fails")()
    assert place_of(caught[0].__traceback__) == f"{short_name(__file__)}:{Usual.test_fails.__code__.co_firstlineno + 1}"
    first, second, *_ = format_traceback(caught[0]).splitlines()
    assert first == "Traceback (most recent call last):"
    assert second.endswith("in test_fails")


def test_unittest_prints_it_as_its_own() -> None:
    """Whoever runs with unittest's own result sees no frame of Loads."""
    result = unittest.TestResult()
    ready(Usual("test_fails"), result, "test_fails")()
    [(_, text)] = result.failures
    assert text.splitlines()[1].endswith("in test_fails")
