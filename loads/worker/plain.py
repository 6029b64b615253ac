"""pytest-style tests as unittest sees them: classes and functions that take no fixtures.

Each is wrapped in a unittest.TestCase made for it, so that everything else (instances, outcomes, fixtures per class)
works as for any test. Known: setup_method and its kin, pytest.skip() and its kin, and the marks that `marks` reads. A
test that needs more of pytest is left out, and named: without what it needs its outcome would mean nothing.
"""

from __future__ import annotations

import inspect
import sys
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from loads.worker.marks import (
    NeedsPytest,
    ParameterSet,
    autouse_fixtures,
    expand,
    expected_failure,
    fixture_marker,
    fixtures_used,
    marks_of,
    required_arguments,
    skip_reason,
)

_OUTCOMES_MODULE = "_pytest.outcomes"


class PlainTest(unittest.TestCase):
    """Base of the wrapped ones; `of_module`: functions of a module, which have no class in their names."""

    of_module = False


def is_plain_class(thing: object) -> bool:
    """Whether pytest would take `thing` for a class of tests."""
    return (
        inspect.isclass(thing)
        and thing.__name__.startswith("Test")
        and not issubclass(thing, unittest.TestCase)
        and getattr(thing, "__test__", True) is True
        and thing.__init__ is object.__init__
        and thing.__new__ is object.__new__
    )


def is_plain_function(name: str, thing: object) -> bool:
    """Whether pytest would take `thing`, called `name` in its module or class, for a test."""
    return (
        name.startswith("test")
        and inspect.isfunction(thing)
        and fixture_marker(thing) is None
        and getattr(thing, "__test__", True) is True
    )


def inner_classes(cls: type[Any]) -> list[type[Any]]:
    """The classes of tests inside a pytest-style class."""
    return [thing for thing in vars(cls).values() if is_plain_class(thing)]


def wrap_class(cls: type[Any]) -> tuple[type[PlainTest], list[str]]:
    """A TestCase for the pytest-style class `cls`, and the names of its tests that only pytest can run."""
    tests: dict[str, Any] = {}
    left_out = []
    for name in dir(cls):
        attribute = inspect.getattr_static(cls, name)
        is_static = isinstance(attribute, staticmethod)
        function = attribute.__func__ if isinstance(attribute, (staticmethod, classmethod)) else attribute
        if is_plain_function(name, function):
            try:
                tests |= _methods(name, function, [cls, sys.modules[cls.__module__]], not is_static, _call_method)
            except NeedsPytest:
                left_out.append(name)

    def set_up(self: Any) -> None:
        self._plain = cls()
        _call_with(getattr(self._plain, "setup_method", None), getattr(cls, _base_name(self._testMethodName), None))

    def tear_down(self: Any) -> None:
        _call_with(getattr(self._plain, "teardown_method", None), getattr(cls, _base_name(self._testMethodName), None))

    namespace = {
        "setUp": set_up,
        "tearDown": tear_down,
        "setUpClass": classmethod(lambda _: _call_with(getattr(cls, "setup_class", None), cls)),
        "tearDownClass": classmethod(lambda _: _call_with(getattr(cls, "teardown_class", None), cls)),
        **tests,
    }
    return _make(cls.__name__, cls.__module__, cls.__qualname__, namespace), left_out


def wrap_functions(module: ModuleType) -> tuple[type[PlainTest], list[str]]:
    """A TestCase for the test functions of `module`, and the names of those that only pytest can run."""
    tests: dict[str, Any] = {}
    left_out = []
    for name, function in vars(module).items():
        if is_plain_function(name, function):
            try:
                tests |= _methods(name, function, [module], False, _call_function)
            except NeedsPytest:
                left_out.append(name)

    def set_up(self: Any) -> None:
        _call_with(getattr(module, "setup_function", None), getattr(module, _base_name(self._testMethodName), None))

    def tear_down(self: Any) -> None:
        _call_with(getattr(module, "teardown_function", None), getattr(module, _base_name(self._testMethodName), None))

    namespace = {"setUp": set_up, "tearDown": tear_down, "of_module": True, **tests}
    return _make("Functions", module.__name__, "", namespace), left_out


def module_fixture(module: ModuleType, name: str) -> Callable[[], Any] | None:
    """The ``setup_module`` or ``teardown_module`` of pytest, ready to be called; None when there is none."""
    fixture = getattr(module, name, None)
    return None if fixture is None else lambda: _call_with(fixture, module)


def is_skip(error: BaseException) -> bool:
    """Whether `error` is what pytest.skip() raises."""
    return _is_outcome(error, "Skipped")


def _make(name: str, module: str, qualname: str, namespace: dict[str, Any]) -> type[PlainTest]:
    made = type(name, (PlainTest,), namespace)
    made.__module__ = module
    made.__qualname__ = qualname
    return made


def _call_method(function: Any, name: str, self: Any, arguments: dict[str, Any]) -> Any:
    return getattr(self._plain, name)(**arguments)


def _call_function(function: Any, name: str, self: Any, arguments: dict[str, Any]) -> Any:
    return function(**arguments)


def _methods(name: str, function: Any, owners: list[Any], bound: bool, caller: Callable[..., Any]) -> dict[str, Any]:
    """The methods that `function` becomes: one, or one for each set of parameters.

    Raises:
        NeedsPytest: it can't run without.
    """
    marks = marks_of(function, *owners)
    fixtures = fixtures_used(marks) + [fixture for owner in owners for fixture in autouse_fixtures(owner)]
    if fixtures:
        raise NeedsPytest(fixtures)
    needed = required_arguments(function, bound=bound)
    methods = {}
    for parameters in expand(marks):
        missing = [argument for argument in needed if argument not in parameters.arguments]
        if missing:
            raise NeedsPytest(missing)
        method = _method(name, function, caller, parameters, marks)
        if hasattr(function, "_loads_weight"):
            method._loads_weight = function._loads_weight
        methods[name if parameters.label is None else f"{name}[{parameters.label}]"] = method
    if not methods:
        methods[name] = unittest.skip("its parametrize mark has no values")(lambda self: None)
    return methods


def _method(name: str, function: Any, caller: Callable[..., Any], parameters: ParameterSet, outer: list[Any]) -> Any:
    marks = [*parameters.marks, *outer]
    reason = skip_reason(marks)
    expected = expected_failure(marks)
    if reason is None and expected is not None and not expected.run:
        reason = "expected to fail, and not to be run"

    def run(self: unittest.TestCase) -> None:
        try:
            with _translated(self):
                caller(function, name, self, parameters.arguments)
        except unittest.SkipTest:
            raise
        except BaseException as error:
            if _is_outcome(error, "XFailed") or (expected is not None and isinstance(error, expected.raises)):
                return
            raise
        if expected is not None and expected.strict:
            self.fail("passed, but is marked as an expected failure")

    lazy = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    method: Any = _never_async if lazy else _never_yields if inspect.isgeneratorfunction(function) else run
    return method if reason is None else unittest.skip(reason)(method)


async def _never_async(self: unittest.TestCase) -> None:
    """Stands for a test that calling would not run: the loader refuses it."""


def _never_yields(self: unittest.TestCase) -> Iterator[None]:
    """The same for a generator."""
    yield


@contextmanager
def _translated(test: unittest.TestCase | None = None) -> Iterator[None]:
    """pytest.skip() and pytest.fail() inside, as unittest says it."""
    try:
        yield
    except BaseException as error:
        if _is_outcome(error, "Skipped"):
            raise unittest.SkipTest(str(error)) from None
        if test is not None and _is_outcome(error, "Failed") and not _is_outcome(error, "XFailed"):
            raise test.failureException(str(error)) from error
        raise


def _is_outcome(error: BaseException, name: str) -> bool:
    kinds = type(error).__mro__
    return any(kind.__name__ == name for kind in kinds) and any(kind.__module__ == _OUTCOMES_MODULE for kind in kinds)


def _call_with(fixture: Callable[..., Any] | None, argument: Any) -> None:
    """Call a set-up or its end, which may or may not take what it is for."""
    if fixture is not None:
        with _translated():
            fixture(*([argument] if required_arguments(fixture, bound=False) else []))


def _base_name(name: str) -> str:
    return name.partition("[")[0]
