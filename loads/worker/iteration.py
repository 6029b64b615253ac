"""One iteration: setUp, the test, tearDown and cleanups called directly, with unittest's semantics.

`unittest.TestCase.run` wraps a context manager around every step, to be ready for whatever may happen: 4.4 us when
nothing does. Here a step is a call, and what can be decided beforehand is: 0.3 us. As soon as something is raised,
unittest's own machinery takes over in the middle: its `testPartExecutor` judges the exception (a failure, an error, a
skip, a KeyboardInterrupt that goes on) and runs the steps that are left, so there is one set of rules, that of the
installed Python. And a test that is unusual from the start (skipped, expected to fail, of a class that runs its tests
in a way of its own) goes through its own `__call__`, as in any suite.

Knows unittest's TestCase and a result to report to; nothing of users, load or time. `executor` calls it.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from loads.case import TestCase

__unittest = True
"""unittest cuts the frames of such modules from the tracebacks that it prints."""

_Outcome: Any = unittest.case._Outcome  # type: ignore[attr-defined]

_BETWEEN: Final = (
    "run",
    "__call__",
    "doCleanups",
    "_callSetUp",
    "_callTestMethod",
    "_callTearDown",
    "_callCleanup",
    "_addDuration",
    "__getattribute__",
)
"""What unittest calls of a case between the steps that are the author's. A class that replaces one means it."""
_OWN: Final[dict[tuple[type, str], object]] = {
    (owner, name): vars(owner).get(name) for owner in (object, unittest.TestCase, TestCase) for name in _BETWEEN
}
"""Taken before any test file is imported: whoever replaces unittest's own means it, too."""
_MARKS: Final = ("__unittest_skip__", "__unittest_expecting_failure__")
_UNUSUAL: Final = frozenset({*_BETWEEN, *_MARKS})
_EMPTY: Final = (unittest.TestCase.setUp, unittest.TestCase.tearDown)

_SET_UP: Final = 0
_TEST: Final = 1
_TEAR_DOWN: Final = 2
_CLEANUPS: Final = 3


@dataclass(frozen=True, slots=True)
class Routine:
    """The steps of one test, as its class was when this was made. All users share it.

    Attributes:
        name: the test method's.
        method: the method itself; None when the case is to run itself, because something about it is unusual.
        set_up, tear_down: None where they do nothing.
    """

    name: str
    method: Callable[[Any], Any] | None = None
    set_up: Callable[[Any], Any] | None = None
    tear_down: Callable[[Any], Any] | None = None

    @classmethod
    def of(cls, owner: type[unittest.TestCase], name: str) -> Routine:
        """That of test `name` of `owner`."""
        set_up, method, tear_down = (inspect.getattr_static(owner, step, None) for step in ("setUp", name, "tearDown"))
        plain = all(type(step) is FunctionType for step in (set_up, method, tear_down))
        marked = any(getattr(thing, mark, False) for thing in (owner, method) for mark in _MARKS)
        if not plain or marked or any(_replaces(base) for base in owner.__mro__):
            return cls(name)
        return cls(name, method, None if set_up in _EMPTY else set_up, None if tear_down in _EMPTY else tear_down)


def _replaces(base: type) -> bool:
    return any(name in vars(base) and vars(base)[name] is not _OWN.get((base, name)) for name in _BETWEEN)


class Performer:
    """Runs the routines of one class for one user, on the case that it was given last.

    Attributes:
        case: that instance of the class.
        fields: what it has of its own.
        stands: whether the next iteration may run on it as it is; for whoever looks after the cases.
    """

    __slots__ = ("_parts", "_result", "_unusual", "case", "fields", "stands")

    def __init__(self, result: unittest.TestResult) -> None:
        self._result = result
        self._parts = _Parts(result)
        self._unusual = False
        self.case: Any = None
        self.fields: dict[str, Any] = {}
        self.stands = False

    def take(self, case: unittest.TestCase) -> None:
        """From now on, run on `case`, which was just made."""
        self.case = case
        self.fields = vars(case)
        self._unusual = not _UNUSUAL.isdisjoint(self.fields)

    def perform(self, routine: Routine) -> None:
        """One iteration; the result is told what unittest would tell it. Raises what unittest lets through."""
        case, fields, parts, method = self.case, self.fields, self._parts, routine.method
        case._testMethodName = routine.name
        if method is None or self._unusual or "setUp" in fields or routine.name in fields:
            case(self._result)
            return
        case._outcome = parts  # subTest and doCleanups look there
        step = _SET_UP
        try:
            try:
                if routine.set_up is not None:
                    routine.set_up(case)
                if parts.success:
                    step = _TEST
                    if (answer := method(case)) is not None:
                        case._callTestMethod(_Called(getattr(case, routine.name), answer))
                    if parts.success and "tearDown" not in fields:
                        step = _TEAR_DOWN
                        if routine.tear_down is not None:
                            routine.tear_down(case)
                        step = _CLEANUPS
                        while case._cleanups and parts.success:
                            function, args, kwargs = case._cleanups.pop()
                            function(*args, **kwargs)
            except BaseException:
                with parts.testPartExecutor(case):
                    raise
            if step != _CLEANUPS or case._cleanups:
                self._go_on(step)
            if parts.success:
                self._result.addSuccess(case)
        finally:
            case._outcome = None
            if parts.used or not parts.success:
                self._parts = _Parts(self._result)

    def _go_on(self, step: int) -> None:
        """`step` was not the last: it raised, or a subtest of it failed. Do what is left, as unittest does it."""
        case, parts = self.case, self._parts
        if step == _TEST:
            with parts.testPartExecutor(case):
                case._callTearDown()
        case.doCleanups()


class _Parts(_Outcome):  # type: ignore[misc]
    """unittest's record of one iteration, used again until something has left its mark on it."""

    used = False

    def testPartExecutor(self, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
        self.used = True
        executor: AbstractContextManager[None] = super().testPartExecutor(*args, **kwargs)
        return executor


class _Called:
    """A test that was called already, for unittest to frown on its answer in its own words."""

    def __init__(self, method: object, answer: object) -> None:
        self._method = method
        self._answer = answer

    def __call__(self) -> object:
        return self._answer

    def __repr__(self) -> str:
        return repr(self._method)
