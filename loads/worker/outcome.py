"""What became of an iteration, told by unittest itself.

An `Outcome` is what a TestCase reports to while it runs: the part of a unittest.TestResult that `TestCase.run` calls,
counting as unittest counts. One per virtual user, used again for each iteration.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from loads.client.clock import monotonic_ns
from loads.client.rows import RowsUsedUp
from loads.errors import Interrupted, UsageError
from loads.metrics.summary import ErrorKey, SeriesKey
from loads.worker.plain import is_skip
from loads.worker.tracebacks import format_traceback, kind_name, message_of, place_of, short_name

if TYPE_CHECKING:
    from loads.client.recorder import Recorder
    from loads.client.user import VirtualUser

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

FAILURE = "failure"
ERROR = "error"


class Faults:
    """Counts failures and errors of one worker, from iterations and fixtures alike."""

    def __init__(self, recorder: Recorder, on_misuse: Callable[[UsageError], None] | None = None) -> None:
        self._recorder = recorder
        self._on_misuse = on_misuse
        self.run_at_us: int | None = None
        self.left: int | None = None
        """So many more, and it is enough."""
        self.on_enough: Callable[[], None] | None = None

    def failure(self, error: BaseException, scenario: str, after: SeriesKey | None, place: str = "") -> None:
        """An assertion did not hold, `after` that request; `place` for one that has no traceback."""
        self._recorder.summary.totals.failures += 1
        self._group(FAILURE, error, scenario, after, place)

    def error(self, error: BaseException, scenario: str, after: SeriesKey | None = None) -> None:
        """Anything else was raised."""
        self._recorder.summary.totals.errors += 1
        self._group(ERROR, error, scenario, after)

    def _group(
        self, outcome: str, error: BaseException, scenario: str, after: SeriesKey | None, place: str = ""
    ) -> None:
        t_us = 0 if self.run_at_us is None else max(0, monotonic_ns() // 1_000 - self.run_at_us)
        if isinstance(error, UsageError) and self._on_misuse is not None:
            self._on_misuse(error)
        if self.left is not None:
            self.left -= 1
            if self.left <= 0 and self.on_enough is not None:
                self.on_enough()
        key = ErrorKey(outcome, kind_name(type(error)), place or place_of(error.__traceback__))
        known = key in self._recorder.summary.errors
        trace = "" if known else format_traceback(error)
        series = scenario if after is None else f"{after.method} {after.name}"
        self._recorder.error(key, t_us, message_of(error), trace, scenario, series)


class Outcome:
    """The result object that one virtual user's tests run with.

    `on_retire` is called when there is nothing left that the user could feed its tests with.
    """

    failfast = False
    shouldStop = False  # noqa: N815 - unittest's name

    def __init__(self, user: VirtualUser, recorder: Recorder, faults: Faults) -> None:
        self._user = user
        self._recorder = recorder
        self._faults = faults
        self._is_retired = False
        self.on_retire: Callable[[], None] = lambda: None
        self.failed = False
        self.interrupted = False

    def begin(self) -> None:
        """Forget the iteration before."""
        self.failed = False
        self.interrupted = False

    def startTest(self, test: Any) -> None:
        """Called by unittest."""

    def stopTest(self, test: Any) -> None:
        """Called by unittest."""

    def addDuration(self, test: Any, elapsed: float) -> None:
        """Called by unittest since Python 3.12; iterations are timed by whoever runs them."""

    def addSuccess(self, test: Any) -> None:
        """The test passed."""
        self._recorder.summary.totals.success += 1

    def addFailure(self, test: Any, info: _ExcInfo) -> None:
        """An assertion failed."""
        self.failed = True
        self._faults.failure(info[1], self._user.scenario, self._user.last_hit)

    def addError(self, test: Any, info: _ExcInfo) -> None:
        """Something else was raised, perhaps by a hard stop."""
        if isinstance(info[1], Interrupted):
            self.interrupted = True
            return
        if isinstance(info[1], RowsUsedUp):
            self._retire()
        if is_skip(info[1]) or isinstance(info[1], RowsUsedUp):
            self.addSkip(test, str(info[1]))
            return
        self.failed = True
        self._faults.error(info[1], self._user.scenario, self._user.last_hit)

    def _retire(self) -> None:
        if not self._is_retired:
            self._is_retired = True
            self._recorder.summary.totals.retired += 1
            self.on_retire()

    def addSkip(self, test: Any, reason: str) -> None:
        """The test, or a subtest, was skipped."""
        self._recorder.summary.totals.skipped += 1

    def addExpectedFailure(self, test: Any, info: _ExcInfo) -> None:
        """It failed, as it should: a success."""
        if isinstance(info[1], Interrupted):
            self.interrupted = True
            return
        self._recorder.summary.totals.success += 1

    def addUnexpectedSuccess(self, test: Any) -> None:
        """It passed and should not have: a failure."""
        self.failed = True
        name = getattr(test, "_testMethodName", str(test))
        error = AssertionError(f"{name} passed, but is marked as an expected failure")
        self._faults.failure(error, self._user.scenario, None, _place_of_method(test, name))

    def addSubTest(self, test: Any, subtest: Any, info: _ExcInfo | None) -> None:
        """A subtest ended; a failed one is one failure or error."""
        if info is None:
            return
        if issubclass(info[0], getattr(test, "failureException", AssertionError)):
            self.addFailure(subtest, info)
        else:
            self.addError(subtest, info)


def _place_of_method(test: Any, name: str) -> str:
    code = getattr(getattr(test, name, None), "__code__", None)
    return f"{short_name(code.co_filename)}:{code.co_firstlineno}" if code is not None else name


def as_result(outcome: Outcome) -> unittest.TestResult:
    """`outcome` for `TestCase.run`, which asks for no more than it has."""
    return outcome  # type: ignore[return-value]
