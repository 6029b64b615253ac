from __future__ import annotations

import unittest

import pytest

from loads.case import TestCase
from loads.client.recorder import Recorder
from loads.client.user import VirtualUser
from loads.errors import Interrupted
from loads.metrics.summary import ErrorKey, Summary
from loads.worker.iteration import Performer, Routine
from loads.worker.outcome import Faults, Outcome, as_result
from loads.worker.tracebacks import short_name
from tests.build import new_recorder


class Everything(TestCase):
    """One test for each way in which unittest can end one."""

    __test__ = False

    def setUp(self) -> None:
        if self._testMethodName == "test_set_up_fails":
            self.fail("in setUp")

    def tearDown(self) -> None:
        if self._testMethodName in ("test_tear_down_raises", "test_fails_and_tear_down_raises"):
            raise RuntimeError("in tearDown")

    def test_passes(self) -> None:
        pass

    def test_fails(self) -> None:
        self.assertEqual(1, 2)

    def test_raises(self) -> None:
        raise KeyError("x")

    def test_set_up_fails(self) -> None:
        pass

    def test_tear_down_raises(self) -> None:
        pass

    def test_fails_and_tear_down_raises(self) -> None:
        self.fail("in the test")

    def test_cleanup_raises(self) -> None:
        self.addCleanup(self.fail, "in a cleanup")

    def test_skips(self) -> None:
        self.skipTest("not today")

    @unittest.skip("never")
    def test_is_skipped(self) -> None:
        self.fail("not reached")

    @unittest.expectedFailure
    def test_fails_as_expected(self) -> None:
        self.fail("as expected")

    @unittest.expectedFailure
    def test_passes_unexpectedly(self) -> None:
        pass

    def test_two_subtests_of_three_fail(self) -> None:
        for n in range(3):
            with self.subTest(n=n):
                self.assertEqual(n, 1)

    def test_one_subtest_fails_and_one_raises(self) -> None:
        with self.subTest("fails"):
            self.fail("in a subtest")
        with self.subTest("raises"):
            raise KeyError

    def test_a_subtest_skips(self) -> None:
        with self.subTest("skips"):
            self.skipTest("not this one")

    @unittest.expectedFailure
    def test_a_subtest_fails_as_expected(self) -> None:
        with self.subTest("fails"):
            self.fail("as expected")

    def test_has_its_own_kind_of_failure(self) -> None:
        self.failureException = LookupError
        with self.subTest("fails"):
            raise LookupError


class Skipped(TestCase):
    __test__ = False

    def test_it(self) -> None:
        self.fail("not reached")


METHODS = unittest.defaultTestLoader.getTestCaseNames(Everything)


class Bench:
    """An outcome with all around it that a worker would give it, told by unittest itself or by an iteration of ours."""

    def __init__(self, directly: bool) -> None:
        self.directly = directly
        self.recorder: Recorder = new_recorder()
        self.faults = Faults(self.recorder)
        self.outcome = Outcome(VirtualUser(recorder=self.recorder, scenario="t"), self.recorder, self.faults)

    def run(self, case: unittest.TestCase) -> Summary:
        self.outcome.begin()
        if self.directly:
            performer = Performer(as_result(self.outcome))
            performer.take(case)
            performer.perform(Routine.of(type(case), case._testMethodName))
        else:
            case.run(as_result(self.outcome))
        return self.recorder.take()


@pytest.fixture(params=[True, False], ids=["directly", "by unittest"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


@pytest.mark.parametrize("method", METHODS)
def test_everything_is_counted_as_unittest_counts_it(bench: Bench, method: str) -> None:
    result = unittest.TestResult()
    Everything(method).run(result)
    totals = bench.run(Everything(method)).totals
    assert totals.failures == len(result.failures) + len(result.unexpectedSuccesses)
    assert totals.errors == len(result.errors)
    assert totals.skipped == len(result.skipped)
    passed = not (result.failures or result.errors or result.skipped or result.unexpectedSuccesses)
    assert totals.success == (1 if passed else 0)
    assert bench.outcome.failed == (not result.wasSuccessful())


def test_a_class_that_is_skipped_counts_each_iteration_as_skipped(bench: Bench) -> None:
    totals = bench.run(unittest.skip("never")(Skipped)("test_it")).totals
    assert (totals.skipped, totals.failures) == (1, 0)


def test_a_failure_is_grouped_by_kind_and_by_the_line_of_the_test(bench: Bench) -> None:
    (key,) = bench.run(Everything("test_fails")).errors
    line = Everything.test_fails.__code__.co_firstlineno + 1
    assert key == ErrorKey("failure", "AssertionError", f"{short_name(__file__)}:{line}")


def test_an_error_is_told_with_its_traceback_message_and_test(bench: Bench) -> None:
    (group,) = bench.run(Everything("test_raises")).errors.values()
    assert (group.count, group.message, group.scenario) == (1, "'x'", "t")
    assert group.traceback.splitlines()[-1] == "KeyError: 'x'"
    assert "unittest" not in group.traceback


def test_the_same_fault_is_one_group_with_one_traceback(bench: Bench) -> None:
    for _ in range(3):
        Everything("test_fails").run(as_result(bench.outcome))
    (group,) = bench.recorder.take().errors.values()
    assert group.count == 3
    assert group.traceback.count("Traceback") == 1


def test_an_unexpected_success_is_told_where_the_test_is(bench: Bench) -> None:
    ((key, group),) = bench.run(Everything("test_passes_unexpectedly")).errors.items()
    assert group.message == "test_passes_unexpectedly passed, but is marked as an expected failure"
    assert key.place.startswith(f"{short_name(__file__)}:")


def test_each_iteration_begins_without_the_faults_of_the_one_before(bench: Bench) -> None:
    bench.run(Everything("test_fails"))
    assert bench.outcome.failed
    bench.run(Everything("test_passes"))
    assert not bench.outcome.failed


class CutOff(TestCase):
    __test__ = False

    def test_plain(self) -> None:
        raise Interrupted

    def test_swallowed(self) -> None:
        try:
            raise Interrupted
        except Exception:
            pass

    def test_in_a_subtest(self) -> None:
        with self.subTest("x"):
            raise Interrupted

    @unittest.expectedFailure
    def test_expected(self) -> None:
        raise Interrupted


@pytest.mark.parametrize("method", unittest.defaultTestLoader.getTestCaseNames(CutOff))
def test_an_iteration_that_is_cut_off_is_neither_good_nor_bad(bench: Bench, method: str) -> None:
    totals = bench.run(CutOff(method)).totals
    assert (totals.success, totals.failures, totals.errors) == (0, 0, 0)
    assert bench.outcome.interrupted
    assert not bench.outcome.failed


def test_before_the_run_everything_happens_at_its_beginning(bench: Bench) -> None:
    bench.faults.error(ValueError("in a fixture"), "setUpClass")
    (group,) = bench.recorder.take().errors.values()
    assert (group.first_us, group.last_us) == (0, 0)


def test_faults_are_timed_from_the_start_of_the_run(bench: Bench) -> None:
    bench.faults.run_at_us = 0
    bench.faults.error(ValueError(), "t")
    (group,) = bench.recorder.take().errors.values()
    assert group.first_us > 0


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def test_an_exception_that_can_not_be_printed_is_still_told() -> None:
    def fail(self: object) -> None:
        raise Wordless

    recorder = new_recorder()
    outcome = Outcome(VirtualUser(recorder=recorder, scenario="t"), recorder, Faults(recorder))
    type("Case", (TestCase,), {"test_it": fail})("test_it").run(as_result(outcome))
    (group,) = recorder.take().errors.values()
    assert group.count == 1


def test_it_has_all_that_unittest_calls() -> None:
    assert callable(getattr(Outcome, "addDuration", None))
