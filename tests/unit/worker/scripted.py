"""Tests that do what a script tells them, and a result that keeps what it is told: to compare two ways to run them."""

from __future__ import annotations

import sys
import unittest
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

import gevent
import pytest
from hypothesis import strategies as st

from loads.errors import Interrupted
from loads.worker.iteration import Performer, Routine

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Own(Exception):
    """What some classes fail with instead of AssertionError."""


KINDS = [AssertionError, Own]
RAISED = {
    "fail": AssertionError("fails"),
    "error": KeyError("breaks"),
    "own": Own("is its own"),
    "skip": unittest.SkipTest("skips"),
    "skip as pytest": pytest.skip.Exception("skips"),
    "cut off": Interrupted("now"),
    "exit of a greenlet": gevent.GreenletExit("killed"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt("^C"),
}
PLAIN = ["pass", "log out", "clean up", "shadow tearDown", "call it failed", "drop cleanups", *RAISED]
Action = Any
"""One of PLAIN, or a pair of one of BLOCKS and what happens in it."""
BLOCKS = ["subtest", "cleanup", "context", "swallow", "return"]
actions = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: st.tuples(st.sampled_from(BLOCKS), st.lists(inner, max_size=3)),
    max_leaves=6,
)
steps = st.lists(actions, max_size=4)
maybe_steps = st.none() | steps


class Log:
    """A result that keeps what it is told, and what the steps of the test saw."""

    def __init__(self, failfast: bool = False) -> None:
        self.failfast = failfast
        self.shouldStop = False
        self.entries: list[Any] = []

    def startTest(self, test: Any) -> None:
        pass

    stopTest = startTest

    def addDuration(self, test: Any, elapsed: float) -> None:
        pass

    def addSuccess(self, test: Any) -> None:
        self.entries.append(("success", str(test)))

    def addSkip(self, test: Any, reason: str) -> None:
        self.entries.append(("skip", str(test), reason))

    def addFailure(self, test: Any, info: _ExcInfo) -> None:
        self.entries.append(("failure", str(test), told(info)))

    def addError(self, test: Any, info: _ExcInfo) -> None:
        self.entries.append(("error", str(test), told(info)))

    def addExpectedFailure(self, test: Any, info: _ExcInfo) -> None:
        self.entries.append(("expected failure", str(test), told(info)))

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.entries.append(("unexpected success", str(test)))

    def addSubTest(self, test: Any, subtest: Any, info: _ExcInfo | None) -> None:
        self.entries.append(("subtest", str(test), str(subtest), None if info is None else told(info)))


def told(info: _ExcInfo) -> Any:
    """An exception as its author would compare it: its kind and words, its way through this file, its context."""
    kind, error, trace = info
    way = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == __file__:
            way.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
        trace = trace.tb_next
    return kind.__name__, str(error), way, repr(error.__context__), repr(error.__cause__)


class Scripted:
    """The steps of a test that does what it is told to, and logs what it can see of the world meanwhile."""

    log: Log

    def play(self, step: str, script: list[Action]) -> Any:
        case: Any = self
        self.log.entries.append((step, case._outcome.success, repr(sys.exc_info()[1]), case._testMethodName))
        for action in script:
            if isinstance(action, str):
                self.act(action)
            elif action[0] == "return":
                return action[1]
            else:
                self.block(step, *action)
        return None

    def act(self, action: str) -> None:
        case: Any = self
        if action == "log out":
            self.log.entries.append(("cleanups", len(case._cleanups)))
        elif action == "clean up":
            self.log.entries.append(("cleaned up", case.doCleanups()))
        elif action == "shadow tearDown":
            case.tearDown = lambda: self.play("the instance's tearDown", [])
        elif action == "call it failed":
            case._outcome.success = False
        elif action == "drop cleanups":
            case._cleanups = []
        elif action in RAISED:
            error = RAISED[action]
            raise type(error)(*error.args)

    def block(self, step: str, kind: str, script: list[Action]) -> None:
        case: Any = self
        if kind == "subtest":
            with case.subTest("part", of=step):
                self.play(f"subtest of {step}", script)
        elif kind == "cleanup":
            case.addCleanup(self.play, f"cleanup of {step}", script)
        elif kind == "context":
            case.enterContext(self.context(step, script))
        else:
            try:
                self.play(step, script)
            except Exception as error:
                self.log.entries.append(("swallowed", repr(error)))

    @contextmanager
    def context(self, step: str, script: list[Action]) -> Iterator[None]:
        self.log.entries.append(f"entered in {step}")
        yield
        self.play(f"context of {step}", script)


def scripted(
    base: type,
    set_up: list[Action] | None,
    test: list[Action],
    tear_down: list[Action] | None,
    failure: type[Exception] = AssertionError,
) -> type[unittest.TestCase]:
    """A test class that plays these scripts; None for a step that it does not define."""
    members: dict[str, Any] = {"test_it": lambda self: self.play("test_it", test), "failureException": failure}
    if set_up is not None:
        members["setUp"] = lambda self: self.play("setUp", set_up)
    if tear_down is not None:
        members["tearDown"] = lambda self: self.play("tearDown", tear_down)
    return type("Played", (Scripted, base), members)


def ready(case: Any, log: Any, method: str = "test_it") -> Callable[[], object]:
    """An iteration of ours."""
    performer = Performer(log)
    performer.take(case)
    return partial(performer.perform, Routine.of(type(case), method))


def by_unittest(case: Any, log: Any) -> Callable[[], object]:
    return partial(case, log)


def by_us(case: Any, log: Any) -> Callable[[], object]:
    return ready(case, log)


def played(
    cls: type[Any], way: Callable[[Any, Any], Callable[[], object]], failfast: bool = False, warn: Any = "always"
) -> list[Any]:
    """What came of two iterations on one instance."""
    log = Log(failfast)
    case: Any = cls("test_it")
    case.log = log
    run = way(case, log)
    for _ in range(2):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter(warn)
            try:
                run()
            except BaseException as error:
                log.entries.append(("came out", told((type(error), error, error.__traceback__))))
        log.entries.append([(warning.category, str(warning.message)) for warning in warned])
        log.entries.append((case._outcome, case._subtest, len(case._cleanups)))
    return log.entries
